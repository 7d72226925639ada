/* READ_LINES: one pass counts the lines and finds where the first wanted one starts, a second one, through the same cached block,
 * collects from there. Memory is one block and the reply. */
#include "fs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (64u * 1024)
#define BINARY_BYTES 8192u
#define MAX_BYTES (1024u * 1024)
/* Empty lines cost the reply more than they count. */
#define MAX_REPLY (FRAME_MAX - 64u * 1024)
/* A sparse file of exabytes costs its owner nothing, a scan of it would never end. */
#define MAX_SCAN (2ll << 30)

struct lines {
	int fd;
	uint8_t *block;
	uint64_t at; /* offset of the block */
	size_t len;
	int64_t first;
	uint32_t max_lines, max_bytes, max_line_bytes;
	uint64_t size, total; /* as counted */
	uint64_t start, line; /* where the first wanted line starts, and its number */
	uint8_t flags;
};
enum { BINARY = 1, STOPPED = 2, NO_FINAL_NEWLINE = 4 };

/* The bytes from `offset` to the end of the cached block, at least one unless the file ends there. */
static struct fault bytes_at(struct lines *l, uint64_t offset, struct slice *s) {
	if (offset < l->at || offset >= l->at + l->len) {
		ssize_t n = fs_read_full(l->fd, l->block, BLOCK, (off_t)offset);
		if (n < 0) return fs_fault_errno(errno);
		if (n == 0) { /* the end: what is cached stays good */
			*s = (struct slice){l->block, 0};
			return FS_OK;
		}
		l->at = offset;
		l->len = (size_t)n;
	}
	*s = (struct slice){l->block + (offset - l->at), l->len - (size_t)(offset - l->at)};
	return FS_OK;
}

static struct fault count(struct lines *l) {
	uint64_t newlines = 0;
	uint8_t last = '\n';
	l->start = l->first == 1 ? 0 : UINT64_MAX;
	for (;;) {
		struct slice s;
		struct fault f = bytes_at(l, l->size, &s);
		if (f.code) return f;
		if (s.len == 0) break;
		if (l->size == 0 && memchr(s.data, 0, s.len < BINARY_BYTES ? s.len : BINARY_BYTES)) l->flags |= BINARY;
		const uint8_t *end = s.data + s.len, *p = s.data;
		while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
			p++;
			newlines++;
			if (l->first > 1 && newlines == (uint64_t)l->first - 1) l->start = l->size + (uint64_t)(p - s.data);
		}
		last = end[-1];
		l->size += s.len;
		if (l->size > (uint64_t)MAX_SCAN) return fs_fault(E_TOO_LARGE);
		if (s.len < BLOCK) break;
	}
	if (last != '\n') l->flags |= NO_FINAL_NEWLINE;
	l->total = newlines + (last != '\n');
	return FS_OK;
}

/* Where the `back`-th line from the end starts: scans from the end, a block at a time. */
static struct fault find_back(struct lines *l, uint64_t back) {
	uint64_t end = l->size;
	/* The final newline ends the last line, it does not begin another. */
	uint64_t wanted = back + !(l->flags & NO_FINAL_NEWLINE);
	while (end > 0) {
		uint64_t from = end > BLOCK ? end - BLOCK : 0;
		struct slice s;
		struct fault f = bytes_at(l, from, &s);
		if (f.code) return f;
		/* A file that shrank meanwhile gives fewer bytes than were counted. */
		size_t len = s.len < end - from ? s.len : (size_t)(end - from);
		const uint8_t *p;
		while (len && (p = memrchr(s.data, '\n', len))) {
			len = (size_t)(p - s.data);
			if (--wanted == 0) {
				l->start = from + len + 1;
				return FS_OK;
			}
		}
		end = from;
	}
	l->start = 0;
	return FS_OK;
}

static struct fault find_first(struct lines *l) {
	if (l->first > 0) {
		l->line = (uint64_t)l->first;
		return FS_OK;
	}
	uint64_t back = (uint64_t)0 - (uint64_t)l->first;
	l->line = back < l->total ? l->total - back + 1 : 1;
	l->start = 0;
	return back < l->total ? find_back(l, back) : FS_OK;
}

static struct fault collect(struct lines *l, struct buf *out) {
	size_t count_at = out->len, base = out->len;
	put_u32(out, 0);
	uint64_t offset = l->start, spent = 0;
	uint32_t n = 0;
	while (n < l->max_lines && offset < l->size) {
		size_t line_at = out->len;
		put_u32(out, 0);
		put_u32(out, 0);
		uint64_t full = 0;
		uint32_t kept = 0, cap = l->max_line_bytes;
		bool ended = false;
		while (!ended && offset < l->size) {
			struct slice s;
			struct fault f = bytes_at(l, offset, &s);
			if (f.code) return f;
			/* A file that grew since it was counted is read to what was counted, one that shrank to what is there. */
			if (s.len > l->size - offset) s.len = (size_t)(l->size - offset);
			if (s.len == 0) l->size = offset;
			const uint8_t *newline = s.len ? memchr(s.data, '\n', s.len) : NULL;
			size_t len = newline ? (size_t)(newline - s.data) : s.len;
			size_t keep = len < cap - kept ? len : cap - kept;
			buf_put(out, s.data, keep);
			kept += (uint32_t)keep;
			full += len;
			ended = newline != NULL;
			offset += len + ended;
		}
		if (out->failed) return fs_fault(E_RESOURCES);
		if (full == 0 && !ended) { /* it shrank */
			out->len = line_at;
			break;
		}
		spent += kept + ended;
		if ((n > 0 && spent > l->max_bytes) || out->len - base > MAX_REPLY) {
			out->len = line_at;
			l->flags |= STOPPED;
			break;
		}
		set_u32(out, line_at, full < UINT32_MAX ? (uint32_t)full : UINT32_MAX);
		set_u32(out, line_at + 4, kept);
		n++;
	}
	set_u32(out, count_at, n);
	return FS_OK;
}

static struct fault run(struct lines *l, const struct stat *st, struct buf *out) {
	struct fault f = count(l);
	if (!f.code) f = find_first(l);
	if (f.code) return f;
	fs_put_stat(out, st);
	size_t flags_at = out->len;
	put_u8(out, 0);
	put_u64(out, l->line);
	put_u64(out, l->total);
	f = collect(l, out);
	if (!f.code && !out->failed) out->data[flags_at] = l->flags;
	return f;
}

struct fault fs_read_lines(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	struct lines l = {.fd = -1, .first = get_i64(&r)};
	l.max_lines = get_u32(&r);
	l.max_bytes = get_u32(&r);
	l.max_line_bytes = get_u32(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	if (l.first == 0) return fs_fault(E_INVALID);
	if (l.max_bytes > MAX_BYTES) l.max_bytes = MAX_BYTES;
	/* The first line always fits, so that whoever pages gets on. */
	if (l.max_line_bytes > l.max_bytes) l.max_line_bytes = l.max_bytes;
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	struct stat st;
	l.block = malloc(BLOCK);
	f = l.block ? fs_open_regular(path, &l.fd, &st) : fs_fault(E_RESOURCES);
	if (!f.code) {
		f = st.st_size > MAX_SCAN ? fs_fault(E_TOO_LARGE) : run(&l, &st, out);
		close(l.fd);
	}
	free(l.block);
	free(path);
	return f;
}
