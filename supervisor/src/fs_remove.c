#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *workspace;

void fs_set_workspace(const char *dir) { workspace = dir; }

static bool is(const char *path, const struct stat *st) {
	struct stat other;
	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Whether the directory is `/`, the workspace or one that holds it, however it was spelled. */
static bool is_kept(const struct stat *st) {
	char path[PATH_MAX];
	if (is("/", st)) return true;
	if (!workspace || !realpath(workspace, path)) return false;
	for (char *slash; (slash = strrchr(path, '/')) && slash[1]; *slash = 0)
		if (is(path, st)) return true;
	return false;
}

/* One try. A fault with EISDIR, ENOTDIR or ELOOP says that the name changed its kind between the look and the removal. */
static struct fault try_remove(const struct fs_place *p, bool recursive) {
	struct stat st, parent;
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || fstat(p->dir, &parent) < 0) return fs_fault_errno(errno);
	if (!S_ISDIR(st.st_mode)) {
		if (p->slash) return fs_fault(E_NOT_A_DIRECTORY);
		return unlinkat(p->dir, p->name, 0) < 0 ? fs_fault_errno(errno) : FS_OK;
	}
	if (is_kept(&st)) return fs_fault(E_BUSY);
	/* "." has no entry that could go away, and ".." is above. */
	if (!strcmp(p->name, ".") || !strcmp(p->name, "..")) return fs_fault(E_INVALID);
	if (st.st_dev != parent.st_dev) return fs_fault(E_BUSY);
	if (recursive) return fs_remove_tree(p->dir, p->name);
	return unlinkat(p->dir, p->name, AT_REMOVEDIR) < 0 ? fs_fault_errno(errno == EEXIST ? ENOTEMPTY : errno) : FS_OK;
}

static struct fault remove_at(const struct fs_place *p, bool recursive) {
	for (int tries = 0; tries < 8; tries++) {
		struct fault f = try_remove(p, recursive);
		if (f.err != EISDIR && f.err != ENOTDIR && f.err != ELOOP) return f;
	}
	return fs_fault(E_BUSY);
}

struct fault fs_remove(struct slice in, struct buf *out) {
	struct reader r = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&r);
	uint8_t recursive = get_u8(&r);
	if (!reader_done(&r)) return fs_fault(E_PROTOCOL);
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	struct fs_place p;
	f = fs_place_open(path, false, &p);
	if (!f.code) {
		f = remove_at(&p, recursive);
		close(p.dir);
	}
	if (!f.code) put_u64(out, 0);
	free(path);
	return f;
}
