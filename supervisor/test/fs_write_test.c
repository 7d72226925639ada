/* WRITE, one-shot and streaming. */
#include "fs_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct fs_write *open_write(const char *path, uint8_t mode, uint8_t flags, uint64_t version, const char *text, int want) {
	struct buf in = {0};
	put_write(&in, path, mode, flags, version, text, strlen(text));
	struct fs_write *w = NULL;
	CHECK_EQ(fs_write_open(slice_of(&in), &w).code, want);
	CHECK((w != NULL) == (want == E_NONE));
	buf_free(&in);
	return w;
}

static int write_more(struct fs_write *w, const char *text) {
	return fs_write_data(w, (struct slice){(const uint8_t *)text, strlen(text)}).code;
}

static int commit(struct fs_write *w) {
	struct buf out = {0};
	int code = fs_write_commit(w, &out).code;
	if (code) CHECK_EQ(out.len, 0);
	buf_free(&out);
	return code;
}

static mode_t mode_of(const char *path) {
	struct stat st;
	must(lstat(path, &st) == 0, path);
	return st.st_mode & 07777;
}

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

enum { WRITERS = 20, SIZE = 50000 };

static void *write_own(void *arg) {
	char *text = malloc(SIZE);
	memset(text, (int)(intptr_t)arg, SIZE);
	for (int i = 0; i < 5; i++) {
		struct call c = write_call(at("f"), OVERWRITE, 0, 0, text, SIZE);
		CHECK_EQ(c.f.code, E_NONE);
		call_free(&c);
	}
	free(text);
	return NULL;
}

static void concurrent_writers(void) {
	pthread_t threads[WRITERS];
	for (intptr_t i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, write_own, (void *)('a' + i)) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	struct content c = read_range(at("f"), 0, 0, DATA_CHUNK);
	CHECK_EQ(c.data.len, SIZE);
	for (size_t i = 1; i < c.data.len; i++)
		if (c.data.data[i] != c.data.data[0]) {
			CHECK(!"one writer's content");
			break;
		}
	buf_free(&c.data);
	CHECK_EQ(count_entries(dir), 1);
}

static void *append_lines(void *arg) {
	char text[3] = {(char)(intptr_t)arg, '\n', 0};
	for (int i = 0; i < 20; i++) CHECK_EQ(write_code(at("log"), APPEND, 0, 0, text), E_NONE);
	return NULL;
}

static int created;

static void *create_once(void *arg) {
	(void)arg;
	int code = write_code(at("once"), CREATE, 0, 0, "x");
	CHECK(code == E_NONE || code == E_EXISTS);
	if (code == E_NONE) __atomic_add_fetch(&created, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void concurrent_appends_and_creates(void) {
	pthread_t threads[WRITERS];
	for (intptr_t i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, append_lines, (void *)('a' + i)) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	CHECK_EQ(stat_info(at("log")).size, WRITERS * 20 * 2);
	for (int i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, create_once, NULL) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	CHECK_EQ(created, 1);
	CHECK_EQ(count_entries(dir), 2);
}

enum { BIG = 5000000, REWRITES = 200 };
static bool stop;
static int reads;

static void *read_whole(void *arg) {
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct content c = read_range(at("f"), 0, 0, DATA_CHUNK);
		CHECK_EQ(c.f.code, E_NONE);
		CHECK_EQ(c.data.len, BIG);
		CHECK(c.data.len == BIG && !memcmp(c.data.data, c.data.data + 1, BIG - 1));
		buf_free(&c.data);
		reads++;
	}
	return NULL;
}

static void rewrites_are_whole(void) {
	char *text = malloc(BIG);
	memset(text, 'a', BIG);
	put_file(at("f"), text, BIG);
	pthread_t reader;
	must(pthread_create(&reader, NULL, read_whole, NULL) == 0, "thread");
	for (int i = 1; i <= REWRITES; i++) {
		memset(text, 'a' + i % 26, BIG);
		struct fs_write *w = open_write(at("f"), OVERWRITE, 0, 0, "", E_NONE);
		for (size_t n = 0; n < BIG; n += 1000000) CHECK_EQ(fs_write_data(w, (struct slice){(uint8_t *)text + n, 1000000}).code, E_NONE);
		CHECK_EQ(commit(w), E_NONE);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	printf("%d rewrites, %d reads\n", REWRITES, reads);
	CHECK(reads > 0);
	CHECK_EQ(count_entries(dir), 1);
	free(text);
}

int main(void) {
	umask(022);
	run_test("WRITE overwrites, creates and appends, and tells the file and whether it is new", answers);
	run_test("WRITE in create mode never replaces, not even a file that came meanwhile", create_never_replaces);
	run_test("a streamed WRITE shows nothing before its commit, and an abort leaves nothing", streams);
	run_test("WRITE with a version is refused when the file changed, also in between", versions);
	run_test("WRITE keeps the mode, and adds x where r is", modes);
	run_test("WRITE follows links, also dangling ones, and leaves another hard link alone", links);
	run_test("WRITE refuses what is no file, also when it becomes so", faults);
	run_test("WRITE takes any name that the kernel takes", names);
	run_test("WRITE beyond the file size limit leaves the old file and nothing else", too_large);
	run_test("of twenty concurrent writers one wins whole", concurrent_writers);
	run_test("concurrent appends all arrive, and of concurrent creates one wins", concurrent_appends_and_creates);
	run_test("a reader sees a rewritten file whole, old or new", rewrites_are_whole);
	return failures != 0;
}
