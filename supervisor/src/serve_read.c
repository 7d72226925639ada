#include <stddef.h>
#include <stdlib.h>

#include "dispatch.h"
#include "request.h"

struct read_request {
	struct channel channel;
	struct fs_read *read;
	uint64_t window; /* bytes of DATA that may still be sent */
};

static void drop(struct channel *ch) {
	struct read_request *r = OWNER(ch, struct read_request, channel);
	fs_read_close(r->read);
	free(r);
}

static void fail(struct read_request *r, struct fault f) {
	uint32_t number = r->channel.number;
	struct conn *c = channel_close(&r->channel);
	fs_read_close(r->read);
	free(r);
	conn_error(c, number, f);
}

/* One piece: DATA, or READ_END, which may have the last piece in it. */
static void produce(struct channel *ch) {
	struct read_request *r = OWNER(ch, struct read_request, channel);
	struct conn *c = ch->conn;
	uint32_t number = ch->number;
	size_t max = r->window < DATA_CHUNK ? (size_t)r->window : DATA_CHUNK;
	ch->streaming = max > 0;
	if (!max) return;
	/* Kept from piece to piece, of whichever READ: at most one chunk and the head of a READ_END. */
	static struct buf piece;
	piece.len = 0;
	piece.failed = false;
	bool end = false;
	struct fault f = fs_read_next(r->read, &piece, max, &end);
	if (f.code == E_NONE && piece.failed) f = (struct fault){E_RESOURCES, 0};
	if (f.code != E_NONE) {
		fail(r, f);
		return;
	}
	struct buf *b = conn_begin(c, end ? T_READ_END : T_DATA, number);
	if (b) {
		buf_put(b, piece.data, piece.len);
		r->window -= piece.len < r->window ? piece.len : r->window;
		if (end) {
			channel_close(ch);
			drop(ch);
		}
		conn_end(c, number);
	}
}

static void follow(struct channel *ch, uint8_t type, struct slice payload) {
	struct read_request *r = OWNER(ch, struct read_request, channel);
	uint32_t bytes;
	if (type != T_WINDOW || decode_window(payload, &bytes) != E_NONE) {
		conn_fail(ch->conn, E_PROTOCOL);
		return;
	}
	r->window += bytes;
	ch->streaming = r->window > 0;
}

void serve_read(struct conn *c, uint32_t channel, struct slice payload) {
	static const struct channel_ops ops = {.drop = drop, .follow = follow, .produce = produce};
	struct fs_read *read;
	uint32_t window;
	struct fault f = fs_read_open(payload, &read, &window);
	if (f.code != E_NONE) {
		conn_error(c, channel, f);
		return;
	}
	struct read_request *r = calloc(1, sizeof *r);
	if (!r || !channel_open(&r->channel, c, channel, &ops)) {
		if (!r) conn_error(c, channel, (struct fault){E_RESOURCES, 0});
		fs_read_close(read);
		free(r);
		return;
	}
	r->read = read;
	r->window = window;
	r->channel.streaming = window > 0;
}
