/* The files with several names that a walk has met: each takes up its blocks once. */
#ifndef SANDBOX_USAGE_LINKS_H
#define SANDBOX_USAGE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* 2 MiB of table at most. */
#define USAGE_MAX_LINKS 65536u

/* Zero-initialized is empty. */
struct usage_links {
	struct usage_link {
		ino_t ino; /* 0: free; no file system has an inode of that number */
		dev_t dev;
	} *table;
	size_t count, size; /* size: a power of two, or 0 */
};

enum usage_link_status { LINK_NEW, LINK_KNOWN, LINK_NO_ROOM };

/* Remembers the file; LINK_NO_ROOM when there are too many, or no memory. */
enum usage_link_status usage_links_add(struct usage_links *l, const struct stat *st);
void usage_links_free(struct usage_links *l);

#endif
