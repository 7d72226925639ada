#include "pack_links.h"

#include <stdlib.h>
#include <string.h>

#include "archive_fault.h"

struct link {
	ino_t inode;
	char *path; /* NULL: a free place */
};

static struct link *links;
static size_t count, capacity; /* a power of two, at most half full */

static struct link *place_of(struct link *in, size_t size, ino_t inode) {
	/* Fibonacci hashing: inodes of one directory are neighbours. */
	size_t i = (size_t)((uint64_t)inode * 11400714819323198485ull >> 32) & (size - 1);
	while (in[i].path && in[i].inode != inode) i = (i + 1) & (size - 1);
	return &in[i];
}

static void grow(void) {
	size_t size = capacity ? capacity * 2 : 256;
	struct link *more = calloc(size, sizeof *more);
	if (!more) archive_fail_errno("links");
	for (size_t i = 0; i < capacity; i++)
		if (links[i].path) *place_of(more, size, links[i].inode) = links[i];
	free(links);
	links = more;
	capacity = size;
}

const char *links_first(ino_t inode, const char *path) {
	if (count * 2 >= capacity) grow();
	struct link *l = place_of(links, capacity, inode);
	if (l->path) return l->path;
	*l = (struct link){inode, strdup(path)};
	if (!l->path) archive_fail_errno("links");
	count++;
	return NULL;
}
