/* File operations of the sandbox's user (../PROTOCOL.md, "Files").
 * They run beside hostile code of the same uid that may swap files, directories and symbolic links at any moment: every function
 * is bounded in memory and depth, never blocks on a FIFO, socket or device, and answers with a typed fault. Paths are checked by the
 * kernel alone; a race can change which of the user's own files is meant, never more than the user could do from a shell. */
#ifndef SANDBOX_FS_H
#define SANDBOX_FS_H

#include "proto.h"
#include "wire.h"

/* The outcome of an operation: code E_NONE is success; err is the errno behind it, 0 if there is none. */
struct fault {
	uint16_t code;
	int32_t err;
};

/* Runs a one-shot request: STAT, READ_LINES, MKDIR, REMOVE, RENAME, LIST, and WRITE with flag 1.
 * Decodes `in` (the whole payload), appends the reply's payload to `out` and sets *reply_type; after a fault `out` is as it was.
 * Thread-safe, no global state; may block on the disk. A malformed payload or another type is E_PROTOCOL. */
struct fault fs_request(uint8_t type, struct slice in, struct buf *out, uint8_t *reply_type);

/* A READ: open, next until *end, close. The file is opened once, so a file replaced meanwhile is read whole in its old state. */
struct fs_read;

/* Decodes READ and opens the file. *window = the first window in bytes. Nothing is to be closed after a fault. */
struct fault fs_read_open(struct slice in, struct fs_read **r, uint32_t *window);

/* Appends up to `max` raw bytes (a DATA payload); at the end, sets *end and appends the whole READ_END payload, whose last piece
 * is at most `max` bytes. With `max` 0 it does nothing. */
struct fault fs_read_next(struct fs_read *r, struct buf *out, size_t max, bool *end);
void fs_read_close(struct fs_read *r);

/* A WRITE without flag 1: open (which writes the data of the request), data any number of times, then commit or abort. */
struct fs_write;

/* Nothing is to be aborted after a fault. */
struct fault fs_write_open(struct slice in, struct fs_write **w);

/* After a fault the temporary file is gone (or the append undone) already; `w` still wants its abort. */
struct fault fs_write_data(struct fs_write *w, struct slice data);

/* Makes the new content durable and visible and appends the WRITTEN payload, or undoes all. Frees `w` either way. */
struct fault fs_write_commit(struct fs_write *w, struct buf *out);

/* Undoes all and frees `w`. */
void fs_write_abort(struct fs_write *w);

/* The directory that REMOVE refuses, beside `/` and mount points. Call once, before any thread; `dir` must stay valid. */
void fs_set_workspace(const char *dir);

#endif
