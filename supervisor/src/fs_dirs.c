#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* 1 created, 0 a directory (or a link to one) was there, -1 and errno. */
static int make_dir(int base, const char *path, mode_t mode) {
	if (mkdirat(base, path, mode) == 0) return 1;
	int err = errno;
	struct stat st;
	if (fstatat(base, path, &st, 0) == 0 && S_ISDIR(st.st_mode)) return 0;
	errno = err;
	return -1;
}

struct fault fs_make_dirs(int base, char *path) {
	for (char *p = path; *p;) {
		while (*p == '/') p++;
		if (!*p) break;
		p += strcspn(p, "/");
		char end = *p;
		*p = 0;
		int made = make_dir(base, path, 0777);
		int err = errno;
		*p = end;
		/* EEXIST: something that is no directory is in the way. */
		if (made < 0) return fs_fault_errno(err == EEXIST ? ENOTDIR : err);
	}
	return FS_OK;
}

struct fault fs_mkdir(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	uint32_t mode = get_u32(&r);
	uint8_t parents = get_u8(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	if (mode > 07777) return fs_fault(E_INVALID);
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/') path[--len] = 0;
	char *last = strrchr(path, '/');
	if (parents && last != path) {
		*last = 0;
		f = fs_make_dirs(AT_FDCWD, path);
		*last = '/';
	}
	int made = f.code ? 0 : make_dir(AT_FDCWD, path, mode);
	if (made < 0) f = fs_fault_errno(errno);
	if (!f.code) put_u64(out, (uint64_t)made);
	free(path);
	return f;
}
