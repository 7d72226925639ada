/* READ. */
#include "fs_test.h"

#include <sys/socket.h>
#include <sys/un.h>

static uint8_t *random_bytes(size_t len) {
	uint8_t *data = malloc(len);
	uint32_t x = 1;
	for (size_t i = 0; i < len; i++) data[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
	return data;
}

static void every_size_and_piece(void) {
	static const size_t sizes[] = {0, 1, 33, 4095, 4096, 65535, 65536, 65537, 131072, 300001}, pieces[] = {1000, 4096, 65536};
	uint8_t *data = random_bytes(300001);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		put_file(at("f"), data, sizes[s]);
		for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
			struct content c = read_range(at("f"), 0, 0, pieces[p]);
			CHECK_EQ(c.f.code, E_NONE);
			CHECK_EQ(c.data.len, sizes[s]);
			CHECK(sizes[s] == 0 || !memcmp(c.data.data, data, sizes[s]));
			CHECK_EQ(c.info.size, sizes[s]);
			CHECK_EQ(c.info.version, stat_info(at("f")).version);
			CHECK_EQ(c.pieces, sizes[s] / pieces[p] + 1);
			buf_free(&c.data);
		}
	}
	free(data);
}

static void ranges(void) {
	uint8_t *data = random_bytes(200000);
	put_file(at("f"), data, 200000);
	static const struct {
		uint64_t offset, length;
		size_t want;
	} table[] = {
		{0, 1, 1}, {0, 200000, 200000}, {0, 200001, 200000}, {1, 0, 199999}, {199999, 0, 1}, {200000, 0, 0}, {200000, 5, 0},
		{999999999999, 5, 0}, {100, 65536, 65536}, {100, 131072, 131072}, {150000, UINT64_MAX, 50000}, {INT64_MAX, 1, 0},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct content c = read_range(at("f"), table[i].offset, table[i].length, DATA_CHUNK);
		CHECK_EQ(c.f.code, E_NONE);
		CHECK_EQ(c.data.len, table[i].want);
		CHECK(c.data.len == 0 || !memcmp(c.data.data, data + table[i].offset, c.data.len));
		buf_free(&c.data);
	}
	CHECK_EQ(read_range(at("f"), (uint64_t)INT64_MAX + 1, 0, 1).f.code, E_INVALID);
	free(data);
}

static void not_regular(void) {
	must(mkfifo(at("fifo"), 0600) == 0, "mkfifo");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", at("socket"));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	must(s >= 0 && bind(s, (struct sockaddr *)&addr, sizeof addr) == 0, "bind");
	must(symlink("fifo", at("link")) == 0 && symlink("loop", at("loop")) == 0, "symlink");
	CHECK_EQ(read_code(at("fifo")), E_NOT_REGULAR);
	CHECK_EQ(read_code(at("link")), E_NOT_REGULAR);
	CHECK_EQ(read_code(at("socket")), E_NOT_REGULAR);
	CHECK_EQ(read_code("/dev/null"), E_NOT_REGULAR);
	CHECK_EQ(read_code("/dev/zero"), E_NOT_REGULAR);
	CHECK_EQ(read_code("/dev/ptmx"), E_NOT_REGULAR);
	CHECK_EQ(read_code(dir), E_IS_DIRECTORY);
	CHECK_EQ(read_code(at("none")), E_NOT_FOUND);
	CHECK_EQ(read_code(at("loop")), E_LOOP);
	CHECK_EQ(read_code(at("fifo/x")), E_NOT_A_DIRECTORY);
	close(s);
}

static void files_of_the_kernel(void) {
	struct content c = read_range("/proc/self/status", 0, 0, 100);
	CHECK_EQ(c.f.code, E_NONE);
	CHECK(c.data.len > 500 && !memcmp(c.data.data, "Name:", 5));
	CHECK(c.pieces > 5);
	CHECK_EQ(c.info.size, 0);
	buf_free(&c.data);
	c = read_range("/proc/self/status", 5, 3, 100);
	CHECK_EQ(c.data.len, 3);
	buf_free(&c.data);
	/* sysfs says 4096 and holds less. */
	c = read_range("/sys/kernel/mm/transparent_hugepage/enabled", 0, 0, DATA_CHUNK);
	if (c.f.code == E_NONE) {
		CHECK_EQ(c.info.size, 4096);
		CHECK(c.data.len > 10 && c.data.len < 100);
	} else printf("skip: no such file in sysfs\n");
	buf_free(&c.data);
}

static struct fs_read *open_read(const char *path) {
	struct buf in = {0};
	put_str(&in, path);
	put_u64(&in, 0);
	put_u64(&in, 0);
	put_u32(&in, 0);
	struct fs_read *r = NULL;
	uint32_t window;
	CHECK_EQ(fs_read_open(slice_of(&in), &r, &window).code, E_NONE);
	buf_free(&in);
	return r;
}

static void changes_meanwhile(void) {
	uint8_t *data = random_bytes(100000);
	put_file(at("f"), data, 100000);
	struct buf out = {0};
	bool end;

	struct fs_read *r = open_read(at("f"));
	CHECK_EQ(fs_read_next(r, &out, 0, &end).code, E_NONE);
	CHECK(!end && out.len == 0);
	CHECK_EQ(fs_read_next(r, &out, 30000, &end).code, E_NONE);
	CHECK(!end && out.len == 30000);
	must(truncate(at("f"), 40000) == 0, "truncate");
	out.len = 0;
	/* Shorter than it said: what is left, then an end without data. */
	CHECK_EQ(fs_read_next(r, &out, 30000, &end).code, E_NONE);
	CHECK(!end && out.len == 10000 && !memcmp(out.data, data + 30000, 10000));
	out.len = 0;
	CHECK_EQ(fs_read_next(r, &out, 30000, &end).code, E_NONE);
	CHECK(end && out.len == 33);
	fs_read_close(r);

	r = open_read(at("f"));
	out.len = 0;
	CHECK_EQ(fs_read_next(r, &out, 40000, &end).code, E_NONE);
	CHECK(!end && out.len == 40000);
	must(truncate(at("f"), 40100) == 0, "truncate");
	out.len = 0;
	CHECK_EQ(fs_read_next(r, &out, 40000, &end).code, E_NONE);
	CHECK(end && out.len == 133);
	fs_read_close(r);

	r = open_read(at("f"));
	put_file(at("new"), "new", 3);
	must(rename(at("new"), at("f")) == 0, "rename");
	out.len = 0;
	CHECK_EQ(fs_read_next(r, &out, 65536, &end).code, E_NONE);
	CHECK(end && out.len == 40133);
	fs_read_close(r);
	buf_free(&out);
	free(data);
}

int main(void) {
	run_test("READ gives every byte of files around the piece size, and one frame for a small one", every_size_and_piece);
	run_test("READ of a range stops at its length and at the end of the file", ranges);
	run_test("READ refuses what is no regular file without blocking", not_regular);
	run_test("READ reads procfs and sysfs to their end", files_of_the_kernel);
	run_test("READ of a file that shrinks, grows or is replaced ends with what is there", changes_meanwhile);
	return failures != 0;
}
