/* REMOVE. */
#include "fs_test.h"

#include <sched.h>
#include <sys/mount.h>

static void files_and_links(void) {
	put_file(at("f"), "x", 1);
	must(mkdir(at("d"), 0755) == 0 && symlink("d", at("link")) == 0 && symlink("none", at("dangling")) == 0 && mkfifo(at("p"), 0600) == 0, "setup");
	put_file(at("d/keep"), "x", 1);
	CHECK_EQ(remove_code(at("none"), 0), E_NOT_FOUND);
	CHECK_EQ(remove_code(at("none"), 1), E_NOT_FOUND);
	CHECK_EQ(remove_code(at("f/"), 1), E_NOT_A_DIRECTORY);
	CHECK_EQ(remove_code(at("f/x"), 1), E_NOT_A_DIRECTORY);
	CHECK_EQ(remove_code(at("link/"), 1), E_NOT_A_DIRECTORY);
	CHECK_EQ(remove_code(at("d"), 0), E_NOT_EMPTY);
	CHECK_EQ(remove_code(at("f"), 0), E_NONE);
	CHECK_EQ(remove_code(at("link"), 1), E_NONE);
	CHECK_EQ(remove_code(at("dangling"), 0), E_NONE);
	CHECK_EQ(remove_code(at("p"), 0), E_NONE);
	CHECK_EQ(count_entries(at("d")), 1);
	CHECK_EQ(remove_code(at("d/keep"), 1), E_NONE);
	CHECK_EQ(remove_code(at("d/"), 0), E_NONE);
	CHECK_EQ(count_entries(dir), 0);
}

static void trees(void) {
	put_file(at("outside"), "x", 1);
	must(mkdir(at("t"), 0755) == 0 && symlink("..", at("t/up")) == 0 && symlink("../outside", at("t/out")) == 0, "setup");
	for (int i = 0; i < 300; i++) {
		must(mkdir(at("t/%d", i), 0755) == 0 && mkdir(at("t/%d/e", i), 0755) == 0, "mkdir");
		for (int j = 0; j < 5; j++) put_file(at("t/%d/e/%d", i, j), "x", 1);
	}
	CHECK_EQ(remove_code(at("t"), 1), E_NONE);
	CHECK_EQ(count_entries(dir), 1);
	CHECK(text_is(at("outside"), "x"));
}

/* Deeper than a path can tell, and than there may be open files. */
static void deep(void) {
	enum { DEPTH = 3000 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < DEPTH; i++) {
		must(mkdirat(fd, "deep", 0755) == 0, "mkdirat");
		int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
		must(next >= 0, "openat");
		close(fd);
		fd = next;
	}
	close(fd);
	CHECK_EQ(remove_code(at("deep"), 1), E_NONE);
	CHECK_EQ(count_entries(dir), 0);
}

static void refused(void) {
	must(mkdir(at("work"), 0755) == 0 && mkdir(at("work/sub"), 0755) == 0 && symlink("work", at("link")) == 0, "setup");
	put_file(at("work/f"), "x", 1);
	static char workspace[80];
	snprintf(workspace, sizeof workspace, "%s/work", dir);
	fs_set_workspace(workspace);
	for (uint8_t recursive = 0; recursive < 2; recursive++) {
		CHECK_EQ(remove_code("/", recursive), E_BUSY);
		CHECK_EQ(remove_code("//", recursive), E_BUSY);
		CHECK_EQ(remove_code("/..", recursive), E_BUSY);
		CHECK_EQ(remove_code("/tmp/..", recursive), E_BUSY);
		CHECK_EQ(remove_code(at("work"), recursive), E_BUSY);
		CHECK_EQ(remove_code(at("work/"), recursive), E_BUSY);
		CHECK_EQ(remove_code(at("work/."), recursive), E_BUSY);
		CHECK_EQ(remove_code(at("work/sub/.."), recursive), E_BUSY);
		CHECK_EQ(remove_code(at("link/."), recursive), E_BUSY);
		CHECK_EQ(remove_code(at("work/sub/."), recursive), E_INVALID);
		CHECK_EQ(remove_code(at("work/sub/none/.."), recursive), E_NOT_FOUND);
	}
	/* What holds the workspace cannot go either. */
	CHECK_EQ(remove_code(dir, 1), E_BUSY);
	CHECK(text_is(at("link/f"), "x"));
	CHECK_EQ(remove_code(at("work/f"), 1), E_NONE);
	CHECK_EQ(remove_code(at("link"), 1), E_NONE);
	fs_set_workspace("/nonexistent");
	CHECK_EQ(remove_code(at("work"), 1), E_NONE);
}

static void mounts(void) {
	must(mkdir(at("t"), 0755) == 0 && mkdir(at("t/tmpfs"), 0755) == 0 && mkdir(at("t/bind"), 0755) == 0 && mkdir(at("src"), 0755) == 0, "mkdir");
	put_file(at("src/f"), "x", 1);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", at("t/tmpfs"), "tmpfs", 0, NULL) < 0) {
		printf("skip: may not mount (%s)\n", strerror(errno));
		return;
	}
	put_file(at("t/tmpfs/f"), "x", 1);
	CHECK_EQ(remove_code(at("t/tmpfs"), 0), E_BUSY);
	CHECK_EQ(remove_code(at("t/tmpfs"), 1), E_BUSY);
	CHECK_EQ(remove_code(at("t"), 1), E_BUSY);
	CHECK(text_is(at("t/tmpfs/f"), "x"));
	must(umount(at("t/tmpfs")) == 0, "umount");
	/* A bind mount of the same file system has the same device number. */
	must(mkdir(at("t/bind"), 0755) == 0 || errno == EEXIST, "mkdir");
	must(mount(at("src"), at("t/bind"), NULL, MS_BIND, NULL) == 0, "bind");
	CHECK_EQ(remove_code(at("t"), 1), E_BUSY);
	CHECK_EQ(remove_code(at("t/bind"), 0), E_BUSY);
	CHECK_EQ(remove_code(at("t/bind"), 1), E_BUSY);
	CHECK(text_is(at("src/f"), "x"));
	must(umount(at("t/bind")) == 0, "umount");
	CHECK_EQ(remove_code(at("t"), 1), E_NONE);
}

int main(void) {
	run_test("REMOVE unlinks a file, a link itself and an empty directory", files_and_links);
	run_test("REMOVE takes a whole tree and follows no link out of it", trees);
	run_test("REMOVE takes a tree 3,000 levels deep", deep);
	run_test("REMOVE refuses the root, the workspace and what holds it, however spelled", refused);
	run_test("REMOVE refuses mount points and trees that hold one", mounts);
	return failures != 0;
}
