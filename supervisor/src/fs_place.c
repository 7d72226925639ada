#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* As many as the kernel follows (path_resolution(7)). */
#define MAX_LINKS 40

static struct fault open_parent(int base, char *parent, bool parents, int *dir) {
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	*dir = openat(base, parent, flags);
	if (*dir < 0 && errno == ENOENT && parents) {
		struct fault f = fs_make_dirs(base, parent);
		if (f.code) return f;
		*dir = openat(base, parent, flags);
	}
	return *dir < 0 ? fs_fault_errno(errno) : FS_OK;
}

/* `path` is taken apart in place: what remains in it is the directory. */
static struct fault place_at(int base, char *path, bool parents, struct fs_place *p) {
	size_t len = strlen(path);
	if (len == 0) return fs_fault(E_NOT_FOUND);
	while (len > 0 && path[len - 1] == '/') {
		p->slash = true;
		path[--len] = 0;
	}
	if (len == 0) {
		p->name[0] = '.';
		p->name[1] = 0;
		return open_parent(base, (char[]){"/"}, false, &p->dir);
	}
	char *last = strrchr(path, '/');
	const char *name = last ? last + 1 : path;
	if (strlen(name) > NAME_MAX) return fs_fault(E_NAME_TOO_LONG);
	strcpy(p->name, name);
	if (!last) return open_parent(base, (char[]){"."}, false, &p->dir);
	if (last == path) return open_parent(base, (char[]){"/"}, false, &p->dir);
	*last = 0;
	return open_parent(base, path, parents, &p->dir);
}

struct fault fs_place_open(const char *path, bool parents, struct fs_place *p) {
	char work[PATH_MAX];
	strcpy(work, path);
	p->slash = false;
	return place_at(AT_FDCWD, work, parents, p);
}

struct fault fs_place_follow(const char *path, bool parents, struct fs_place *p) {
	struct fault f = fs_place_open(path, parents, p);
	for (int links = 0; !f.code; links++) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(p->dir, p->name, target, sizeof target);
		if (n < 0 && (errno == EINVAL || errno == ENOENT)) return FS_OK;
		int base = p->dir;
		if (n < 0) f = fs_fault_errno(errno);
		else if (links == MAX_LINKS) f = fs_fault(E_LOOP);
		else if ((size_t)n == sizeof target) f = fs_fault(E_NAME_TOO_LONG);
		else {
			target[n] = 0;
			f = place_at(base, target, parents, p);
		}
		close(base);
	}
	return f;
}

struct fault fs_place_stat(const struct fs_place *p, struct stat *st, bool *exists) {
	*exists = fstatat(p->dir, p->name, st, AT_SYMLINK_NOFOLLOW) == 0;
	return *exists || errno == ENOENT ? FS_OK : fs_fault_errno(errno);
}
