/* LIST: fs_walk.c gathers what matches, fs_list.c decodes, sorts and writes the page. */
#ifndef SANDBOX_FS_LIST_H
#define SANDBOX_FS_LIST_H

#include "fs_internal.h"

/* Bounds of one LIST. Whatever stops the walk early sets `capped`. */
#define LIST_MAX_VISITED 1000000u
#define LIST_MAX_MATCHES 300000u
#define LIST_MAX_PATHS (32u * 1024 * 1024) /* bytes of the paths that are held, and again of directories still to enter */
#define LIST_MAX_FOLDED 100000u
#define LIST_MAX_SECONDS 30
#define LIST_MAX_PATTERNS 64u
#define LIST_MAX_PATTERN_BYTES 1024u

/* Strings behind each other, each with its NUL. */
struct strings {
	char *bytes;
	size_t len, cap;
};

struct list_entry {
	union {
		size_t offset; /* in listing.paths, while that grows */
		const char *path; /* afterwards */
	} at;
	struct file_info info;
	bool folded;
};

struct listing {
	/* What is wanted: `globs` and `folds` are lists that NULL ends. */
	uint32_t depth;
	bool hidden;
	char **globs, **folds;
	/* What is found. */
	int root;
	struct list_entry *entries;
	size_t count, cap;
	struct strings paths;
	/* How far it went. */
	uint64_t visited;
	int64_t deadline;
	bool capped;
};

/* Fills `l` with the entries below l->root, nearest first. Running into a bound is no fault. */
struct fault fs_walk(struct listing *l);

/* The number of entries below the directory `path` of l->root, up to LIST_MAX_FOLDED; an unreadable directory counts for none. */
struct fault fs_count_below(struct listing *l, const char *path, uint32_t *count);

#endif
