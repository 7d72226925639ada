#include "fs_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A page ends before this, one entry more still fits a frame. */
#define MAX_PAGE (1024u * 1024)
#define MIN_ENTRY (FILE_INFO_BYTES + 12u)
enum { CAPPED = 1, MORE = 2 };
enum sort { BY_NAME = 1, BY_MTIME = 2, BY_SIZE = 3 };

struct page {
	uint8_t sort;
	uint32_t limit;
	uint64_t skip;
};

static int by_name(const void *a, const void *b) {
	return strcmp(((const struct list_entry *)a)->at.path, ((const struct list_entry *)b)->at.path);
}

static int by_mtime(const void *a, const void *b) {
	int64_t x = ((const struct list_entry *)a)->info.mtime_ns, y = ((const struct list_entry *)b)->info.mtime_ns;
	return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static int by_size(const void *a, const void *b) {
	uint64_t x = ((const struct list_entry *)a)->info.size, y = ((const struct list_entry *)b)->info.size;
	return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static void sort_entries(struct listing *l, uint8_t sort) {
	for (size_t i = 0; i < l->count; i++) l->entries[i].at.path = l->paths.bytes + l->entries[i].at.offset;
	if (l->count) qsort(l->entries, l->count, sizeof *l->entries, sort == BY_MTIME ? by_mtime : sort == BY_SIZE ? by_size : by_name);
}

static struct fault put_entry(struct listing *l, const struct list_entry *e, int base, struct buf *out) {
	char target[PATH_MAX];
	ssize_t n = e->info.type == F_SYMLINK ? readlinkat(base, e->at.path, target, sizeof target) : 0;
	uint32_t folded = 0;
	struct fault f = e->folded ? fs_count_below(l, e->at.path, &folded) : FS_OK;
	fs_put_info(out, &e->info);
	put_u32(out, folded);
	put_bytes(out, e->at.path, strlen(e->at.path));
	put_bytes(out, target, n > 0 ? (size_t)n : 0);
	return f;
}

/* `base`: the directory that the paths of the entries are below. */
static struct fault put_page(struct listing *l, const struct page *page, int base, struct buf *out) {
	size_t start = out->len;
	put_u64(out, l->count);
	put_u8(out, 0);
	put_u32(out, 0);
	struct fault f = FS_OK;
	uint32_t n = 0;
	size_t i = page->skip < l->count ? (size_t)page->skip : l->count;
	while (!f.code && i < l->count && n < page->limit && out->len - start < MAX_PAGE) {
		f = put_entry(l, &l->entries[i++], base, out);
		n++;
	}
	if (out->failed) return fs_fault(E_RESOURCES);
	out->data[start + 8] = (uint8_t)((l->capped ? CAPPED : 0) | (i < l->count ? MORE : 0));
	set_u32(out, start + 9, n);
	return f;
}

static struct fault list_dir(struct listing *l, const struct page *page, struct buf *out) {
	struct fault f = fs_walk(l);
	if (!f.code) {
		sort_entries(l, page->sort);
		f = put_page(l, page, l->root, out);
	}
	free(l->entries);
	free(l->paths.bytes);
	return f;
}

/* What is no directory lists as itself. */
static struct fault list_one(struct listing *l, const char *path, const struct page *page, struct buf *out) {
	struct fs_place p;
	struct fault f = fs_place_open(path, false, &p);
	if (f.code) return f;
	struct stat st;
	bool exists;
	f = fs_place_stat(&p, &st, &exists);
	if (!f.code && (!exists || p.slash)) f = fs_fault_errno(exists ? ENOTDIR : ENOENT);
	if (!f.code) {
		struct list_entry e = {.at.path = p.name, .info = fs_info(&st)};
		l->entries = &e;
		l->count = 1;
		f = put_page(l, page, p.dir, out);
	}
	close(p.dir);
	return f;
}

static struct fault run(struct listing *l, const char *path, const struct page *page, struct buf *out) {
	l->root = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (l->root >= 0) {
		struct fault f = list_dir(l, page, out);
		close(l->root);
		return f;
	}
	/* ENOTDIR: a file. ENOENT, ELOOP: a link that leads nowhere, if not nothing at all. */
	if (errno == ENOTDIR || errno == ENOENT || errno == ELOOP) return list_one(l, path, page, out);
	return fs_fault_errno(errno);
}

static void free_names(char **names) {
	for (char **n = names; n && *n; n++) free(*n);
	free(names);
}

static struct fault get_names(struct reader *r, char ***names) {
	uint32_t count = get_count(r, 4);
	if (r->bad) return fs_fault(E_PROTOCOL);
	if (count > LIST_MAX_PATTERNS) return fs_fault(E_INVALID);
	char **list = *names = calloc(count + 1u, sizeof *list);
	if (!list) return fs_fault(E_RESOURCES);
	for (uint32_t i = 0; i < count; i++) {
		struct slice s = get_bytes(r);
		if (r->bad || (s.len && memchr(s.data, 0, s.len))) return fs_fault(E_PROTOCOL);
		if (s.len == 0 || s.len > LIST_MAX_PATTERN_BYTES) return fs_fault(E_INVALID);
		if (!(list[i] = malloc(s.len + 1))) return fs_fault(E_RESOURCES);
		memcpy(list[i], s.data, s.len);
		list[i][s.len] = 0;
	}
	return FS_OK;
}

struct fault fs_list(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	struct listing l = {.depth = get_u32(&r), .deadline = fs_now() + LIST_MAX_SECONDS};
	l.hidden = get_u8(&r);
	struct page page = {.sort = get_u8(&r)};
	page.limit = get_u32(&r);
	page.skip = get_u64(&r);
	char *path = NULL;
	struct fault f = get_names(&r, &l.globs);
	if (!f.code) f = get_names(&r, &l.folds);
	if (!f.code && !reader_done(&r)) f = fs_fault(E_PROTOCOL);
	if (!f.code && (page.sort < BY_NAME || page.sort > BY_SIZE)) f = fs_fault(E_INVALID);
	if (!f.code) f = fs_path(s, &path);
	if (!f.code) f = run(&l, path, &page, out);
	free(path);
	free_names(l.globs);
	free_names(l.folds);
	return f;
}
