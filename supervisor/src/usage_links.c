#include "usage_links.h"

#include <stdint.h>
#include <stdlib.h>

#define FIRST_SIZE 256u

/* Where the file is in the table, or would be: an open-addressed table that is never more than half full. */
static struct usage_link *place_of(struct usage_link *table, size_t size, ino_t ino, dev_t dev) {
	/* Fibonacci hashing: inode numbers come in runs. */
	size_t at = (size_t)(((uint64_t)ino ^ (uint64_t)dev << 32) * 0x9e3779b97f4a7c15u >> 32) & (size - 1);
	while (table[at].ino && (table[at].ino != ino || table[at].dev != dev)) at = (at + 1) & (size - 1);
	return &table[at];
}

static bool grow(struct usage_links *l) {
	size_t size = l->size ? l->size * 2 : FIRST_SIZE;
	struct usage_link *table = calloc(size, sizeof *table);
	if (!table) return false;
	for (size_t i = 0; i < l->size; i++)
		if (l->table[i].ino) *place_of(table, size, l->table[i].ino, l->table[i].dev) = l->table[i];
	free(l->table);
	l->table = table;
	l->size = size;
	return true;
}

enum usage_link_status usage_links_add(struct usage_links *l, const struct stat *st) {
	if (l->size) {
		struct usage_link *known = place_of(l->table, l->size, st->st_ino, st->st_dev);
		if (known->ino) return LINK_KNOWN;
	}
	if (l->count == USAGE_MAX_LINKS || st->st_ino == 0) return LINK_NO_ROOM;
	if (l->count * 2 >= l->size && !grow(l)) return LINK_NO_ROOM;
	*place_of(l->table, l->size, st->st_ino, st->st_dev) = (struct usage_link){st->st_ino, st->st_dev};
	l->count++;
	return LINK_NEW;
}

void usage_links_free(struct usage_links *l) {
	free(l->table);
	*l = (struct usage_links){0};
}
