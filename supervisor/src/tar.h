/* Headers of the archive: POSIX.1-2017 pax, "pax Interchange Format" and "ustar Interchange Format". */
#ifndef SANDBOX_TAR_H
#define SANDBOX_TAR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define TAR_BLOCK 512u
#define TAR_NAME 100u
/* A path with its NUL; no name that the kernel takes in one piece is longer. */
#define TAR_PATH PATH_MAX
/* More than the records of two paths and some numbers need. */
#define TAR_PAX_MAX (3u * PATH_MAX + 1024u)
/* Runs of data in a sparse file; one with more is stored as if it had no holes. */
#define TAR_RUNS_MAX 262144u

enum tar_type {
	TAR_FILE = '0',
	TAR_HARD_LINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR_DEVICE = '3',
	TAR_BLOCK_DEVICE = '4',
	TAR_DIRECTORY = '5',
	TAR_FIFO = '6',
	/* Left out, so that the host can tell of it. Letters are free for own use (POSIX: "A" to "Z"). */
	TAR_SOCKET = 'Z',
	TAR_UNREADABLE = 'Y',
	TAR_PAX = 'x',
};

struct tar_entry {
	char type;
	const char *path;
	const char *target; /* of a link; "" otherwise */
	mode_t mode;
	struct timespec mtime;
	uint64_t size;     /* bytes that follow, without padding */
	bool sparse;       /* the bytes are a map and the runs of data (GNU tar 1.0) */
	uint64_t realsize; /* of the file, when sparse */
};

/* Writes the header blocks of an entry, at most TAR_HEADER_MAX bytes, and returns their length. */
#define TAR_HEADER_MAX (TAR_PAX_MAX + 4u * TAR_BLOCK)
size_t tar_header(unsigned char *out, const struct tar_entry *e);

/* What a reader makes of blocks. `path` and `target` are copies. */
struct tar_read {
	struct tar_entry entry;
	char path[TAR_PATH], target[TAR_PATH];
};

/* Reads a ustar block, under the records of a pax block before it (`pax_len` 0: none). False for anything that is not as pack writes it. */
bool tar_parse(struct tar_read *out, const unsigned char *block, const char *pax, size_t pax_len);
/* The type and size of a ustar block whose checksum is right. */
bool tar_peek(const unsigned char *block, char *type, uint64_t *size);
/* True for a path below the root: no empty, "." or ".." part, no leading or final slash, short enough. */
bool tar_path_ok(const char *path);

static inline uint64_t tar_padding(uint64_t size) { return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK; }

#endif
