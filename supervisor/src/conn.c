#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "activity.h"
#include "clock.h"
#include "dispatch.h"
#include "reply.h"

/* Requests are not taken from a connection while this much waits to be written to it, or is held by its jobs: a host that does not
 * read, or that sends faster than a disk writes, costs a bounded amount of memory. */
#define OUTPUT_HIGH (1024u * 1024)
#define JOBS_HIGH (4u * 1024 * 1024)
/* DATA is read from files only as far ahead as this, so that what is asked for meanwhile waits behind few of its frames. */
#define BULK_HIGH (2u * DATA_CHUNK)
/* Written to one connection before the others get their turn. */
#define TURN_BYTES (1024u * 1024)
#define VECTORS 8
/* For the HELLO to come, and for the last ERROR to leave. */
#define HANDSHAKE_MS 30000u
#define CLOSING_MS 2000u
/* A larger pipe lets a large read or write pass with fewer changes between processes; the kernel may refuse. */
#define PIPE_SIZE (256 * 1024)

static struct conn *conns;
static uint32_t count;

static void drop(struct conn *c) {
	if (c->dead) return;
	c->dead = true;
	count--;
	timer_clear(&c->deadline);
	while (c->channels) {
		struct channel *ch = c->channels;
		channel_close(ch);
		ch->ops->drop(ch);
	}
	if (c->reading) loop_unwatch(&c->in);
	if (c->writing) loop_unwatch(&c->out);
	loop_unwatch(&c->bridge);
	close(c->in.fd);
	close(c->out.fd);
	close(c->bridge.fd);
}

static bool has_room(const struct conn *c) {
	return frame_out_bytes(&c->output) < OUTPUT_HIGH && c->job_bytes < JOBS_HIGH;
}

/* Level-triggered: a descriptor that is not to be read must not be watched at all, or its hang-up would wake us without end. */
static void watch_input(struct conn *c, bool on) {
	if (c->reading == on || c->dead) return;
	if (!on) loop_unwatch(&c->in);
	else if (!loop_watch(&c->in, EPOLLIN)) {
		drop(c);
		return;
	}
	c->reading = on;
}

static void watch_output(struct conn *c, bool on) {
	if (c->writing == on || c->dead) return;
	if (!on) loop_unwatch(&c->out);
	else if (!loop_watch(&c->out, EPOLLOUT)) {
		drop(c);
		return;
	}
	c->writing = on;
}

/* Serves the frames that were read, while there is room for their replies. True: all of them. */
static bool serve_input(struct conn *c) {
	while (!c->dead && !c->closing && has_room(c)) {
		struct frame f;
		enum frame_status status = frame_in_next(&c->input, &f);
		if (status == FRAME_WAIT) return true;
		if (status == FRAME_BAD) conn_fail(c, E_PROTOCOL);
		else dispatch(c, &f);
	}
	return false;
}

static void on_input(struct watch *w, uint32_t events) {
	(void)events;
	struct conn *c = OWNER(w, struct conn, in);
	size_t room;
	uint8_t *to = frame_in_space(&c->input, &room);
	if (!to) {
		drop(c);
		return;
	}
	ssize_t n = read(w->fd, to, room);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) {
		drop(c);
		return;
	}
	frame_in_filled(&c->input, (size_t)n);
	if (!serve_input(c)) watch_input(c, false);
}

static void on_output(struct watch *w, uint32_t events) {
	(void)events;
	/* conn_flush_all, at the end of this turn, writes. */
	watch_output(OWNER(w, struct conn, out), false);
}

/* The bridge has nothing more to say: whatever comes from it is its end. */
static void on_bridge(struct watch *w, uint32_t events) {
	(void)events;
	drop(OWNER(w, struct conn, bridge));
}

static void on_deadline(struct timer *t) { drop(OWNER(t, struct conn, deadline)); }

static bool set_up(int fd) {
	fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void tell_hold(struct conn *c) {
	if (c->hold != HOLD_TOLD) conn_error(c, 0, (struct fault){E_QUIESCING, 0});
	c->hold = HOLD_TOLD;
}

void conn_tell_hold(uint32_t holder) {
	for (struct conn *c = conns; c; c = c->next)
		if (c->id != holder && !c->dead && !c->closing) tell_hold(c);
}

static void lift_hold(struct conn *c) {
	if (c->hold != HOLD_TOLD || c->dead || c->closing) return;
	c->hold = HOLD_LIFTED;
	conn_ok(c, 0, 0);
}

void conn_lift_hold(void) {
	for (struct conn *c = conns; c; c = c->next) lift_hold(c);
}

bool conn_is_held(struct conn *c) {
	if (activity_held()) return true;
	/* It ran out. */
	lift_hold(c);
	return c->hold != HOLD_NONE;
}

struct conn *conn_open(int bridge, int in, int out) {
	struct conn *c = calloc(1, sizeof *c);
	if (c) {
		c->in = (struct watch){.fd = in, .ready = on_input};
		c->out = (struct watch){.fd = out, .ready = on_output};
		c->bridge = (struct watch){.fd = bridge, .ready = on_bridge};
		c->deadline.fire = on_deadline;
	}
	if (!c || !set_up(in) || !set_up(out) || !loop_watch(&c->bridge, EPOLLIN | EPOLLRDHUP)) {
		close(bridge);
		close(in);
		close(out);
		free(c);
		return NULL;
	}
	static uint32_t last_id;
	c->id = ++last_id;
	c->next = conns;
	conns = c;
	count++;
	timer_set(&c->deadline, monotonic_ms() + HANDSHAKE_MS);
	serve_hello(c);
	if (activity_held()) tell_hold(c);
	watch_input(c, true);
	return c;
}

void conn_fail(struct conn *c, uint16_t code) {
	if (c->closing || c->dead) return;
	conn_error(c, 0, (struct fault){code, 0});
	c->closing = true;
	watch_input(c, false);
	timer_set(&c->deadline, monotonic_ms() + CLOSING_MS);
}

struct buf *conn_begin(struct conn *c, uint8_t type, uint32_t channel) {
	struct buf *b = frame_out_begin(&c->output, type, channel);
	if (!b) drop(c);
	return b;
}

void conn_error(struct conn *c, uint32_t channel, struct fault f) {
	struct buf *b = conn_begin(c, T_ERROR, channel);
	if (!b) return;
	encode_error(b, f.code, f.err);
	if (!frame_out_end(&c->output)) drop(c);
}

void conn_ok(struct conn *c, uint32_t channel, uint64_t value) {
	struct buf *b = conn_begin(c, T_OK, channel);
	if (!b) return;
	encode_ok(b, value);
	conn_end(c, channel);
}

void conn_end(struct conn *c, uint32_t channel) {
	bool no_memory = frame_out_failed(&c->output);
	if (!frame_out_end(&c->output)) conn_error(c, channel, (struct fault){no_memory ? E_RESOURCES : E_TOO_LARGE, 0});
}

void conn_cancel(struct conn *c) { frame_out_cancel(&c->output); }

void conn_charge(uint32_t id, long bytes) {
	for (struct conn *c = conns; c; c = c->next)
		if (c->id == id) c->job_bytes += (size_t)bytes;
}

/* Lets the streaming requests append DATA in turn, up to BULK_HIGH. */
static void produce(struct conn *c) {
	uint32_t idle = 0;
	while (!c->dead && c->channels && idle <= c->channel_count && frame_out_bulk_bytes(&c->output) < BULK_HIGH) {
		struct channel *ch = c->turn ? c->turn : c->channels;
		c->turn = ch->next;
		if (!ch->streaming) {
			idle++;
			continue;
		}
		idle = 0;
		ch->ops->produce(ch);
	}
}

/* Writes until the descriptor or this connection's share of the turn is full. True: it could go on. */
static bool write_out(struct conn *c) {
	for (size_t left = TURN_BYTES; !c->dead;) {
		produce(c);
		struct iovec vectors[VECTORS];
		int n = frame_out_vectors(&c->output, vectors, VECTORS);
		if (!n || c->dead) return false;
		ssize_t written = writev(c->out.fd, vectors, n);
		if (written < 0 && errno == EAGAIN) {
			watch_output(c, true);
			return false;
		}
		if (written < 0) {
			drop(c);
			return false;
		}
		frame_out_sent(&c->output, (size_t)written);
		if (left <= (size_t)written) return true;
		left -= (size_t)written;
	}
	return false;
}

static bool flush(struct conn *c) {
	bool more = !c->writing && write_out(c);
	if (c->hold == HOLD_LIFTED && !frame_out_bytes(&c->output)) c->hold = HOLD_NONE;
	if (c->closing && !frame_out_bytes(&c->output)) drop(c);
	if (c->dead || c->closing || c->reading || !has_room(c)) return more;
	/* Requests that were read but had to wait; their replies leave in the next turn. */
	if (serve_input(c)) watch_input(c, true);
	return true;
}

bool conn_flush_all(void) {
	bool more = false;
	for (struct conn **at = &conns; *at;) {
		struct conn *c = *at;
		if (!c->dead) more |= flush(c);
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		frame_in_free(&c->input);
		frame_out_free(&c->output);
		free(c);
	}
	return more;
}

uint32_t conn_count(void) { return count; }

uint32_t conn_open_requests(void) {
	uint32_t open = 0;
	for (const struct conn *c = conns; c; c = c->next) open += c->channel_count;
	return open;
}
