/* What another user may not do. Runs its tests in a child of uid 12345 when started as root. */
#include "fs_test.h"

#include <grp.h>
#include <sys/wait.h>

#define OTHER 12345

static int code_of(struct call c) {
	call_free(&c);
	return c.f.code;
}

static int list_code(const char *path, uint64_t *total) {
	struct call c = list_call(path, 9, 0);
	*total = c.f.code ? 0 : get_u64(&c.r);
	call_free(&c);
	return c.f.code;
}

static void files_of_root(void) {
	CHECK_EQ(read_code("/etc/shadow"), E_PERMISSION);
	CHECK_EQ(write_code("/etc/passwd", OVERWRITE, 0, 0, "x"), E_PERMISSION);
	CHECK_EQ(write_code("/etc/passwd", APPEND, 0, 0, "x"), E_PERMISSION);
	CHECK_EQ(write_code("/etc/new", CREATE, 0, 0, "x"), E_PERMISSION);
	CHECK_EQ(write_code("/root/x", OVERWRITE, PARENTS, 0, "x"), E_PERMISSION);
	CHECK_EQ(mkdir_code("/etc/new", 0755, 1), -E_PERMISSION);
	CHECK_EQ(remove_code("/etc/passwd", 0), E_PERMISSION);
	CHECK_EQ(remove_code("/etc", 1), E_PERMISSION);
	CHECK_EQ(rename_fault("/etc/passwd", "/etc/x", 0).code, E_PERMISSION);
	CHECK_EQ(code_of(stat_call("/etc/shadow", 1)), E_NONE);
	uint64_t total;
	CHECK_EQ(list_code("/root", &total), E_PERMISSION);
}

static void own_files(void) {
	put_file(at("read-only"), "old", 3);
	put_file(at("secret"), "old", 3);
	must(chmod(at("read-only"), 0444) == 0 && chmod(at("secret"), 0) == 0, "chmod");
	CHECK_EQ(read_code(at("secret")), E_PERMISSION);
	CHECK_EQ(write_code(at("read-only"), OVERWRITE, 0, 0, "new"), E_PERMISSION);
	CHECK_EQ(write_code(at("read-only"), APPEND, 0, 0, "new"), E_PERMISSION);
	CHECK(text_is(at("read-only"), "old"));
	CHECK_EQ(count_entries(dir), 2);
	/* Writable, but not readable: replaced with its mode. */
	must(chmod(at("secret"), 0200) == 0, "chmod");
	CHECK_EQ(write_code(at("secret"), OVERWRITE, 0, 0, "new"), E_NONE);
	CHECK_EQ(stat_info(at("secret")).mode, 0200);
}

static void directories(void) {
	must(mkdir(at("closed"), 0755) == 0 && mkdir(at("drop"), 0755) == 0 && mkdir(at("names"), 0755) == 0 && mkdir(at("fixed"), 0755) == 0, "mkdir");
	put_file(at("closed/f"), "x", 1);
	put_file(at("names/f"), "x", 1);
	put_file(at("fixed/f"), "old", 3);
	must(chmod(at("closed"), 0) == 0 && chmod(at("drop"), 0300) == 0 && chmod(at("names"), 0400) == 0 && chmod(at("fixed"), 0555) == 0, "chmod");
	CHECK_EQ(read_code(at("closed/f")), E_PERMISSION);
	CHECK_EQ(write_code(at("closed/f"), OVERWRITE, 0, 0, "x"), E_PERMISSION);
	CHECK_EQ(remove_code(at("closed"), 1), E_PERMISSION);
	CHECK_EQ(remove_code(at("fixed"), 1), E_PERMISSION);
	/* A directory that can be written and searched, but not read, takes files. */
	CHECK_EQ(write_code(at("drop/f"), CREATE, 0, 0, "x"), E_NONE);
	CHECK_EQ(write_code(at("drop/f"), OVERWRITE, 0, 0, "y"), E_NONE);
	CHECK_EQ(remove_code(at("drop"), 1), E_PERMISSION);
	CHECK_EQ(remove_code(at("drop/f"), 0), E_NONE);
	/* Nothing can be replaced where no file can be made; in place it can be appended to. */
	CHECK_EQ(write_code(at("fixed/f"), OVERWRITE, 0, 0, "new"), E_PERMISSION);
	CHECK(text_is(at("fixed/f"), "old"));
	CHECK_EQ(write_code(at("fixed/f"), APPEND, 0, 0, "er"), E_NONE);
	/* Listed, but not what is in them; `fixed/f` is the only file that can be told. */
	uint64_t total;
	CHECK_EQ(list_code(dir, &total), E_NONE);
	CHECK_EQ(total, 5);
	/* Empty, and so not in need of being read. */
	CHECK_EQ(remove_code(at("drop"), 1), E_NONE);
	must(mkdir(at("tree"), 0755) == 0 && mkdir(at("tree/shut"), 0) == 0, "mkdir");
	CHECK_EQ(remove_code(at("tree"), 1), E_NONE);
}

int main(void) {
	umask(022);
	if (geteuid() == 0) {
		pid_t child = fork();
		must(child >= 0, "fork");
		if (child > 0) {
			int status;
			must(waitpid(child, &status, 0) == child, "waitpid");
			return status != 0;
		}
		must(setgroups(0, NULL) == 0 && setresgid(OTHER, OTHER, OTHER) == 0 && setresuid(OTHER, OTHER, OTHER) == 0, "setuid");
	}
	run_test("files of root are neither written, removed nor, where secret, read", files_of_root);
	run_test("a file that its owner made read-only is not replaced", own_files);
	run_test("directories without a right refuse what needs it, and only that", directories);
	return failures != 0;
}
