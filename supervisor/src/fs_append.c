/* Append: written in place at the end; undone by cutting the file back to its old size. */
#include "fs_write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_end(const struct fs_write *w) {
	int flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	if (!w->existed) flags |= O_CREAT | O_EXCL;
	return openat(w->place.dir, w->place.name, flags, w->flags & W_EXECUTABLE ? 0777 : 0666);
}

struct fault fs_append_open(struct fs_write *w) {
	w->fd = open_end(w);
	/* Another writer created or removed the file since the check. */
	for (int tries = 0; w->fd < 0 && errno == (w->existed ? ENOENT : EEXIST) && tries < 8; tries++) {
		struct fault f = fs_write_check(w);
		if (f.code) return f;
		w->fd = open_end(w);
	}
	if (w->fd < 0) return fs_fault_errno(errno);
	struct stat st;
	struct fault f = FS_OK;
	if (fstat(w->fd, &st) < 0) f = fs_fault_errno(errno);
	else if (!S_ISREG(st.st_mode)) f = fs_fault(E_NOT_REGULAR); /* swapped since the check */
	else if (w->if_version && w->if_version != fs_version(&st)) f = fs_fault(E_STALE_VERSION);
	if (f.code) {
		close(w->fd);
		w->fd = -1;
		return f;
	}
	w->start = st.st_size;
	w->kept = st.st_mode & 0777;
	return FS_OK;
}

void fs_append_undo(struct fs_write *w) {
	struct stat now, named;
	/* Bytes that another process appended meanwhile are not ours to cut. */
	if (fstat(w->fd, &now) < 0 || (uint64_t)now.st_size != (uint64_t)w->start + w->written) return;
	bool same = fstatat(w->place.dir, w->place.name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == now.st_dev &&
	            named.st_ino == now.st_ino;
	if (!w->existed && same) unlinkat(w->place.dir, w->place.name, 0);
	else if (w->written && ftruncate(w->fd, w->start) < 0) return; /* nothing is left to try */
}

struct fault fs_append_commit(struct fs_write *w, struct stat *st) {
	mode_t mode = w->kept | (w->kept & 0444) >> 2;
	if (w->flags & W_EXECUTABLE && mode != w->kept && fchmod(w->fd, mode) < 0) return fs_fault_errno(errno);
	if (fsync(w->fd) < 0 || fstat(w->fd, st) < 0) return fs_fault_errno(errno);
	return w->existed ? FS_OK : fs_sync_dir(&w->place);
}
