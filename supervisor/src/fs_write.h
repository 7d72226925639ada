/* The state of an open WRITE: fs_write.c decides, fs_temp.c (overwrite, create) and fs_append.c do. */
#ifndef SANDBOX_FS_WRITE_H
#define SANDBOX_FS_WRITE_H

#include "fs_internal.h"

enum write_mode { W_OVERWRITE = 1, W_CREATE = 2, W_APPEND = 3 };
enum write_flag { W_LAST = 1, W_EXECUTABLE = 2, W_PARENTS = 4 };

struct fs_write {
	struct fs_place place; /* links are resolved: the file itself */
	uint8_t mode, flags;
	uint64_t if_version;
	struct fault failed; /* set: all is undone, only to be freed */
	int fd; /* of the temporary file, or of the file that is appended to; -1 when undone */
	bool existed; /* when last looked at */
	mode_t kept; /* permission bits of the file that existed */
	uint64_t written;
	char temp[NAME_MAX + 1]; /* overwrite, create */
	off_t start; /* append: the size before */
};

/* Looks at the target: what may not be written, exists against the mode, or has another version is a fault. Sets existed and kept. */
struct fault fs_write_check(struct fs_write *w);
/* fsync of the directory, so that a name in it survives a crash. */
struct fault fs_sync_dir(const struct fs_place *p);

struct fault fs_temp_open(struct fs_write *w);
/* `st`: the file after the commit. */
struct fault fs_temp_commit(struct fs_write *w, struct stat *st);
void fs_temp_undo(struct fs_write *w);

struct fault fs_append_open(struct fs_write *w);
struct fault fs_append_commit(struct fs_write *w, struct stat *st);
void fs_append_undo(struct fs_write *w);

#endif
