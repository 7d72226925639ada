/* STAT, MKDIR, RENAME, and what every request answers to a bad payload or path. */
#include "fs_test.h"


static void kinds(void) {
	put_file(at("f"), "12345", 5);
	must(symlink("f", at("l")) == 0 && mkfifo(at("p"), 0600) == 0 && chmod(at("f"), 0641) == 0, "setup");
	struct info i = stat_info(at("f"));
	CHECK_EQ(i.type, F_FILE);
	CHECK_EQ(i.mode, 0641);
	CHECK_EQ(i.size, 5);
	CHECK(i.version != 0);
	CHECK(i.mtime_ns > 1600000000000000000);
	CHECK_EQ(stat_info(dir).type, F_DIRECTORY);
	CHECK_EQ(stat_info(dir).version, 0);
	CHECK_EQ(stat_info(at("p")).type, F_OTHER);
	CHECK_EQ(stat_info("/dev/null").type, F_OTHER);
	CHECK_EQ(stat_info(at("l")).version, i.version);

	struct call c = stat_call(at("l"), 0);
	i = get_info(&c.r);
	struct slice target = get_bytes(&c.r);
	CHECK(reader_done(&c.r));
	CHECK_EQ(i.type, F_SYMLINK);
	CHECK(target.len == 1 && *target.data == 'f');
	call_free(&c);
	c = stat_call(at("l"), 1);
	get_info(&c.r);
	CHECK_EQ(get_bytes(&c.r).len, 0);
	CHECK(reader_done(&c.r));
	call_free(&c);
}

static int stat_code(const char *path, uint8_t follow) {
	struct call c = stat_call(path, follow);
	call_free(&c);
	return c.f.code;
}

static void faults(void) {
	put_file(at("f"), "", 0);
	must(symlink("loop", at("loop")) == 0 && symlink("nowhere", at("dangling")) == 0, "symlink");
	CHECK_EQ(stat_code(at("none"), 1), E_NOT_FOUND);
	CHECK_EQ(stat_code(at("none/x"), 1), E_NOT_FOUND);
	CHECK_EQ(stat_code(at("f/x"), 1), E_NOT_A_DIRECTORY);
	CHECK_EQ(stat_code(at("f/"), 1), E_NOT_A_DIRECTORY);
	CHECK_EQ(stat_code(at("loop"), 1), E_LOOP);
	CHECK_EQ(stat_code(at("loop"), 0), E_NONE);
	CHECK_EQ(stat_code(at("dangling"), 1), E_NOT_FOUND);
	CHECK_EQ(stat_code(at("dangling"), 0), E_NONE);
	char name[257];
	memset(name, 'n', 256);
	name[256] = 0;
	CHECK_EQ(stat_code(at("%s", name), 1), E_NAME_TOO_LONG);
}

static void version_tells_changes(void) {
	put_file(at("f"), "one", 3);
	uint64_t before = stat_info(at("f")).version;
	CHECK(stat_info(at("f")).version == before);
	must(chmod(at("f"), 0600) == 0, "chmod");
	CHECK(stat_info(at("f")).version == before);
	struct timespec times[2] = {{0, UTIME_OMIT}, {1000000000, 1}};
	must(utimensat(AT_FDCWD, at("f"), times, 0) == 0, "utimensat");
	uint64_t later = stat_info(at("f")).version;
	CHECK(later != before);
	times[1].tv_nsec = 2;
	must(utimensat(AT_FDCWD, at("f"), times, 0) == 0, "utimensat");
	CHECK(stat_info(at("f")).version != later);
	CHECK_EQ(stat_info(at("f")).mtime_ns, 1000000000000000002);
	put_file(at("f"), "more", 4);
	must(utimensat(AT_FDCWD, at("f"), times, 0) == 0, "utimensat");
	CHECK(stat_info(at("f")).version != later);
}

static void times_beyond_64_bits(void) {
	put_file(at("f"), "", 0);
	/* The file system clamps to what it can hold; tmpfs and xfs hold more than 64 bits of nanoseconds do. */
	for (int sign = -1; sign <= 1; sign += 2) {
		struct timespec times[2] = {{0, UTIME_OMIT}, {sign < 0 ? LONG_MIN : LONG_MAX, 999999999}};
		if (utimensat(AT_FDCWD, at("f"), times, 0) < 0) continue;
		int64_t ns = stat_info(at("f")).mtime_ns;
		CHECK(sign < 0 ? ns < 0 : ns > 4000000000000000000);
	}
}

static void mkdir_makes_and_tells(void) {
	CHECK_EQ(mkdir_code(at("a"), 0755, 0), 1);
	CHECK_EQ(mkdir_code(at("a"), 0755, 0), 0);
	CHECK_EQ(mkdir_code(at("a/"), 0755, 1), 0);
	CHECK_EQ(mkdir_code(at("b"), 0700, 0), 1);
	CHECK_EQ(stat_info(at("b")).mode, 0700);
	CHECK_EQ(mkdir_code(at("x/y"), 0755, 0), -E_NOT_FOUND);
	CHECK_EQ(mkdir_code(at("x//y/z//"), 0711, 1), 1);
	CHECK_EQ(stat_info(at("x/y/z")).mode, 0711);
	CHECK_EQ(stat_info(at("x/y")).mode, 0755);
	put_file(at("f"), "", 0);
	CHECK_EQ(mkdir_code(at("f"), 0755, 1), -E_EXISTS);
	CHECK_EQ(mkdir_code(at("f/x"), 0755, 1), -E_NOT_A_DIRECTORY);
	CHECK_EQ(mkdir_code(at("f/x/y"), 0755, 1), -E_NOT_A_DIRECTORY);
	must(symlink("a", at("link")) == 0 && symlink("nowhere", at("dangling")) == 0, "symlink");
	CHECK_EQ(mkdir_code(at("link"), 0755, 0), 0);
	CHECK_EQ(mkdir_code(at("dangling"), 0755, 0), -E_EXISTS);
	CHECK_EQ(mkdir_code("/", 0755, 1), 0);
	CHECK_EQ(mkdir_code(at("m"), 010000, 0), -E_INVALID);
	CHECK_EQ(mkdir_code("/proc/none", 0755, 0), -E_NOT_FOUND);
}

static void rename_moves(void) {
	put_file(at("a"), "a", 1);
	put_file(at("b"), "b", 1);
	CHECK_EQ(rename_fault(at("a"), at("b"), 1).code, E_EXISTS);
	CHECK(text_is(at("b"), "b"));
	CHECK_EQ(rename_fault(at("a"), at("b"), 0).code, E_NONE);
	CHECK(text_is(at("b"), "a"));
	CHECK_EQ(rename_fault(at("a"), at("c"), 0).code, E_NOT_FOUND);
	CHECK_EQ(rename_fault(at("b"), at("c"), 1).code, E_NONE);
	must(mkdir(at("d"), 0755) == 0 && mkdir(at("e"), 0755) == 0, "mkdir");
	CHECK_EQ(rename_fault(at("c"), at("d"), 0).code, E_IS_DIRECTORY);
	CHECK_EQ(rename_fault(at("d"), at("c"), 0).code, E_NOT_A_DIRECTORY);
	CHECK_EQ(rename_fault(at("d"), at("e"), 1).code, E_EXISTS);
	put_file(at("e/x"), "", 0);
	CHECK_EQ(rename_fault(at("d"), at("e"), 0).code, E_NOT_EMPTY);
	CHECK_EQ(rename_fault(at("d"), at("d/below"), 0).code, E_INVALID);
	CHECK_EQ(rename_fault(at("d"), at("d/below"), 1).code, E_INVALID);
	CHECK_EQ(rename_fault(at("e"), at("g"), 1).code, E_NONE);
	CHECK_EQ(count_entries(at("g")), 1);
}

static void rename_across_file_systems(void) {
	struct stat a, b;
	if (stat("/dev/shm", &a) < 0 || stat(dir, &b) < 0 || a.st_dev == b.st_dev || access("/dev/shm", W_OK) < 0) {
		printf("skip: /dev/shm is no other file system\n");
		return;
	}
	put_file(at("f"), "", 0);
	char to[64];
	snprintf(to, sizeof to, "/dev/shm/fs_test.%d", getpid());
	struct fault f = rename_fault(at("f"), to, 0);
	CHECK_EQ(f.code, E_INVALID);
	CHECK_EQ(f.err, EXDEV);
}

static void bad_paths(void) {
	static const char *const bad[] = {"", "relative", "./x", "~", " /x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_EQ(stat_code(bad[i], 1), E_INVALID);
		CHECK_EQ(read_code(bad[i]), E_INVALID);
		CHECK_EQ(write_code(bad[i], OVERWRITE, 0, 0, "x"), E_INVALID);
		CHECK_EQ(remove_code(bad[i], 1), E_INVALID);
		CHECK_EQ(mkdir_code(bad[i], 0755, 1), -E_INVALID);
		CHECK_EQ(rename_fault(bad[i], at("x"), 0).code, E_INVALID);
		CHECK_EQ(rename_fault(at("x"), bad[i], 0).code, E_INVALID);
	}
	for (int len = 4095; len <= 5000; len += len == 4097 ? 903 : 1) {
		char path[5001];
		for (int i = 0; i < len; i++) path[i] = i % 2 ? 'x' : '/';
		path[len] = 0;
		/* 4,095 bytes are the kernel's limit, and there is nothing of that name; one more is too long. */
		uint16_t want = len < PATH_MAX ? E_NOT_FOUND : E_NAME_TOO_LONG;
		CHECK_EQ(stat_code(path, 0), want);
		CHECK_EQ(read_code(path), want);
		CHECK_EQ(write_code(path, OVERWRITE, 0, 0, "x"), want);
		CHECK_EQ(remove_code(path, 1), want);
		CHECK_EQ(rename_fault(path, at("x"), 0).code, want);
		CHECK_EQ(mkdir_code(path, 0755, 0), -(int)want);
	}
}

/* Every cut of a right payload, and one byte too many, is refused; so is a NUL in a path. */
static void bad_payloads(void) {
	static const uint8_t types[] = {T_STAT, T_READ_LINES, T_WRITE, T_MKDIR, T_REMOVE, T_RENAME, T_LIST};
	for (size_t t = 0; t < sizeof types; t++) {
		struct buf in = {0};
		const char *path = at("none/none");
		if (types[t] == T_WRITE) put_write(&in, path, OVERWRITE, LAST, 0, "x", 1);
		else put_str(&in, path);
		if (types[t] == T_RENAME) put_str(&in, path);
		if (types[t] == T_READ_LINES) put_i64(&in, 1), put_u64(&in, 0), put_u32(&in, 0);
		if (types[t] == T_MKDIR) put_u32(&in, 0755);
		if (types[t] == T_LIST) put_u32(&in, 1), put_u16(&in, 0x100), put_u32(&in, 1), put_u64(&in, 0), put_u32(&in, 1), put_str(&in, "*"), put_u32(&in, 0);
		else if (types[t] != T_READ_LINES && types[t] != T_WRITE) put_u8(&in, 0);
		size_t whole = in.len;
		put_u8(&in, 0);
		for (size_t len = 0; len <= whole + 1; len++) {
			struct call c = {0};
			/* An exact copy, so that a sanitizer sees a read past its end. */
			buf_put(&c.in, in.data, len);
			uint8_t *exact = malloc(len ? len : 1);
			if (len) memcpy(exact, in.data, len);
			uint8_t reply = 0;
			struct fault f = fs_request(types[t], (struct slice){exact, len}, &c.out, &reply);
			CHECK_EQ(f.code, len == whole ? E_NOT_FOUND : E_PROTOCOL);
			free(exact);
			call_free(&c);
		}
		in.len = whole;
		in.data[6] = 0;
		struct buf out = {0};
		uint8_t reply = 0;
		CHECK_EQ(fs_request(types[t], slice_of(&in), &out, &reply).code, E_PROTOCOL);
		buf_free(&out);
		buf_free(&in);
	}
	struct buf out = {0};
	uint8_t reply = 0;
	CHECK_EQ(fs_request(T_READ, (struct slice){0}, &out, &reply).code, E_PROTOCOL);
	CHECK_EQ(fs_request(0xff, (struct slice){0}, &out, &reply).code, E_PROTOCOL);
	struct fs_read *r = NULL;
	struct fs_write *w = NULL;
	uint32_t window;
	CHECK_EQ(fs_read_open((struct slice){0}, &r, &window).code, E_PROTOCOL);
	CHECK_EQ(fs_write_open((struct slice){0}, &w).code, E_PROTOCOL);
	CHECK(!r && !w);
}

int main(void) {
	umask(022);
	run_test("STAT tells a file, directory, link, FIFO and device apart", kinds);
	run_test("STAT tells what is missing, in the way, or goes in circles", faults);
	run_test("the version changes with size, time and inode, not with the mode", version_tells_changes);
	run_test("a modification time beyond 64 bits of nanoseconds is clamped", times_beyond_64_bits);
	run_test("MKDIR creates, with parents, and tells what was there", mkdir_makes_and_tells);
	run_test("RENAME replaces only where it may", rename_moves);
	run_test("RENAME across file systems tells EXDEV", rename_across_file_systems);
	run_test("a path that is empty, relative or too long is refused by every request", bad_paths);
	run_test("a payload that is cut, too long or holds a NUL is refused by every request", bad_payloads);
	return failures != 0;
}
