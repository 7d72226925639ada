/* What the tests of the file operations share: a fresh directory, requests as the host would send them, and what they answer. */
#ifndef SANDBOX_FS_TEST_H
#define SANDBOX_FS_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../src/fs.h"
#include "check.h"

/* Every test gets an empty directory of its own. */
static char dir[64];

static inline void must(bool ok, const char *what) {
	if (ok) return;
	perror(what);
	exit(2);
}

/* A path below the test's directory; eight live at once. */
static inline char *at(const char *format, ...) {
	static _Thread_local char paths[8][PATH_MAX * 2];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 8];
	int n = snprintf(path, sizeof paths[0], "%s/", dir);
	va_list args;
	va_start(args, format);
	vsnprintf(path + n, sizeof paths[0] - (size_t)n, format, args);
	va_end(args);
	return path;
}

/* An answered request. `r` stands at the start of the reply. */
struct call {
	struct buf in, out;
	struct fault f;
	struct reader r;
};

static inline void call_free(struct call *c) {
	buf_free(&c->in);
	buf_free(&c->out);
}

static inline struct slice slice_of(const struct buf *b) { return (struct slice){b->data, b->len}; }

/* Sends c->in. A fault must leave the buffer as it was, a success must name its reply. */
static inline void call_run(struct call *c, uint8_t type, uint8_t reply) {
	uint8_t got = 0;
	put_u8(&c->out, 0xee);
	c->f = fs_request(type, slice_of(&c->in), &c->out, &got);
	if (c->f.code) CHECK_EQ(c->out.len, 1);
	else CHECK_EQ(got, reply);
	CHECK_EQ(c->out.data[0], 0xee);
	CHECK(c->out.len < FRAME_MAX - FRAME_HEADER);
	c->r = (struct reader){c->out.data + 1, c->out.data + c->out.len, false};
}

struct info {
	uint8_t type;
	uint32_t mode;
	uint64_t size;
	int64_t mtime_ns;
	uint64_t version;
};

static inline struct info get_info(struct reader *r) {
	struct info i;
	i.type = get_u8(r);
	i.mode = get_u32(r);
	i.size = get_u64(r);
	i.mtime_ns = get_i64(r);
	i.version = get_u64(r);
	return i;
}

static inline struct call stat_call(const char *path, uint8_t follow) {
	struct call c = {0};
	put_str(&c.in, path);
	put_u8(&c.in, follow);
	call_run(&c, T_STAT, T_STAT_REPLY);
	return c;
}

static inline struct info stat_info(const char *path) {
	struct call c = stat_call(path, 1);
	CHECK_EQ(c.f.code, E_NONE);
	struct info i = get_info(&c.r);
	call_free(&c);
	return i;
}

enum { OVERWRITE = 1, CREATE = 2, APPEND = 3, LAST = 1, EXECUTABLE = 2, PARENTS = 4 };

static inline void put_write(struct buf *in, const char *path, uint8_t mode, uint8_t flags, uint64_t version, const void *data, size_t len) {
	put_str(in, path);
	put_u8(in, mode);
	put_u8(in, flags);
	put_u64(in, version);
	put_bytes(in, data, len);
}

static inline struct call write_call(const char *path, uint8_t mode, uint8_t flags, uint64_t version, const void *data, size_t len) {
	struct call c = {0};
	put_write(&c.in, path, mode, flags | LAST, version, data, len);
	call_run(&c, T_WRITE, T_WRITTEN);
	return c;
}

/* The error code of a one-shot write of a text. */
static inline int write_code(const char *path, uint8_t mode, uint8_t flags, uint64_t version, const char *text) {
	struct call c = write_call(path, mode, flags, version, text, strlen(text));
	int code = c.f.code;
	call_free(&c);
	return code;
}

/* A page of at most 100 entries, sorted by name, of all that is there down to `depth`. */
static inline struct call list_call(const char *path, uint32_t depth, uint8_t hidden) {
	struct call c = {0};
	put_str(&c.in, path);
	put_u32(&c.in, depth);
	put_u8(&c.in, hidden);
	put_u8(&c.in, 1);
	put_u32(&c.in, 100);
	put_u64(&c.in, 0);
	put_u64(&c.in, 0);
	call_run(&c, T_LIST, T_ENTRIES);
	return c;
}

static inline struct call remove_call(const char *path, uint8_t recursive) {
	struct call c = {0};
	put_str(&c.in, path);
	put_u8(&c.in, recursive);
	call_run(&c, T_REMOVE, T_OK);
	return c;
}

static inline int remove_code(const char *path, uint8_t recursive) {
	struct call c = remove_call(path, recursive);
	call_free(&c);
	return c.f.code;
}

/* -1 and the fault's code negated, or the value of OK. */
static inline int mkdir_code(const char *path, uint32_t mode, uint8_t parents) {
	struct call c = {0};
	put_str(&c.in, path);
	put_u32(&c.in, mode);
	put_u8(&c.in, parents);
	call_run(&c, T_MKDIR, T_OK);
	int value = c.f.code ? -(int)c.f.code : (int)get_u64(&c.r);
	call_free(&c);
	return value;
}

static inline struct fault rename_fault(const char *from, const char *to, uint8_t noreplace) {
	struct call c = {0};
	put_str(&c.in, from);
	put_str(&c.in, to);
	put_u8(&c.in, noreplace);
	call_run(&c, T_RENAME, T_OK);
	call_free(&c);
	return c.f;
}

/* A whole file read through READ, in pieces of `piece` bytes. */
struct content {
	struct fault f;
	struct buf data;
	struct info info;
	int pieces;
};

static inline struct content read_range(const char *path, uint64_t offset, uint64_t length, size_t piece) {
	struct content c = {0};
	struct buf in = {0}, out = {0};
	put_str(&in, path);
	put_u64(&in, offset);
	put_u64(&in, length);
	put_u32(&in, 12345);
	struct fs_read *r = NULL;
	uint32_t window = 0;
	c.f = fs_read_open(slice_of(&in), &r, &window);
	if (!c.f.code) CHECK_EQ(window, 12345);
	for (bool end = false; !c.f.code && !end; c.pieces++) {
		out.len = 0;
		c.f = fs_read_next(r, &out, piece, &end);
		if (c.f.code) break;
		if (end) {
			struct reader d = {out.data, out.data + out.len, false};
			c.info = get_info(&d);
			struct slice s = get_bytes(&d);
			CHECK(reader_done(&d));
			CHECK(s.len <= piece);
			buf_put(&c.data, s.data, s.len);
		} else {
			CHECK(out.len > 0 && out.len <= piece);
			buf_put(&c.data, out.data, out.len);
		}
	}
	fs_read_close(r);
	buf_free(&in);
	buf_free(&out);
	return c;
}

static inline int read_code(const char *path) {
	struct content c = read_range(path, 0, 0, DATA_CHUNK);
	buf_free(&c.data);
	return c.f.code;
}

/* Past our own code: what the kernel says. */
static inline void put_file(const char *path, const void *data, size_t len) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0, path);
	must(write(fd, data, len) == (ssize_t)len, path);
	close(fd);
}

static inline bool file_is(const char *path, const void *data, size_t len) {
	int fd = open(path, O_RDONLY);
	if (fd < 0) return false;
	char *got = malloc(len + 1);
	size_t n = 0;
	for (ssize_t k; n <= len && (k = read(fd, got + n, len + 1 - n)) > 0;) n += (size_t)k;
	bool same = n == len && (len == 0 || memcmp(got, data, len) == 0);
	free(got);
	close(fd);
	return same;
}

static inline bool text_is(const char *path, const char *text) { return file_is(path, text, strlen(text)); }

static inline int count_entries(const char *path) {
	DIR *d = opendir(path);
	if (!d) return -1;
	int n = 0;
	while (readdir(d)) n++;
	closedir(d);
	return n - 2;
}

static inline double now_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Runs one test in a directory of its own, and sweeps it away without the code under test. */
static inline void run_test(const char *name, void (*test)(void)) {
	const char *base = getenv("FS_TEST_DIR");
	snprintf(dir, sizeof dir, "%.40s/fs_test.XXXXXX", base ? base : "/tmp");
	must(mkdtemp(dir) != NULL, "mkdtemp");
	int before = failures;
	test();
	printf("%s %s\n", failures == before ? "ok  " : "FAIL", name);
	fflush(stdout);
	char command[256];
	snprintf(command, sizeof command, "chmod -R u+rwX '%s' 2>/dev/null; rm -rf -- '%s'", dir, dir);
	must(system(command) == 0, "rm");
}

#endif
