/* WRITE, one-shot and streaming: what becomes of the content. */
#include "fs_write_steps.h"

#include <signal.h>
#include <sys/resource.h>

static void answers(void) {
	struct call c = write_call(at("f"), OVERWRITE, 0, 0, "hello", 5);
	CHECK_EQ(c.f.code, E_NONE);
	struct info i = get_info(&c.r);
	CHECK_EQ(get_u8(&c.r), 1);
	CHECK(reader_done(&c.r));
	CHECK_EQ(i.size, 5);
	CHECK_EQ(i.type, F_FILE);
	CHECK_EQ(i.mode, 0644);
	CHECK_EQ(i.version, stat_info(at("f")).version);
	call_free(&c);
	c = write_call(at("f"), OVERWRITE, 0, i.version, "hello again", 11);
	get_info(&c.r);
	CHECK_EQ(get_u8(&c.r), 0);
	call_free(&c);
	CHECK(text_is(at("f"), "hello again"));
	c = write_call(at("f"), APPEND, 0, 0, "!", 1);
	i = get_info(&c.r);
	CHECK_EQ(get_u8(&c.r), 0);
	CHECK_EQ(i.size, 12);
	CHECK_EQ(i.version, stat_info(at("f")).version);
	call_free(&c);
	CHECK(text_is(at("f"), "hello again!"));
	c = write_call(at("g"), APPEND, 0, 0, "new", 3);
	get_info(&c.r);
	CHECK_EQ(get_u8(&c.r), 1);
	call_free(&c);
	CHECK(text_is(at("g"), "new"));
	CHECK_EQ(write_code(at("f"), OVERWRITE, 0, 0, ""), E_NONE);
	CHECK(text_is(at("f"), ""));
	uint8_t all[256];
	for (int b = 0; b < 256; b++) all[b] = (uint8_t)b;
	c = write_call(at("all"), CREATE, 0, 0, all, 256);
	CHECK(file_is(at("all"), all, 256));
	call_free(&c);
	CHECK_EQ(count_entries(dir), 3);
	CHECK_EQ(write_code(at("f"), 0, 0, 0, ""), E_INVALID);
	CHECK_EQ(write_code(at("f"), 4, 0, 0, ""), E_INVALID);
	CHECK_EQ(write_code(at("f"), 1, 8, 0, ""), E_INVALID);
}

static void create_never_replaces(void) {
	CHECK_EQ(write_code(at("f"), CREATE, 0, 0, "one"), E_NONE);
	CHECK_EQ(write_code(at("f"), CREATE, 0, 0, "two"), E_EXISTS);
	CHECK(text_is(at("f"), "one"));
	struct fs_write *w = open_write(at("g"), CREATE, 0, 0, "mine", E_NONE);
	put_file(at("g"), "theirs", 6);
	CHECK_EQ(commit(w), E_EXISTS);
	CHECK(text_is(at("g"), "theirs"));
	CHECK_EQ(count_entries(dir), 2);
}

static void streams(void) {
	put_file(at("f"), "old", 3);
	struct fs_write *w = open_write(at("f"), OVERWRITE, 0, 0, "a", E_NONE);
	CHECK_EQ(write_more(w, "b"), E_NONE);
	CHECK_EQ(write_more(w, ""), E_NONE);
	CHECK_EQ(write_more(w, "c"), E_NONE);
	CHECK(text_is(at("f"), "old"));
	CHECK_EQ(commit(w), E_NONE);
	CHECK(text_is(at("f"), "abc"));
	w = open_write(at("f"), OVERWRITE, 0, 0, "lost", E_NONE);
	write_more(w, "lost");
	CHECK_EQ(count_entries(dir), 2);
	fs_write_abort(w);
	CHECK(text_is(at("f"), "abc"));
	w = open_write(at("f"), APPEND, 0, 0, "d", E_NONE);
	write_more(w, "e");
	fs_write_abort(w);
	CHECK(text_is(at("f"), "abc"));
	w = open_write(at("f"), APPEND, 0, 0, "d", E_NONE);
	write_more(w, "e");
	CHECK_EQ(commit(w), E_NONE);
	CHECK(text_is(at("f"), "abcde"));
	w = open_write(at("g"), APPEND, 0, 0, "d", E_NONE);
	fs_write_abort(w);
	CHECK_EQ(count_entries(dir), 1);
	/* What another process appended meanwhile stays. */
	w = open_write(at("f"), APPEND, 0, 0, "mine", E_NONE);
	int fd = open(at("f"), O_WRONLY | O_APPEND);
	must(write(fd, "theirs", 6) == 6, "write");
	close(fd);
	fs_write_abort(w);
	CHECK(text_is(at("f"), "abcdeminetheirs"));
	/* WRITE without flag 1 is no one-shot request. */
	struct call c = {0};
	put_write(&c.in, at("h"), OVERWRITE, 0, 0, "x", 1);
	call_run(&c, T_WRITE, T_WRITTEN);
	CHECK_EQ(c.f.code, E_PROTOCOL);
	call_free(&c);
	CHECK_EQ(count_entries(dir), 1);
}

static void versions(void) {
	CHECK_EQ(write_code(at("f"), OVERWRITE, 0, 77, "x"), E_NOT_FOUND);
	put_file(at("f"), "old", 3);
	uint64_t version = stat_info(at("f")).version;
	CHECK_EQ(write_code(at("f"), OVERWRITE, 0, version + 1, "x"), E_STALE_VERSION);
	CHECK_EQ(write_code(at("f"), APPEND, 0, version + 1, "x"), E_STALE_VERSION);
	CHECK(text_is(at("f"), "old"));
	CHECK_EQ(write_code(at("f"), APPEND, 0, version, "er"), E_NONE);
	version = stat_info(at("f")).version;
	struct fs_write *w = open_write(at("f"), OVERWRITE, 0, version, "mine", E_NONE);
	put_file(at("f"), "their change", 12);
	CHECK_EQ(commit(w), E_STALE_VERSION);
	CHECK(text_is(at("f"), "their change"));
	w = open_write(at("f"), OVERWRITE, 0, stat_info(at("f")).version, "mine", E_NONE);
	must(unlink(at("f")) == 0, "unlink");
	CHECK_EQ(commit(w), E_NOT_FOUND);
	CHECK_EQ(count_entries(dir), 0);
}

static void modes(void) {
	static const mode_t modes[] = {0640, 0600, 0755, 0444 | 0200, 0777};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		put_file(at("f"), "", 0);
		must(chmod(at("f"), modes[i]) == 0, "chmod");
		CHECK_EQ(write_code(at("f"), OVERWRITE, 0, 0, "x"), E_NONE);
		CHECK_EQ(mode_of(at("f")), modes[i]);
		CHECK_EQ(write_code(at("f"), APPEND, 0, 0, "x"), E_NONE);
		CHECK_EQ(mode_of(at("f")), modes[i]);
	}
	must(chmod(at("f"), 0640) == 0, "chmod");
	CHECK_EQ(write_code(at("f"), OVERWRITE, EXECUTABLE, 0, "x"), E_NONE);
	CHECK_EQ(mode_of(at("f")), 0750);
	must(chmod(at("f"), 0640) == 0, "chmod");
	CHECK_EQ(write_code(at("f"), APPEND, EXECUTABLE, 0, "x"), E_NONE);
	CHECK_EQ(mode_of(at("f")), 0750);
	CHECK_EQ(write_code(at("x"), CREATE, EXECUTABLE, 0, "x"), E_NONE);
	CHECK_EQ(mode_of(at("x")), 0755);
	CHECK_EQ(write_code(at("y"), APPEND, EXECUTABLE, 0, "x"), E_NONE);
	CHECK_EQ(mode_of(at("y")), 0755);
	CHECK_EQ(write_code(at("z"), OVERWRITE, 0, 0, "x"), E_NONE);
	CHECK_EQ(mode_of(at("z")), 0644);
	/* A set-user-ID bit does not pass to new content. */
	must(chmod(at("x"), 04755) == 0, "chmod");
	CHECK_EQ(write_code(at("x"), OVERWRITE, 0, 0, "y"), E_NONE);
	CHECK_EQ(mode_of(at("x")), 0755);
}

/* RLIMIT_FSIZE, which the sandbox sets; SIGXFSZ is ignored as the supervisor does. */
static void too_large(void) {
	struct rlimit old, small = {100000, RLIM_INFINITY};
	must(getrlimit(RLIMIT_FSIZE, &old) == 0, "getrlimit");
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	put_file(at("f"), "old", 3);
	char *big = malloc(200000);
	memset(big, 'x', 200000);
	must(setrlimit(RLIMIT_FSIZE, &small) == 0, "setrlimit");
	for (uint8_t mode = OVERWRITE; mode <= APPEND; mode++) {
		struct call c = write_call(at(mode == CREATE ? "new" : "f"), mode, 0, 0, big, 200000);
		CHECK_EQ(c.f.code, E_TOO_LARGE);
		CHECK_EQ(c.f.err, EFBIG);
		call_free(&c);
	}
	struct call c = write_call(at("appended"), APPEND, 0, 0, big, 200000);
	CHECK_EQ(c.f.code, E_TOO_LARGE);
	call_free(&c);
	/* In the middle of a stream: undone at once, and every later step says the same. */
	struct fs_write *w = open_write(at("f"), OVERWRITE, 0, 0, "x", E_NONE);
	CHECK_EQ(fs_write_data(w, (struct slice){(uint8_t *)big, 200000}).code, E_TOO_LARGE);
	CHECK_EQ(count_entries(dir), 1);
	CHECK_EQ(write_more(w, "x"), E_TOO_LARGE);
	CHECK_EQ(commit(w), E_TOO_LARGE);
	must(setrlimit(RLIMIT_FSIZE, &old) == 0, "setrlimit");
	CHECK(text_is(at("f"), "old"));
	CHECK_EQ(count_entries(dir), 1);
	free(big);
}

int main(void) {
	umask(022);
	run_test("WRITE overwrites, creates and appends, and tells the file and whether it is new", answers);
	run_test("WRITE in create mode never replaces, not even a file that came meanwhile", create_never_replaces);
	run_test("a streamed WRITE shows nothing before its commit, and an abort leaves nothing", streams);
	run_test("WRITE with a version is refused when the file changed, also in between", versions);
	run_test("WRITE keeps the mode, and adds x where r is", modes);
	run_test("WRITE beyond the file size limit leaves the old file and nothing else", too_large);
	return failures != 0;
}
