/* Requests against a thread that swaps what they work on: every answer is one that the state at some moment explains, nothing outside is touched,
 * nothing hangs or leaks a file descriptor. */
#include "fs_test.h"

#include <pthread.h>
#include <sys/syscall.h>

#define RUN_MS 1500

static bool stop;

/* `x` is in turn a file, a FIFO, a directory with content, a link to the secret, a dangling link, a loop, nothing. */
static void *swap(void *arg) {
	(void)arg;
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		switch (i % 7) {
		case 0: put_file(at("new"), "file", 4); break;
		case 1: must(mkfifo(at("new"), 0644) == 0, "mkfifo"); break;
		case 2:
			must(mkdir(at("new"), 0755) == 0 && mkdir(at("new/d"), 0755) == 0, "mkdir");
			put_file(at("new/d/f"), "deep", 4);
			break;
		case 3: must(symlink("outside", at("new")) == 0, "symlink"); break;
		case 4: must(symlink("nowhere", at("new")) == 0, "symlink"); break;
		case 5: must(symlink("x", at("new")) == 0, "symlink"); break;
		default: break;
		}
		/* Away with whatever the requests left or made there, then the new thing in its place. */
		if (rename(at("x"), at("old.%u", i)) < 0) must(errno == ENOENT, "rename");
		if (i % 7 != 6 && rename(at("new"), at("x")) < 0) must(errno == ENOTEMPTY || errno == EISDIR || errno == ENOTDIR || errno == EEXIST, "rename");
		char command[PATH_MAX * 3];
		snprintf(command, sizeof command, "rm -rf '%s' '%s' 2>/dev/null", at("new"), at("old.%u", i));
		/* A write that holds the moved directory may still put its file there; it does so once. */
		if (i % 7 == 2 || i % 7 == 3) while (system(command) != 0) continue;
		else unlink(at("old.%u", i)), unlink(at("new"));
	}
	return NULL;
}

static int open_files(void) { return count_entries("/proc/self/fd"); }

static void swapped(void) {
	must(mkdir(at("outside"), 0755) == 0, "mkdir");
	put_file(at("outside/secret"), "secret", 6);
	int before = open_files();
	pthread_t thread;
	must(pthread_create(&thread, NULL, swap, NULL) == 0, "thread");
	unsigned long n = 0, seen = 0;
	for (double end = now_ms() + RUN_MS; now_ms() < end; n++) {
		struct content c = read_range(at("x"), 0, 0, 100);
		seen |= 1ul << c.f.code;
		/* "file" or nothing, and whole writes behind it. */
		size_t head = c.data.len >= 4 && !memcmp(c.data.data, "file", 4) ? 4 : 0;
		if (c.f.code == E_NONE) CHECK((c.data.len - head) % 7 == 0);
		else CHECK(c.f.code == E_NOT_FOUND || c.f.code == E_NOT_REGULAR || c.f.code == E_IS_DIRECTORY || c.f.code == E_LOOP);
		buf_free(&c.data);
		int code = write_code(at("x"), (uint8_t)(1 + n % 3), 0, 0, "written");
		CHECK(code == E_NONE || code == E_NOT_FOUND || code == E_NOT_REGULAR || code == E_IS_DIRECTORY || code == E_LOOP || code == E_EXISTS);
		code = write_code(at("x/d/f"), OVERWRITE, 0, 0, "written");
		CHECK(code == E_NONE || code == E_NOT_FOUND || code == E_NOT_A_DIRECTORY || code == E_LOOP);
		code = remove_code(at("x"), 1);
		CHECK(code == E_NONE || code == E_NOT_FOUND || code == E_NOT_EMPTY || code == E_BUSY);
		struct call l = list_call(at("x"), 5, 1);
		CHECK(l.f.code == E_NONE || l.f.code == E_NOT_FOUND || l.f.code == E_NOT_A_DIRECTORY);
		call_free(&l);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	printf("%lu rounds, codes seen by READ: %#lx\n", n, seen);
	CHECK(text_is(at("outside/secret"), "secret"));
	CHECK_EQ(count_entries(at("outside")), 1);
	CHECK_EQ(open_files(), before);
}

/* `t/x` is in turn a directory and a link to one outside, by an atomic exchange. */
static void *exchange(void *arg) {
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) syscall(SYS_renameat2, AT_FDCWD, at("t/x"), AT_FDCWD, at("spare"), 2 /* RENAME_EXCHANGE */);
	return NULL;
}

static void walks_stay_below(void) {
	must(mkdir(at("t"), 0755) == 0 && mkdir(at("t/x"), 0755) == 0 && mkdir(at("outside"), 0755) == 0 && mkdir(at("outside/y"), 0755) == 0 && symlink("../outside", at("spare")) == 0, "setup");
	put_file(at("outside/y/secret"), "secret", 6);
	must(mkdir(at("t/x/y"), 0755) == 0, "mkdir");
	put_file(at("t/x/y/inside"), "", 0);
	stop = false;
	pthread_t thread;
	must(pthread_create(&thread, NULL, exchange, NULL) == 0, "thread");
	int inside = 0, links = 0;
	for (double end = now_ms() + RUN_MS; now_ms() < end;) {
		struct call l = list_call(at("t"), 5, 1);
		CHECK_EQ(l.f.code, E_NONE);
		get_u64(&l.r);
		get_u8(&l.r);
		for (uint32_t n = get_u32(&l.r); n; n--) {
			links += get_info(&l.r).type == F_SYMLINK;
			get_u32(&l.r);
			struct slice path = get_bytes(&l.r);
			get_bytes(&l.r);
			CHECK(path.len != 10 || memcmp(path.data, "x/y/secret", 10));
			inside += path.len == 10;
		}
		call_free(&l);
		/* Removing what is below the swapped name must not reach what the link leads to. */
		int code = remove_code(at("t/x"), 1);
		CHECK(code == E_NONE || code == E_NOT_FOUND || code == E_NOT_EMPTY || code == E_BUSY);
		if (mkdir(at("again"), 0755) == 0) {
			must(mkdir(at("again/y"), 0755) == 0, "mkdir");
			put_file(at("again/y/inside"), "", 0);
		}
		if (rename(at("again"), at("t/x")) < 0) {
			struct stat st;
			/* The link is in `t`, the directory outside of it, or the other way round: both must be there for the exchange. */
			if (lstat(at("spare"), &st) < 0 && symlink("../outside", at("spare")) < 0) must(errno == EEXIST, "symlink");
		} else {
			remove_code(at("spare"), 1);
			if (symlink("../outside", at("spare")) < 0) must(errno == EEXIST, "symlink");
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	printf("%d listed inside, %d links\n", inside, links);
	CHECK(inside > 0);
	CHECK(text_is(at("outside/y/secret"), "secret"));
}

/* A directory that fills while it is removed and listed. */
static void *fill(void *arg) {
	(void)arg;
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		int fd = open(at("t/%u", i % 1000), O_WRONLY | O_CREAT, 0644);
		if (fd >= 0) close(fd);
		mkdir(at("t"), 0755);
		mkdir(at("t/d%u", i % 10), 0755);
	}
	return NULL;
}

static void filled(void) {
	stop = false;
	pthread_t thread;
	must(pthread_create(&thread, NULL, fill, NULL) == 0, "thread");
	for (double end = now_ms() + RUN_MS; now_ms() < end;) {
		int code = remove_code(at("t"), 1);
		CHECK(code == E_NONE || code == E_NOT_FOUND || code == E_NOT_EMPTY);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

int main(void) {
	run_test("a name that changes its kind all the time gives typed answers and harms nothing", swapped);
	run_test("a walk never follows a directory that became a link", walks_stay_below);
	run_test("a directory that fills while it is removed holds the request up for moments only", filled);
	return failures != 0;
}
