/* The walk of a recursive REMOVE. The levels are on an explicit stack, and only the lowest few keep their directory open, so that
 * the tree's depth costs neither stack nor open files; a level that was closed is opened again through `..` and recognised by
 * its inode. */
#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_LEVELS 16u
#define MAX_LEVELS 65536u
/* A directory is read again while entries come; code that creates them as fast as they are removed ends that after so many passes. */
#define MAX_PASSES 16u
/* Code that creates files as fast as they are removed must not hold the walk for ever. */
#define MAX_SECONDS 120

struct level {
	DIR *dir; /* NULL while closed */
	dev_t dev;
	ino_t ino;
	bool progress; /* something was removed in this pass over the directory */
	unsigned passes;
	char name[NAME_MAX + 1]; /* in the level above */
};

struct walk {
	int parent; /* holds level 0 */
	struct level *levels;
	size_t depth, cap;
	int64_t deadline;
};

static struct fault push(struct walk *w, int parent, const char *name) {
	if (w->depth == MAX_LEVELS) return fs_fault(E_NAME_TOO_LONG);
	if (w->depth == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : OPEN_LEVELS;
		struct level *more = realloc(w->levels, cap * sizeof *more);
		if (!more) return fs_fault(E_RESOURCES);
		w->levels = more;
		w->cap = cap;
	}
	int fd = fs_open_dir(parent, name, true);
	if (fd < 0) return fs_fault_errno(errno == EXDEV ? EBUSY : errno);
	struct stat st, above;
	struct fault f = FS_OK;
	if (fstat(fd, &st) < 0 || fstat(parent, &above) < 0) f = fs_fault_errno(errno);
	else if (st.st_dev != above.st_dev) f = fs_fault(E_BUSY); /* a mount, where openat2 is missing */
	DIR *dir = f.code ? NULL : fdopendir(fd);
	if (!dir) {
		if (!f.code) f = fs_fault_errno(errno);
		close(fd);
		return f;
	}
	if (w->depth >= OPEN_LEVELS) {
		struct level *far = &w->levels[w->depth - OPEN_LEVELS];
		if (far->dir) closedir(far->dir);
		far->dir = NULL;
	}
	struct level *l = &w->levels[w->depth++];
	*l = (struct level){.dir = dir, .dev = st.st_dev, .ino = st.st_ino};
	strcpy(l->name, name);
	return FS_OK;
}

/* Opens the level above the lowest again if it was closed. */
static struct fault reopen_above(struct walk *w) {
	struct level *above = &w->levels[w->depth - 2];
	if (above->dir) return FS_OK;
	int fd = openat(dirfd(w->levels[w->depth - 1].dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return fs_fault_errno(errno);
	struct stat st;
	struct fault f = FS_OK;
	if (fstat(fd, &st) < 0) f = fs_fault_errno(errno);
	else if (st.st_dev != above->dev || st.st_ino != above->ino) f = fs_fault(E_BUSY); /* moved away while it was emptied */
	else if (!(above->dir = fdopendir(fd))) f = fs_fault_errno(errno);
	if (f.code) close(fd);
	return f;
}

/* The lowest level has no entry left to read: removes it, or reads it again if entries came (or were passed over) meanwhile. */
static struct fault pop(struct walk *w) {
	struct level *l = &w->levels[w->depth - 1];
	int parent = w->parent;
	if (w->depth > 1) {
		struct fault f = reopen_above(w);
		if (f.code) return f;
		parent = dirfd(w->levels[w->depth - 2].dir);
	}
	if (unlinkat(parent, l->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		bool full = errno == ENOTEMPTY || errno == EEXIST;
		/* ENOTDIR: something else has taken the name. */
		if (!full) return fs_fault_errno(errno == ENOTDIR ? EBUSY : errno);
		if (!l->progress || ++l->passes == MAX_PASSES) return fs_fault_errno(ENOTEMPTY);
		l->progress = false;
		rewinddir(l->dir);
		return FS_OK;
	}
	closedir(l->dir);
	if (--w->depth) w->levels[w->depth - 1].progress = true;
	return FS_OK;
}

static struct fault remove_entry(struct walk *w, const struct dirent *e) {
	struct level *l = &w->levels[w->depth - 1];
	int dir = dirfd(l->dir), err = EISDIR;
	if (e->d_type != DT_DIR) {
		if (unlinkat(dir, e->d_name, 0) == 0) {
			l->progress = true;
			return FS_OK;
		}
		err = errno;
		if (err == ENOENT) return FS_OK;
	}
	if (err != EISDIR) return fs_fault_errno(err);
	struct fault f = push(w, dir, e->d_name);
	if (!f.code || f.err == ENOENT) return f.code ? FS_OK : f;
	l = &w->levels[w->depth - 1]; /* push may have moved them */
	/* No longer a directory: the next pass sees what it is. */
	if (f.err == ENOTDIR || f.err == ELOOP) {
		l->progress = true;
		return FS_OK;
	}
	/* One that may not be read can still be removed if it is empty. */
	if (f.err == EACCES && unlinkat(dir, e->d_name, AT_REMOVEDIR) == 0) {
		l->progress = true;
		return FS_OK;
	}
	return f;
}

static struct fault run(struct walk *w, const char *name) {
	struct fault f = push(w, w->parent, name);
	if (f.err == EACCES && unlinkat(w->parent, name, AT_REMOVEDIR) == 0) return FS_OK;
	while (!f.code && w->depth) {
		if (fs_now() > w->deadline) return fs_fault(E_BUSY);
		errno = 0;
		const struct dirent *e = readdir(w->levels[w->depth - 1].dir);
		if (!e) f = errno ? fs_fault_errno(errno) : pop(w);
		else if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) f = remove_entry(w, e);
	}
	return f;
}

struct fault fs_remove_tree(int parent, const char *name) {
	struct walk w = {.parent = parent, .deadline = fs_now() + MAX_SECONDS};
	struct fault f = run(&w, name);
	for (size_t i = 0; i < w.depth; i++)
		if (w.levels[i].dir) closedir(w.levels[i].dir);
	free(w.levels);
	return f;
}
