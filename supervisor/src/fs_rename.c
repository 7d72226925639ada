#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOREPLACE 1u

int fs_rename_new(int from_dir, const char *from, int to_dir, const char *to) {
	if (syscall(SYS_renameat2, from_dir, from, to_dir, to, NOREPLACE) == 0) return 0;
	/* EINVAL: the file system lacks the flag (NFS, some FUSE). link(2) never replaces either, but takes no directory. */
	if (errno != EINVAL && errno != ENOSYS) return -1;
	if (linkat(from_dir, from, to_dir, to, 0) == 0) return unlinkat(from_dir, from, 0);
	if (errno == EEXIST) return -1;
	struct stat st;
	if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	/* Not atomic: a directory that appears at this moment is replaced, but only if it is empty. */
	return renameat(from_dir, from, to_dir, to);
}

struct fault fs_rename(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice a = get_bytes(&r), b = get_bytes(&r);
	uint8_t noreplace = get_u8(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	char *from = NULL, *to = NULL;
	struct fault f = fs_path(a, &from);
	if (!f.code) f = fs_path(b, &to);
	if (!f.code) {
		int bad = noreplace ? fs_rename_new(AT_FDCWD, from, AT_FDCWD, to) : rename(from, to);
		if (bad) f = fs_fault_errno(errno);
		else put_u64(out, 0);
	}
	free(from);
	free(to);
	return f;
}
