/* What the fs_*.c files share. */
#ifndef SANDBOX_FS_INTERNAL_H
#define SANDBOX_FS_INTERNAL_H

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs.h"

#define FS_OK ((struct fault){E_NONE, 0})

/* fs_fault.c */
struct fault fs_fault(uint16_t code);
struct fault fs_fault_errno(int err);

/* fs_info.c */
#define FILE_INFO_BYTES 29u
struct file_info {
	uint64_t size;
	/* In nanoseconds; times beyond what 64 bits hold (a hostile utimensat) are clamped. */
	int64_t mtime_ns;
	/* A hash of inode, size and mtime of a regular file, never 0; 0 for anything else. */
	uint64_t version;
	uint32_t mode;
	uint8_t type;
};
struct file_info fs_info(const struct stat *st);
void fs_put_info(struct buf *out, const struct file_info *info);
/* Both of them. */
void fs_put_stat(struct buf *out, const struct stat *st);
uint64_t fs_version(const struct stat *st);

/* fs_path.c: a path of a request is absolute, without NUL, and shorter than PATH_MAX. *path is a copy to free. */
struct fault fs_path(struct slice s, char **path);

/* fs_place.c: a file as its directory and its name in it, so that what is done to it later is done in that directory even when
 * a component of the path is swapped meanwhile. */
struct fs_place {
	int dir; /* O_PATH */
	bool slash; /* the path ended in `/`: only a directory can be meant */
	char name[NAME_MAX + 1]; /* "." for `/` */
};
/* The last component is not followed. `parents`: missing directories are created. */
struct fault fs_place_open(const char *path, bool parents, struct fs_place *p);
/* Symbolic links are followed until the name is none (or does not exist: the target of a dangling link). */
struct fault fs_place_follow(const char *path, bool parents, struct fs_place *p);
/* The place without a link, and what is there; *exists false if nothing is. */
struct fault fs_place_stat(const struct fs_place *p, struct stat *st, bool *exists);

/* fs_open.c: opens for reading without blocking, and only what is a regular file. */
struct fault fs_open_regular(const char *path, int *fd, struct stat *st);
/* Opens a directory below `base` without following a symbolic link anywhere in `path`; with `one_mount`, EXDEV if that would cross
 * a mount point. Where the kernel or its filter has no openat2, only the last component is guarded. -1 and errno. */
int fs_open_dir(int base, const char *path, bool one_mount);
/* read(2) until `len` bytes or the end of the file; -1 and errno. */
ssize_t fs_read_full(int fd, void *data, size_t len, off_t at);

/* fs_dirs.c */
/* Creates every directory of `path` that is missing, mode 0777 & ~umask. Writes into `path`, and restores it. */
struct fault fs_make_dirs(int base, char *path);
struct fault fs_mkdir(struct slice in, struct buf *out);

/* fs_rename.c */
/* rename(2) that fails with EEXIST instead of replacing, also on file systems without RENAME_NOREPLACE. 0, or -1 and errno. */
int fs_rename_new(int from_dir, const char *from, int to_dir, const char *to);
struct fault fs_rename(struct slice in, struct buf *out);

struct fault fs_stat(struct slice in, struct buf *out);
struct fault fs_read_lines(struct slice in, struct buf *out);
struct fault fs_write_all(struct slice in, struct buf *out);
struct fault fs_remove(struct slice in, struct buf *out);
struct fault fs_list(struct slice in, struct buf *out);

/* fs_remove_tree.c: removes the directory `name` in `parent` with everything below it. Stops at the first thing that cannot go, and
 * at a mount point with E_BUSY; what went before that stays gone. */
struct fault fs_remove_tree(int parent, const char *name);

/* Seconds of CLOCK_MONOTONIC, by which long walks are bounded. */
int64_t fs_now(void);

#endif
