/* A full file system: a tmpfs of 1 MiB and 64 inodes, in a mount namespace of its own. */
#include "fs_test.h"

#include <sched.h>
#include <sys/mount.h>

enum { OLD = 600000 };

static void no_space(void) {
	must(mkdir(at("d"), 0755) == 0, "mkdir");
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", at("d"), "tmpfs", 0, "size=1m,nr_inodes=64") < 0) {
		printf("skip: may not mount (%s)\n", strerror(errno));
		return;
	}
	char *old = malloc(OLD), *new = malloc(OLD);
	memset(old, 'o', OLD);
	memset(new, 'n', OLD);
	put_file(at("d/f"), old, OLD);
	for (uint8_t mode = OVERWRITE; mode <= APPEND; mode++) {
		struct call c = write_call(at(mode == CREATE ? "d/new" : "d/f"), mode, 0, 0, new, OLD);
		CHECK_EQ(c.f.code, E_NO_SPACE);
		CHECK_EQ(c.f.err, ENOSPC);
		call_free(&c);
		CHECK(file_is(at("d/f"), old, OLD));
		CHECK_EQ(count_entries(at("d")), 1);
	}
	/* What the refused writes took is free again. */
	struct call c = write_call(at("d/small"), CREATE, 0, 0, new, 300000);
	CHECK_EQ(c.f.code, E_NONE);
	call_free(&c);
	CHECK_EQ(remove_code(at("d/small"), 0), E_NONE);
	/* No inode is left. */
	int n = 0;
	while (write_code(at("d/%d", n), CREATE, 0, 0, "") == E_NONE) n++;
	CHECK(n > 10 && n < 64);
	CHECK_EQ(write_code(at("d/f"), OVERWRITE, 0, 0, "x"), E_NO_SPACE);
	CHECK_EQ(write_code(at("d/log"), APPEND, 0, 0, "x"), E_NO_SPACE);
	CHECK_EQ(mkdir_code(at("d/dir"), 0755, 0), -E_NO_SPACE);
	CHECK(file_is(at("d/f"), old, OLD));
	CHECK_EQ(count_entries(at("d")), n + 1);
	/* Read-only: nothing changes, everything says so. */
	must(mount("none", at("d"), NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "remount");
	for (uint8_t mode = OVERWRITE; mode <= APPEND; mode++)
		CHECK_EQ(write_code(at(mode == CREATE ? "d/new" : "d/f"), mode, 0, 0, "x"), E_READ_ONLY);
	CHECK_EQ(mkdir_code(at("d/dir"), 0755, 1), -E_READ_ONLY);
	CHECK_EQ(remove_code(at("d/f"), 0), E_READ_ONLY);
	CHECK_EQ(rename_fault(at("d/f"), at("d/g"), 1).code, E_READ_ONLY);
	CHECK_EQ(read_code(at("d/f")), E_NONE);
	must(umount(at("d")) == 0, "umount");
	free(old);
	free(new);
}

int main(void) {
	run_test("on a full or read-only file system the old file stays whole and nothing is left behind", no_space);
	return failures != 0;
}
