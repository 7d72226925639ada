#include "fs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct fault fs_stat(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	uint8_t follow = get_u8(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	struct stat st;
	char target[PATH_MAX];
	ssize_t n = 0;
	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0) f = fs_fault_errno(errno);
	else if (S_ISLNK(st.st_mode)) n = readlink(path, target, sizeof target);
	if (!f.code) {
		fs_put_stat(out, &st);
		/* A link that was swapped since lstat has no target to tell. */
		put_bytes(out, target, n > 0 ? (size_t)n : 0);
	}
	free(path);
	return f;
}
