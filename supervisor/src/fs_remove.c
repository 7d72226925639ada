#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *workspace;

void fs_set_workspace(const char *dir) { workspace = dir; }

static bool same(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* The directories that are never removed, however they are spelled. *keep: the workspace, or NULL if there is none. */
static struct fault refuse(const struct stat *st, struct stat *work, const struct stat **keep) {
	struct stat root;
	*keep = workspace && stat(workspace, work) == 0 ? work : NULL;
	if (stat("/", &root) < 0) return fs_fault_errno(errno);
	return same(st, &root) || (*keep && same(st, *keep)) ? fs_fault(E_BUSY) : FS_OK;
}

static struct fault remove_at(const struct fs_place *p, bool recursive) {
	struct stat st, parent, work;
	const struct stat *keep;
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || fstat(p->dir, &parent) < 0) return fs_fault_errno(errno);
	if (!S_ISDIR(st.st_mode)) {
		if (p->slash) return fs_fault(E_NOT_A_DIRECTORY);
		return unlinkat(p->dir, p->name, 0) < 0 ? fs_fault_errno(errno) : FS_OK;
	}
	struct fault f = refuse(&st, &work, &keep);
	if (f.code) return f;
	/* "." has no entry that could go away, and ".." is above. */
	if (!strcmp(p->name, ".") || !strcmp(p->name, "..")) return fs_fault(E_INVALID);
	if (st.st_dev != parent.st_dev) return fs_fault(E_BUSY);
	if (recursive) return fs_remove_tree(p->dir, p->name, keep);
	return unlinkat(p->dir, p->name, AT_REMOVEDIR) < 0 ? fs_fault_errno(errno == EEXIST ? ENOTEMPTY : errno) : FS_OK;
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
