/* Kernels, filters and file systems without openat2(2) and RENAME_NOREPLACE: a seccomp filter stands for them. */
#include "fs_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void without(int number, int err) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static void rename_without_noreplace(void) {
	put_file(at("a"), "a", 1);
	put_file(at("b"), "b", 1);
	must(mkdir(at("d"), 0755) == 0 && mkdir(at("e"), 0755) == 0, "mkdir");
	CHECK_EQ(rename_fault(at("a"), at("b"), 1).code, E_EXISTS);
	CHECK_EQ(rename_fault(at("a"), at("d"), 1).code, E_EXISTS);
	CHECK_EQ(rename_fault(at("d"), at("e"), 1).code, E_EXISTS);
	CHECK_EQ(rename_fault(at("none"), at("x"), 1).code, E_NOT_FOUND);
	CHECK_EQ(rename_fault(at("a"), at("c"), 1).code, E_NONE);
	CHECK_EQ(rename_fault(at("d"), at("f"), 1).code, E_NONE);
	CHECK(text_is(at("c"), "a") && text_is(at("b"), "b"));
	CHECK_EQ(write_code(at("b"), CREATE, 0, 0, "x"), E_EXISTS);
	CHECK_EQ(write_code(at("new"), CREATE, 0, 0, "x"), E_NONE);
	CHECK_EQ(count_entries(dir), 5);
}

static void walks_without_openat2(void) {
	must(mkdir(at("t"), 0755) == 0 && mkdir(at("t/d"), 0755) == 0 && mkdir(at("out"), 0755) == 0 && symlink("../out", at("t/link")) == 0, "setup");
	put_file(at("out/f"), "x", 1);
	put_file(at("t/d/f"), "x", 1);
	struct call c = list_call(at("t"), 9, 0);
	CHECK_EQ(c.f.code, E_NONE);
	CHECK_EQ(get_u64(&c.r), 3);
	call_free(&c);
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("none", at("t/d"), "tmpfs", 0, NULL) == 0) {
		put_file(at("t/d/mounted"), "x", 1);
		CHECK_EQ(remove_code(at("t"), 1), E_BUSY);
		CHECK(text_is(at("t/d/mounted"), "x"));
		must(umount(at("t/d")) == 0, "umount");
	} else printf("skip: may not mount (%s)\n", strerror(errno));
	CHECK_EQ(remove_code(at("t"), 1), E_NONE);
	CHECK(text_is(at("out/f"), "x"));
}

int main(void) {
	umask(022);
	without(SYS_renameat2, EINVAL);
	run_test("without RENAME_NOREPLACE nothing is replaced either", rename_without_noreplace);
	without(SYS_openat2, EPERM);
	run_test("without openat2, walks follow no link and cross no mount", walks_without_openat2);
	return failures != 0;
}
