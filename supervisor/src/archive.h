/* The workspace as a stream: `pack` writes a tar archive of a directory to stdout, `unpack` makes the tree of one that it reads from
 * stdin, `hold` keeps their container alive. supervisor/ARCHIVE.md has the format. They run in a helper container that holds the volume and
 * nothing else, as the uid that owns the files, and need no program of the image. */
#ifndef SANDBOX_ARCHIVE_H
#define SANDBOX_ARCHIVE_H

#include <stdbool.h>

/* Exit codes, which the host tells apart (src/backup/workspace-helper.ts). */
enum archive_exit {
	ARCHIVE_OK = 0,
	ARCHIVE_USAGE = 2,
	ARCHIVE_LOCKED = 10,    /* a file or directory denies its owner to read: pack again with --unlock, on a writable mount */
	ARCHIVE_CHANGED = 11,   /* something changed while it was read: the archive is whole, but of no single moment */
	ARCHIVE_TOO_DEEP = 12,  /* a path is longer than PATH_MAX */
	ARCHIVE_NO_SPACE = 13,  /* ENOSPC or EDQUOT */
	ARCHIVE_MALFORMED = 14, /* the input is no archive of this format, or was cut */
	ARCHIVE_TOO_LARGE = 15, /* a file is larger than the container may write */
	ARCHIVE_FAILED = 16,    /* another error of the system; stderr names it */
};

int run_pack(const char *root, bool unlock);
int run_unpack(const char *root);
/* Ends when no other process has been in the container for `idle_s` seconds, or at SIGTERM. */
int run_hold(unsigned idle_s);

#endif
