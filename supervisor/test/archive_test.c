/* What pack writes unpack makes, and nothing else. The programs exit, so each runs in a process of its own. */
#include "../src/archive.h"

#include <signal.h>
#include <sys/wait.h>

#include "../src/tar.h"
#include "fs_test.h"

struct packed {
	char *data;
	size_t len;
	int code;
};

/* Runs `pack`, and reads all that it writes. */
static struct packed run_and_read(const char *root, bool unlock) {
	int out[2];
	must(pipe(out) == 0, "pipe");
	pid_t pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		exit(run_pack(root, unlock));
	}
	close(out[1]);
	struct packed p = {malloc(1 << 22), 0, 0};
	ssize_t n;
	while ((n = read(out[0], p.data + p.len, (1u << 22) - p.len)) > 0) p.len += (size_t)n;
	close(out[0]);
	int status;
	waitpid(pid, &status, 0);
	p.code = WEXITSTATUS(status);
	return p;
}

/* Runs `unpack` on these bytes. */
static int unpack_code(const char *root, const void *data, size_t len) {
	int in[2];
	must(pipe(in) == 0, "pipe");
	pid_t pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		dup2(in[0], 0);
		close(in[0]);
		close(in[1]);
		must(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr), "freopen");
		exit(run_unpack(root));
	}
	close(in[0]);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(in[1], (const char *)data + at, len - at);
		if (n <= 0) break;
		at += (size_t)n;
	}
	close(in[1]);
	int status;
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void write_text(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static void a_tree_comes_back_with_names_modes_times_links_and_holes(void) {
	must(mkdir(at("from"), 0755) == 0 && mkdir(at("to"), 0755) == 0, "mkdir");
	must(mkdir(at("from/dir"), 0750) == 0 && mkdir(at("from/empty"), 0700) == 0, "mkdir");
	write_text(at("from/dir/file"), "hello");
	must(link(at("from/dir/file"), at("from/twin")) == 0, "link");
	must(symlink("../nowhere", at("from/link")) == 0, "symlink");
	write_text(at("from/\xff\xfe"), "bytes");
	must(chmod(at("from/twin"), 06711) == 0, "chmod");
	write_text(at("from/holes"), "x");
	must(truncate(at("from/holes"), 1 << 24) == 0, "truncate");
	char longest[NAME_MAX + 1];
	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = 0;
	write_text(at("from/%s", longest), "long");
	struct timespec old[2] = {{.tv_sec = -2, .tv_nsec = 250000000}, {.tv_sec = -2, .tv_nsec = 250000000}};
	must(utimensat(AT_FDCWD, at("from/empty"), old, 0) == 0, "utimens");

	struct packed first = run_and_read(at("from"), false);
	CHECK_EQ(first.code, ARCHIVE_OK);
	CHECK_EQ(unpack_code(at("to"), first.data, first.len), ARCHIVE_OK);
	struct packed second = run_and_read(at("to"), false);
	CHECK_EQ(first.len, second.len);
	CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	CHECK(first.len < 1 << 20); /* holes are not data */

	struct stat a, b;
	must(stat(at("to/dir/file"), &a) == 0 && stat(at("to/twin"), &b) == 0, "stat");
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_mode & 07777, 06711);
	must(stat(at("to/empty"), &a) == 0 && stat(at("to/holes"), &b) == 0, "stat");
	CHECK_EQ(a.st_mtim.tv_sec, -2);
	CHECK_EQ(a.st_mtim.tv_nsec, 250000000);
	CHECK_EQ(b.st_size, 1 << 24);
	CHECK(b.st_blocks * 512 < 1 << 20);
	free(first.data);
	free(second.data);
}

static void a_cut_archive_is_malformed_wherever_it_is_cut(void) {
	must(mkdir(at("from"), 0755) == 0, "mkdir");
	write_text(at("from/file"), "hello");
	struct packed p = run_and_read(at("from"), false);
	for (size_t len = 0; len < p.len; len += 256) {
		must(mkdir(at("to%zu", len), 0755) == 0, "mkdir");
		CHECK_EQ(unpack_code(at("to%zu", len), p.data, len), ARCHIVE_MALFORMED);
	}
	free(p.data);
}

/* An archive of these entries without data. */
static size_t archive_of(unsigned char *out, const struct tar_entry *entries, size_t count) {
	size_t len = 0;
	for (size_t i = 0; i < count; i++) len += tar_header(out + len, &entries[i]);
	memset(out + len, 0, 2 * TAR_BLOCK);
	return len + 2 * TAR_BLOCK;
}

static struct tar_entry plain(char type, const char *path, const char *target) {
	return (struct tar_entry){.type = type, .path = path, .target = target, .mode = 0755};
}

static unsigned char bytes[1 << 16];

static void nothing_is_written_outside_of_the_directory(void) {
	must(mkdir(at("to"), 0755) == 0 && mkdir(at("outside"), 0755) == 0, "mkdir");
	write_text(at("outside/secret"), "s");
	const char *bad[] = {"../outside/f", "/tmp/f", "a/../f", "./f", "a//f", "f/", "", "..", "."};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct tar_entry e = plain(TAR_FILE, bad[i], "");
		CHECK_EQ(unpack_code(at("to"), bytes, archive_of(bytes, &e, 1)), ARCHIVE_MALFORMED);
	}
	struct tar_entry through_link[] = {plain(TAR_SYMLINK, "l", "../outside"), plain(TAR_FILE, "l/f", "")};
	CHECK_EQ(unpack_code(at("to"), bytes, archive_of(bytes, through_link, 2)), ARCHIVE_MALFORMED);
	struct tar_entry link_out[] = {plain(TAR_SYMLINK, "m", "../outside"), plain(TAR_HARD_LINK, "x", "m/secret")};
	CHECK_EQ(unpack_code(at("to"), bytes, archive_of(bytes, link_out, 2)), ARCHIVE_MALFORMED);
	struct stat st;
	CHECK(stat(at("outside/f"), &st) < 0);
	CHECK(lstat(at("to/x"), &st) < 0);
}

static void types_that_cannot_be_kept_are_told_and_refused(void) {
	must(mkdir(at("from"), 0755) == 0 && mkdir(at("to"), 0755) == 0, "mkdir");
	must(mkfifo(at("from/pipe"), 0600) == 0, "mkfifo");
	struct packed p = run_and_read(at("from"), false);
	CHECK_EQ(p.code, ARCHIVE_OK);
	CHECK_EQ(p.data[p.len - 3 * TAR_BLOCK + 156], TAR_FIFO); /* after its pax header, before the end */
	CHECK_EQ(unpack_code(at("to"), p.data, p.len), ARCHIVE_MALFORMED);
	free(p.data);
}

static void a_map_that_lies_is_malformed(void) {
	const char *maps[] = {"1\n0\n600\n", "1\n5000\n1\n", "2\n8\n1\n4\n1\n", "999999999\n", "1\n-1\n2\n", "1\n0\n", "\n"};
	for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
		must(mkdir(at("to%zu", i), 0755) == 0, "mkdir");
		struct tar_entry e = plain(TAR_FILE, "f", "");
		e.sparse = true;
		e.realsize = 4096;
		e.size = 2 * TAR_BLOCK;
		size_t len = tar_header(bytes, &e);
		memset(bytes + len, 0, 4 * TAR_BLOCK);
		memcpy(bytes + len, maps[i], strlen(maps[i]));
		CHECK_EQ(unpack_code(at("to%zu", i), bytes, len + 4 * TAR_BLOCK), ARCHIVE_MALFORMED);
	}
}

static void numbers_and_times_survive_their_text(void) {
	struct timespec times[] = {{0, 0}, {1, 1}, {-1, 500000000}, {-1, 0}, {-5, 999999999}, {1ll << 40, 7}};
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		static struct tar_read r;
		struct tar_entry e = plain(TAR_FILE, "f", "");
		e.mtime = times[i];
		e.size = 1ull << 40;
		size_t len = tar_header(bytes, &e);
		char type;
		uint64_t size;
		CHECK(tar_peek(bytes, &type, &size) && type == TAR_PAX);
		CHECK(tar_parse(&r, bytes + len - TAR_BLOCK, (const char *)bytes + TAR_BLOCK, (size_t)size));
		CHECK_EQ(r.entry.mtime.tv_sec, times[i].tv_sec);
		CHECK_EQ(r.entry.mtime.tv_nsec, times[i].tv_nsec);
		CHECK_EQ(r.entry.size, 1ull << 40);
	}
}

int main(void) {
	signal(SIGPIPE, SIG_IGN); /* a reader that found a fault does not read on */
	run_test("pack and unpack bring a tree back with names, modes, times, links and holes", a_tree_comes_back_with_names_modes_times_links_and_holes);
	run_test("unpack finds an archive malformed wherever it is cut", a_cut_archive_is_malformed_wherever_it_is_cut);
	run_test("unpack writes nothing outside of the directory", nothing_is_written_outside_of_the_directory);
	run_test("pack tells of what cannot be kept, unpack refuses it", types_that_cannot_be_kept_are_told_and_refused);
	run_test("unpack finds a map of a sparse file that lies", a_map_that_lies_is_malformed);
	run_test("sizes and times survive their text", numbers_and_times_survive_their_text);
	return failures != 0;
}
