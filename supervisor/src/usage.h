/* What the files below a directory take up, as the user's own eyes see it. The walk is made in short steps, so that whoever runs it can
 * let others in between; it holds at most one open directory beside the root, and bounded memory. */
#ifndef SANDBOX_USAGE_H
#define SANDBOX_USAGE_H

#include "fs.h"
#include "request.h"

/* Why a walk counted too little (all but the last) or, of files with several names, too much. */
enum usage_flags {
	USAGE_ENTRIES = 1, /* it came to the bound on entries */
	USAGE_TIME = 2, /* its time was over */
	USAGE_TOO_DEEP = 4, /* a path was too long to go on, or too many directories waited to be entered */
	USAGE_UNREADABLE = 8, /* a directory may not be read */
	USAGE_LINKS = 16, /* more files with several names than are remembered: further ones count once for each name */
};

struct usage_reply {
	uint8_t flags;
	uint64_t bytes, entries; /* allocated; inodes, that of the directory itself included */
	uint64_t fs_bytes, fs_free_bytes, fs_inodes, fs_free_inodes; /* of its file system; free: for the user */
};

struct usage;

/* Touches no disk. NULL without memory. */
struct usage *usage_new(const struct usage_request *r);
/* One step, of a few milliseconds where the disk is quick. True when there is nothing more to do: *f says whether `out` is filled. */
bool usage_step(struct usage *u, struct usage_reply *out, struct fault *f);
void usage_free(struct usage *u);

void encode_usage(struct buf *b, const struct usage_reply *r);

#endif
