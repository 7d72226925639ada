#include <stdlib.h>
#include <string.h>

#include "frame.h"

/* One read(2): a pipe holds 64 KiB by default, and requests are far smaller. */
#define USUAL_SIZE (64u * 1024)
#define LENGTH_FIELD 4u

static uint32_t length_at(const uint8_t *p) {
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool length_valid(uint32_t length) { return length >= FRAME_HEADER && length <= FRAME_MAX; }

uint8_t *frame_in_space(struct frame_in *in, size_t *room) {
	size_t held = in->len - in->at;
	if (in->at) {
		memmove(in->data, in->data + in->at, held);
		in->at = 0;
		in->len = held;
	}
	size_t want = USUAL_SIZE;
	if (held >= LENGTH_FIELD) {
		uint32_t length = length_at(in->data);
		if (length_valid(length) && LENGTH_FIELD + length > want) want = LENGTH_FIELD + length;
	}
	/* Grown for one large frame, shrunk again once that frame has left. */
	if (in->cap != want && held < want) {
		uint8_t *data = realloc(in->data, want);
		if (data) {
			in->data = data;
			in->cap = want;
		} else if (in->cap < want) {
			return NULL;
		}
	}
	*room = in->cap - in->len;
	return *room ? in->data + in->len : NULL;
}

void frame_in_filled(struct frame_in *in, size_t len) { in->len += len; }

enum frame_status frame_in_next(struct frame_in *in, struct frame *out) {
	size_t held = in->len - in->at;
	if (held < LENGTH_FIELD) return FRAME_WAIT;
	const uint8_t *p = in->data + in->at;
	uint32_t length = length_at(p);
	if (!length_valid(length)) return FRAME_BAD;
	if (held - LENGTH_FIELD < length) return FRAME_WAIT;
	out->type = p[LENGTH_FIELD];
	out->channel = length_at(p + LENGTH_FIELD + 1);
	out->payload = (struct slice){p + LENGTH_FIELD + FRAME_HEADER, length - FRAME_HEADER};
	in->at += LENGTH_FIELD + length;
	return FRAME_READY;
}

void frame_in_free(struct frame_in *in) {
	free(in->data);
	*in = (struct frame_in){0};
}
