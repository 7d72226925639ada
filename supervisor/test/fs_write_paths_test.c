/* WRITE: which file a path means, and which it cannot mean. */
#include "fs_write_steps.h"

#include <sys/socket.h>
#include <sys/un.h>

static void links(void) {
	must(mkdir(at("d"), 0755) == 0, "mkdir");
	put_file(at("d/file"), "old", 3);
	must(link(at("d/file"), at("d/hard")) == 0 && symlink("d/file", at("a")) == 0 && symlink("a", at("b")) == 0, "link");
	CHECK_EQ(write_code(at("b"), OVERWRITE, 0, 0, "new"), E_NONE);
	CHECK(text_is(at("d/file"), "new"));
	CHECK(text_is(at("d/hard"), "old"));
	struct stat st;
	CHECK(lstat(at("b"), &st) == 0 && S_ISLNK(st.st_mode) && lstat(at("a"), &st) == 0 && S_ISLNK(st.st_mode));
	CHECK_EQ(count_entries(dir), 3);
	CHECK_EQ(count_entries(at("d")), 2);
	/* Dangling, relative to the link's own directory, absolute, and with parents to make. */
	must(symlink("fresh", at("d/dangling")) == 0 && symlink(at("d/absolute"), at("c")) == 0 && symlink("e/f/g", at("deep")) == 0, "symlink");
	CHECK_EQ(write_code(at("d/dangling"), CREATE, 0, 0, "1"), E_NONE);
	CHECK(text_is(at("d/fresh"), "1"));
	CHECK_EQ(write_code(at("d/dangling"), CREATE, 0, 0, "2"), E_EXISTS);
	CHECK_EQ(write_code(at("c"), APPEND, 0, 0, "2"), E_NONE);
	CHECK(text_is(at("d/absolute"), "2"));
	CHECK_EQ(write_code(at("deep"), OVERWRITE, 0, 0, "3"), E_NOT_FOUND);
	CHECK_EQ(write_code(at("deep"), OVERWRITE, PARENTS, 0, "3"), E_NONE);
	CHECK(text_is(at("e/f/g"), "3"));
	must(symlink("loop", at("loop")) == 0 && symlink("d", at("to_dir")) == 0 && symlink("/dev/full", at("full")) == 0, "symlink");
	CHECK_EQ(write_code(at("loop"), OVERWRITE, 0, 0, "x"), E_LOOP);
	CHECK_EQ(write_code(at("to_dir"), OVERWRITE, 0, 0, "x"), E_IS_DIRECTORY);
	CHECK_EQ(write_code(at("full"), OVERWRITE, 0, 0, "x"), E_NOT_REGULAR);
	CHECK_EQ(write_code(at("to_dir/through"), OVERWRITE, 0, 0, "x"), E_NONE);
	CHECK(text_is(at("d/through"), "x"));
	/* As many links as the kernel follows, and one more. */
	put_file(at("s0"), "", 0);
	for (int i = 1; i <= 41; i++) {
		char to[8];
		snprintf(to, sizeof to, "s%d", i - 1);
		must(symlink(to, at("s%d", i)) == 0, "symlink");
	}
	CHECK_EQ(write_code(at("s40"), OVERWRITE, 0, 0, "40"), E_NONE);
	CHECK_EQ(write_code(at("s41"), OVERWRITE, 0, 0, "41"), E_LOOP);
	CHECK(text_is(at("s0"), "40"));
}

static void faults(void) {
	put_file(at("f"), "old", 3);
	must(mkfifo(at("fifo"), 0600) == 0, "mkfifo");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", at("socket"));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	must(s >= 0 && bind(s, (struct sockaddr *)&addr, sizeof addr) == 0, "bind");
	close(s);
	char name[257];
	memset(name, 'n', 256);
	name[256] = 0;
	for (uint8_t mode = OVERWRITE; mode <= APPEND; mode++) {
		CHECK_EQ(write_code(dir, mode, 0, 0, "x"), E_IS_DIRECTORY);
		CHECK_EQ(write_code(at(""), mode, 0, 0, "x"), E_IS_DIRECTORY);
		CHECK_EQ(write_code(at("."), mode, 0, 0, "x"), E_IS_DIRECTORY);
		CHECK_EQ(write_code(at("new/"), mode, 0, 0, "x"), E_IS_DIRECTORY);
		CHECK_EQ(write_code("/", mode, 0, 0, "x"), E_IS_DIRECTORY);
		CHECK_EQ(write_code(at("f/"), mode, 0, 0, "x"), E_NOT_A_DIRECTORY);
		CHECK_EQ(write_code(at("f/x"), mode, 0, 0, "x"), E_NOT_A_DIRECTORY);
		CHECK_EQ(write_code(at("f/x/y"), mode, PARENTS, 0, "x"), E_NOT_A_DIRECTORY);
		CHECK_EQ(write_code(at("no/x"), mode, 0, 0, "x"), E_NOT_FOUND);
		CHECK_EQ(write_code(at("fifo"), mode, 0, 0, "x"), E_NOT_REGULAR);
		CHECK_EQ(write_code(at("socket"), mode, 0, 0, "x"), E_NOT_REGULAR);
		CHECK_EQ(write_code("/dev/null", mode, 0, 0, "x"), E_NOT_REGULAR);
		CHECK_EQ(write_code(at("%s", name), mode, 0, 0, "x"), E_NAME_TOO_LONG);
	}
	CHECK_EQ(count_entries(dir), 3);
	CHECK_EQ(write_code(at("p//q/r"), CREATE, PARENTS, 0, "deep"), E_NONE);
	CHECK(text_is(at("p/q/r"), "deep"));
	CHECK_EQ(mode_of(at("p/q")), 0755);
	CHECK_EQ(write_code(at("p/q/s"), APPEND, PARENTS, 0, "deep"), E_NONE);
	/* The directory goes away under an open write. */
	struct fs_write *w = open_write(at("p/q/t"), OVERWRITE, 0, 0, "x", E_NONE);
	char command[200];
	snprintf(command, sizeof command, "rm -rf '%s'", at("p"));
	must(system(command) == 0, "rm");
	CHECK_EQ(commit(w), E_NOT_FOUND);
	/* The target becomes something else under an open write. */
	w = open_write(at("f"), OVERWRITE, 0, 0, "x", E_NONE);
	must(unlink(at("f")) == 0 && mkdir(at("f"), 0755) == 0, "swap");
	CHECK_EQ(commit(w), E_IS_DIRECTORY);
	w = open_write(at("g"), OVERWRITE, 0, 0, "x", E_NONE);
	must(mkfifo(at("g"), 0600) == 0, "mkfifo");
	CHECK_EQ(commit(w), E_NOT_REGULAR);
	CHECK_EQ(count_entries(dir), 4);
}

static void names(void) {
	char longest[256], accents[256];
	memset(longest, 'n', 255);
	longest[255] = 0;
	for (int i = 0; i < 254; i += 2) memcpy(accents + i, "\xc3\xa9", 3);
	const char *const all[] = {"new\nline", "quo'te\"`$(x)", "*", "?[a]", " ", "-rf", "\x1b[31m", "\xff\xfe", "\\", "...", "%s%n", longest, accents};
	size_t count = sizeof all / sizeof *all;
	for (size_t i = 0; i < count; i++) {
		CHECK_EQ(write_code(at("%s", all[i]), CREATE, 0, 0, "first"), E_NONE);
		CHECK_EQ(write_code(at("%s", all[i]), OVERWRITE, 0, 0, "second"), E_NONE);
		CHECK_EQ(write_code(at("%s", all[i]), APPEND, 0, 0, "+"), E_NONE);
		CHECK(text_is(at("%s", all[i]), "second+"));
		struct content c = read_range(at("%s", all[i]), 0, 0, 100);
		CHECK_EQ(c.data.len, 7);
		buf_free(&c.data);
		CHECK_EQ(count_entries(dir), i + 1);
	}
	for (size_t i = 0; i < count; i++) CHECK_EQ(remove_code(at("%s", all[i]), 0), E_NONE);
	CHECK_EQ(count_entries(dir), 0);
}

int main(void) {
	umask(022);
	run_test("WRITE follows links, also dangling ones, and leaves another hard link alone", links);
	run_test("WRITE refuses what is no file, also when it becomes so", faults);
	run_test("WRITE takes any name that the kernel takes", names);
	return failures != 0;
}
