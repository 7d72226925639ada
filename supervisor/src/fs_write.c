#include "fs_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct fault fs_write_check(struct fs_write *w) {
	struct stat st;
	struct fault f = fs_place_stat(&w->place, &st, &w->existed);
	if (f.code) return f;
	if (!w->existed) {
		if (w->place.slash) return fs_fault(E_IS_DIRECTORY);
		return w->if_version ? fs_fault(E_NOT_FOUND) : FS_OK;
	}
	if (S_ISDIR(st.st_mode)) return fs_fault(E_IS_DIRECTORY);
	if (w->place.slash) return fs_fault(E_NOT_A_DIRECTORY);
	if (!S_ISREG(st.st_mode)) return fs_fault(E_NOT_REGULAR);
	if (w->mode == W_CREATE) return fs_fault(E_EXISTS);
	if (w->if_version && w->if_version != fs_version(&st)) return fs_fault(E_STALE_VERSION);
	w->kept = st.st_mode & 0777;
	return FS_OK;
}

struct fault fs_sync_dir(const struct fs_place *p) {
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A directory may be written without being read; then nobody but the kernel's own writeback can sync it. */
	if (fd < 0) return errno == EACCES || errno == ENOENT ? FS_OK : fs_fault_errno(errno);
	struct fault f = FS_OK;
	/* EINVAL: the file system has no fsync of directories. */
	if (fsync(fd) < 0 && errno != EINVAL) f = fs_fault_errno(errno);
	close(fd);
	return f;
}

static void undo(struct fs_write *w) {
	if (w->fd < 0) return;
	if (w->mode == W_APPEND) fs_append_undo(w);
	else fs_temp_undo(w);
	close(w->fd);
	w->fd = -1;
}

void fs_write_abort(struct fs_write *w) {
	if (!w) return;
	undo(w);
	close(w->place.dir);
	free(w);
}

struct fault fs_write_data(struct fs_write *w, struct slice data) {
	while (!w->failed.code && data.len) {
		ssize_t n = write(w->fd, data.data, data.len);
		if (n > 0) {
			data.data += n;
			data.len -= (size_t)n;
			w->written += (uint64_t)n;
		} else if (n == 0 || errno != EINTR) {
			w->failed = n == 0 ? fs_fault(E_IO) : fs_fault_errno(errno);
			undo(w);
		}
	}
	return w->failed;
}

/* Decodes and opens; `flags` tells whether more data follow. */
static struct fault start(struct slice in, struct fs_write **out, uint8_t *flags) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	uint8_t mode = get_u8(&r);
	*flags = get_u8(&r);
	uint64_t if_version = get_u64(&r);
	struct slice data = get_bytes(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	if (mode < W_OVERWRITE || mode > W_APPEND || *flags & ~(W_LAST | W_EXECUTABLE | W_PARENTS)) return fs_fault(E_INVALID);
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	struct fs_write *w = malloc(sizeof *w);
	if (!w) {
		free(path);
		return fs_fault(E_RESOURCES);
	}
	*w = (struct fs_write){.mode = mode, .flags = *flags, .if_version = if_version, .fd = -1};
	f = fs_place_follow(path, *flags & W_PARENTS, &w->place);
	free(path);
	if (f.code) {
		free(w);
		return f;
	}
	f = fs_write_check(w);
	if (!f.code) f = mode == W_APPEND ? fs_append_open(w) : fs_temp_open(w);
	if (!f.code) f = fs_write_data(w, data);
	if (f.code) fs_write_abort(w);
	else *out = w;
	return f;
}

struct fault fs_write_open(struct slice in, struct fs_write **w) {
	uint8_t flags;
	return start(in, w, &flags);
}

struct fault fs_write_commit(struct fs_write *w, struct buf *out) {
	struct stat st;
	struct fault f = w->failed;
	/* Memory first: a change that cannot be answered for must not be made. */
	if (!f.code && !buf_reserve(out, FILE_INFO_BYTES + 1)) f = fs_fault(E_RESOURCES);
	if (!f.code) f = w->mode == W_APPEND ? fs_append_commit(w, &st) : fs_temp_commit(w, &st);
	if (f.code) {
		fs_write_abort(w);
		return f;
	}
	fs_put_stat(out, &st);
	put_u8(out, !w->existed);
	close(w->fd);
	w->fd = -1;
	fs_write_abort(w);
	return FS_OK;
}

struct fault fs_write_all(struct slice in, struct buf *out) {
	struct fs_write *w = NULL;
	uint8_t flags;
	struct fault f = start(in, &w, &flags);
	if (f.code) return f;
	if (!(flags & W_LAST)) {
		fs_write_abort(w);
		return fs_fault(E_PROTOCOL);
	}
	return fs_write_commit(w, out);
}
