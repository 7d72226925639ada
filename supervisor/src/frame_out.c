#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define LENGTH_FIELD 4u
/* A buffer larger than this is given back when it has run empty. */
#define KEEP_SIZE (256u * 1024)

static bool has_bulk(const struct frame_out *out, uint32_t channel) {
	for (const struct bulk *b = out->bulk; b; b = b->next)
		if (b->channel == channel) return true;
	return false;
}

/* A stream has two frames waiting at a time (BULK_HIGH); more memory than for these is given back. */
#define SPARES_MAX 2u

static void spare_bulk(struct frame_out *out, struct bulk *b) {
	if (out->spares == SPARES_MAX || b->bytes.cap > KEEP_SIZE) {
		buf_free(&b->bytes);
		free(b);
		return;
	}
	b->bytes.len = 0;
	b->sent = 0;
	b->next = out->spare;
	out->spare = b;
	out->spares++;
}

static struct bulk *take_bulk(struct frame_out *out) {
	struct bulk *b = out->spare;
	if (!b) return calloc(1, sizeof *b);
	out->spare = b->next;
	out->spares--;
	b->next = NULL;
	return b;
}

/* Moves what is not yet sent to the front, when that saves more than it copies. */
static void compact(struct frame_out *out) {
	if (out->small_sent < KEEP_SIZE || out->small_sent < out->small.len / 2) return;
	out->small.len -= out->small_sent;
	memmove(out->small.data, out->small.data + out->small_sent, out->small.len);
	out->small_sent = 0;
}

struct buf *frame_out_begin(struct frame_out *out, uint8_t type, uint32_t channel) {
	struct buf *to;
	if (type == T_DATA || has_bulk(out, channel)) {
		out->open = take_bulk(out);
		if (!out->open) return NULL;
		out->open->channel = channel;
		to = &out->open->bytes;
	} else {
		compact(out);
		out->open = NULL;
		to = &out->small;
	}
	out->open_at = to->len;
	put_u32(to, 0);
	put_u8(to, type);
	put_u32(to, channel);
	return to;
}

bool frame_out_failed(const struct frame_out *out) { return out->open ? out->open->bytes.failed : out->small.failed; }

void frame_out_cancel(struct frame_out *out) {
	if (out->open) {
		buf_free(&out->open->bytes);
		free(out->open);
		out->open = NULL;
		return;
	}
	out->small.len = out->open_at;
	out->small.failed = false;
}

bool frame_out_end(struct frame_out *out) {
	struct buf *b = out->open ? &out->open->bytes : &out->small;
	size_t length = b->len - out->open_at - LENGTH_FIELD;
	if (b->failed || length > FRAME_MAX) {
		frame_out_cancel(out);
		return false;
	}
	set_u32(b, out->open_at, (uint32_t)length);
	if (!out->open) return true;
	if (out->bulk_last) out->bulk_last->next = out->open;
	else out->bulk = out->open;
	out->bulk_last = out->open;
	out->bulk_bytes += b->len;
	out->open = NULL;
	return true;
}

size_t frame_out_bulk_bytes(const struct frame_out *out) { return out->bulk_bytes; }

size_t frame_out_bytes(const struct frame_out *out) { return out->small.len - out->small_sent + out->bulk_bytes; }

int frame_out_vectors(const struct frame_out *out, struct iovec *vectors, int max) {
	int n = 0;
	const struct bulk *b = out->bulk;
	/* A frame that has begun to leave must end before another one may begin. */
	if (b && b->sent && n < max) {
		vectors[n++] = (struct iovec){b->bytes.data + b->sent, b->bytes.len - b->sent};
		b = b->next;
	}
	if (out->small.len > out->small_sent && n < max)
		vectors[n++] = (struct iovec){out->small.data + out->small_sent, out->small.len - out->small_sent};
	for (; b && n < max; b = b->next) vectors[n++] = (struct iovec){b->bytes.data, b->bytes.len};
	return n;
}

/* Takes up to `len` bytes from the first bulk frame; returns how many are left of `len`. */
static size_t sent_bulk(struct frame_out *out, size_t len) {
	struct bulk *b = out->bulk;
	size_t rest = b->bytes.len - b->sent;
	size_t n = len < rest ? len : rest;
	b->sent += n;
	out->bulk_bytes -= n;
	if (n == rest) {
		out->bulk = b->next;
		if (!out->bulk) out->bulk_last = NULL;
		spare_bulk(out, b);
	}
	return len - n;
}

void frame_out_sent(struct frame_out *out, size_t len) {
	if (len && out->bulk && out->bulk->sent) len = sent_bulk(out, len);
	size_t small = out->small.len - out->small_sent;
	size_t n = len < small ? len : small;
	out->small_sent += n;
	len -= n;
	if (out->small_sent == out->small.len) {
		out->small.len = out->small_sent = 0;
		if (out->small.cap > KEEP_SIZE) buf_free(&out->small);
	}
	while (len && out->bulk) len = sent_bulk(out, len);
}

void frame_out_free(struct frame_out *out) {
	while (out->bulk) sent_bulk(out, out->bulk->bytes.len - out->bulk->sent);
	for (struct bulk *b = out->spare, *next; b; b = next) {
		next = b->next;
		buf_free(&b->bytes);
		free(b);
	}
	buf_free(&out->small);
	*out = (struct frame_out){0};
}
