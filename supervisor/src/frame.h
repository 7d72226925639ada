/* Cutting a byte stream into frames, and lining frames up to be written (../PROTOCOL.md, "Frame").
 * Nothing here does input or output, so that unit tests and the fuzzer drive it with plain bytes. */
#ifndef SANDBOX_FRAME_H
#define SANDBOX_FRAME_H

#include <sys/uio.h>

#include "proto.h"
#include "wire.h"

struct frame {
	uint8_t type;
	uint32_t channel;
	struct slice payload; /* points into the parser: valid until the next frame_in_space */
};

/* The incoming side. Zero-initialized; holds one frame that is not yet whole plus what was read behind it. */
struct frame_in {
	uint8_t *data;
	size_t at, len, cap;
};

enum frame_status { FRAME_WAIT, FRAME_READY, FRAME_BAD };

/* Where the next bytes are to be read to, and how many fit (at least 1). NULL when memory ran out.
 * Grows beyond its usual size only for a frame whose length was already checked. */
uint8_t *frame_in_space(struct frame_in *in, size_t *room);
/* `len` bytes were written to that place. */
void frame_in_filled(struct frame_in *in, size_t len);
/* Takes the next whole frame: FRAME_READY, FRAME_WAIT for more bytes, or FRAME_BAD when the length breaks the rules. */
enum frame_status frame_in_next(struct frame_in *in, struct frame *out);
void frame_in_free(struct frame_in *in);

/* The outgoing side. Zero-initialized. Two lines: DATA frames, and all others, which go first. A frame of a channel that has DATA
 * waiting stands behind it, so that the frames of one channel keep their order. */
struct bulk {
	struct bulk *next;
	uint32_t channel;
	size_t sent;
	struct buf bytes;
};

struct frame_out {
	struct buf small;
	size_t small_sent;
	struct bulk *bulk, *bulk_last;
	size_t bulk_bytes;
	struct bulk *spare; /* sent; their buffers serve the next DATA frames */
	unsigned spares;
	struct bulk *open; /* the bulk frame that is being built, or NULL: then it is in `small` */
	size_t open_at;
};

/* Begins a frame: append its payload to the returned buffer, then call frame_out_end before anything else. NULL: no memory. */
struct buf *frame_out_begin(struct frame_out *out, uint8_t type, uint32_t channel);
/* Lines the frame up. False, and the frame is gone, when memory ran out or it is larger than FRAME_MAX. */
bool frame_out_end(struct frame_out *out);
/* True if memory ran out while the frame was built. */
bool frame_out_failed(const struct frame_out *out);
/* Takes the begun frame back. */
void frame_out_cancel(struct frame_out *out);
/* Bytes that wait to be written. */
size_t frame_out_bytes(const struct frame_out *out);
/* Of these, those in DATA frames (and what stands behind them). */
size_t frame_out_bulk_bytes(const struct frame_out *out);
/* Fills up to `max` vectors with what is to be written next, in order; returns how many. */
int frame_out_vectors(const struct frame_out *out, struct iovec *vectors, int max);
/* `len` of those bytes were written. */
void frame_out_sent(struct frame_out *out, size_t len);
void frame_out_free(struct frame_out *out);

#endif
