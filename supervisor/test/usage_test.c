/* USAGE: the walk, step by step. */
#include "fs_test.h"

#include "usage.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define OTHER 12345

static struct usage_reply usage_with(const char *path, uint32_t max_entries, uint32_t max_ms, struct fault *f, int *steps) {
	struct usage_request r = {{(const uint8_t *)path, (uint32_t)strlen(path)}, max_entries, max_ms};
	struct usage *u = usage_new(&r);
	must(u != NULL, "usage_new");
	struct usage_reply found = {0};
	for (*steps = 1; !usage_step(u, &found, f); ++*steps) continue;
	usage_free(u);
	return found;
}

static struct usage_reply usage_of(const char *path) {
	struct fault f;
	int steps;
	struct usage_reply found = usage_with(path, 1000000, 60000, &f, &steps);
	CHECK_EQ(f.code, E_NONE);
	return found;
}

/* As du(1) counts, which knows nothing of us. */
static uint64_t du(const char *path) {
	char command[PATH_MAX * 2];
	unsigned long long kib = 0;
	snprintf(command, sizeof command, "du -skx '%s'", path);
	FILE *p = popen(command, "r");
	must(p && fscanf(p, "%llu", &kib) == 1, "du");
	pclose(p);
	return kib * 1024;
}

static void whole_trees(void) {
	must(mkdir(at("a"), 0755) == 0 && mkdir(at("a/b"), 0755) == 0 && mkdir(at("empty"), 0755) == 0, "mkdir");
	char data[100000];
	memset(data, 'x', sizeof data);
	put_file(at("one"), data, sizeof data);
	put_file(at("a/two"), data, 1);
	put_file(at("a/b/three"), data, 5000);
	must(symlink("/usr", at("link")) == 0, "symlink");
	struct usage_reply found = usage_of(dir);
	CHECK_EQ(found.entries, 8);
	CHECK_EQ(found.flags, 0);
	CHECK_EQ(found.bytes, du(dir));
	CHECK(found.fs_bytes > found.fs_free_bytes && found.fs_free_bytes > 0);
}

static void sparse_files_and_links(void) {
	put_file(at("f"), "x", 1);
	must(truncate(at("f"), 1ll << 40) == 0, "truncate");
	for (int i = 0; i < 1000; i++) must(link(at("f"), at("name%d", i)) == 0, "link");
	struct usage_reply found = usage_of(dir);
	CHECK_EQ(found.entries, 2);
	CHECK_EQ(found.flags, 0);
	CHECK_EQ(found.bytes, du(dir));
	CHECK(found.bytes < 1 << 20);
}

static void many_links(void) {
	for (int i = 0; i < 3000; i++) {
		put_file(at("f%d", i), "x", 1);
		must(link(at("f%d", i), at("g%d", i)) == 0, "link");
	}
	CHECK_EQ(usage_of(dir).entries, 3001);
}

static void bounds(void) {
	for (int i = 0; i < 5000; i++) put_file(at("f%d", i), "x", 1);
	struct fault f;
	int steps;
	struct usage_reply found = usage_with(dir, 100, 60000, &f, &steps);
	CHECK_EQ(found.flags, USAGE_ENTRIES);
	CHECK_EQ(found.entries, 100);
	found = usage_with(dir, 100000, 0, &f, &steps);
	CHECK_EQ(found.flags, USAGE_TIME);
	CHECK(found.entries < 5000);
	/* Nobody waits for the whole of it. */
	found = usage_with(dir, 100000, 60000, &f, &steps);
	CHECK_EQ(found.entries, 5001);
	CHECK(steps >= 4);
	/* As many as there are is not one too many. */
	CHECK_EQ(usage_with(dir, 5002, 60000, &f, &steps).flags, 0);
	found = usage_with(dir, 0, 60000, &f, &steps);
	CHECK(found.entries == 0 && found.bytes == 0 && found.flags == 0 && found.fs_bytes > 0 && steps == 1);
}

/* Goes down `levels` directories of the same name from `start`, making them; leaves the working directory there. */
static void descend(const char *start, const char *name, int levels) {
	must(chdir(start) == 0, start);
	for (int i = 0; i < levels; i++) must(mkdir(name, 0755) == 0 && chdir(name) == 0, name);
}

static void deep(void) {
	/* 12,000 bytes of path: three times what one system call takes. */
	descend(dir, "abcde", 2000);
	put_file("hidden", "x", 1);
	must(chdir("/") == 0, "chdir");
	struct usage_reply found = usage_of(dir);
	CHECK_EQ(found.entries, 2002);
	CHECK_EQ(found.flags, 0);
}

static void too_deep(void) {
	char name[251];
	memset(name, 'n', 250);
	name[250] = 0;
	descend(dir, name, 300);
	must(chdir("/") == 0, "chdir");
	struct usage_reply found = usage_of(dir);
	CHECK_EQ(found.flags, USAGE_TOO_DEEP);
	CHECK(found.entries > 200 && found.entries < 301);
}

static void unreadable_as_other(void) {
	must(mkdir(at("closed"), 0755) == 0 && mkdir(at("names"), 0755) == 0, "mkdir");
	put_file(at("closed/f"), "x", 1);
	put_file(at("names/f"), "x", 1);
	must(chmod(at("closed"), 0) == 0, "chmod");
	struct usage_reply found = usage_of(dir);
	CHECK_EQ(found.flags, USAGE_UNREADABLE);
	CHECK_EQ(found.entries, 5); /* root's too, which cannot hold anything of this user */
	must(chmod(at("closed"), 0755) == 0 && chmod(at("names"), 0444) == 0, "chmod");
	found = usage_of(dir);
	CHECK_EQ(found.flags, USAGE_UNREADABLE);
	must(chmod(at("names"), 0755) == 0, "chmod");
	CHECK_EQ(usage_of(dir).flags, 0);
}

static void unreadable(void) {
	if (getuid() != 0) {
		printf("skip: not root\n");
		return;
	}
	must(mkdir(at("lost+found"), 0700) == 0 && chown(dir, OTHER, OTHER) == 0, "root's directory");
	pid_t child = fork();
	if (child == 0) {
		must(setgid(OTHER) == 0 && setuid(OTHER) == 0, "setuid");
		failures = 0;
		unreadable_as_other();
		_exit(failures != 0);
	}
	int status;
	must(waitpid(child, &status, 0) == child, "waitpid");
	CHECK_EQ(status, 0);
}

static void mounts(void) {
	must(mkdir(at("tmpfs"), 0755) == 0 && mkdir(at("bind"), 0755) == 0 && mkdir(at("other"), 0755) == 0, "mkdir");
	put_file(at("other/f"), "x", 1);
	uint64_t before = usage_of(dir).entries;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", at("tmpfs"), "tmpfs", 0, "size=1m,nr_inodes=50") < 0) {
		printf("skip: may not mount (%s)\n", strerror(errno));
		return;
	}
	put_file(at("tmpfs/f"), "x", 1);
	CHECK_EQ(usage_of(dir).entries, before - 1); /* not the mount point either: it is another file system's */
	struct usage_reply inside = usage_of(at("tmpfs"));
	CHECK(inside.entries == 2 && inside.fs_bytes == 1 << 20 && inside.fs_inodes == 50 && inside.fs_free_inodes == 48);
	must(umount(at("tmpfs")) == 0, "umount");
	/* A bind mount of the same file system has the same device number. */
	must(mount(at("other"), at("bind"), NULL, MS_BIND, NULL) == 0, "bind");
	CHECK_EQ(usage_of(dir).entries, before);
	must(umount(at("bind")) == 0, "umount");
}

static void faults(void) {
	put_file(at("f"), "x", 1);
	struct fault f;
	int steps;
	usage_with(at("f"), 10, 10, &f, &steps);
	CHECK_EQ(f.code, E_NOT_A_DIRECTORY);
	usage_with(at("none"), 10, 10, &f, &steps);
	CHECK_EQ(f.code, E_NOT_FOUND);
}

int main(void) {
	run_test("USAGE counts blocks and inodes of a tree as du does, and follows no link", whole_trees);
	run_test("USAGE counts a sparse file for its blocks, and a file with a thousand names once", sparse_files_and_links);
	run_test("USAGE tells thousands of linked files apart", many_links);
	run_test("USAGE stops at its bounds, says so, and goes in steps", bounds);
	run_test("USAGE finds files below a path that no system call takes", deep);
	run_test("USAGE says when a tree is too deep for it", too_deep);
	run_test("USAGE says when a directory of the user's may not be read, and minds none of others", unreadable);
	run_test("USAGE does not cross mounts", mounts);
	run_test("USAGE is of directories", faults);
	return failures != 0;
}
