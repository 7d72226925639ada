/* A connection of a host, and its open requests. */
#ifndef SANDBOX_CONN_H
#define SANDBOX_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "fs.h"
#include "loop.h"

struct channel;

/* What an open request does when something happens on its channel. */
struct channel_ops {
	/* Aborted, or the connection is gone: let go of everything and free the request. The channel is closed already. */
	void (*drop)(struct channel *ch);
	/* WINDOW, WRITE_DATA or WRITE_END. NULL: such a frame breaks the protocol. */
	void (*follow)(struct channel *ch, uint8_t type, struct slice payload);
	/* Appends DATA or a closing reply; called while there is room and `streaming` is set. */
	void (*produce)(struct channel *ch);
};

/* An open request; embed it. */
struct channel {
	struct conn *conn; /* NULL once closed */
	uint32_t number;
	const struct channel_ops *ops;
	bool streaming;
	struct channel *next, **prev;
};

struct conn {
	struct watch in, out, bridge;
	bool reading, writing; /* `in`, `out` are watched */
	bool greeted; /* the host's HELLO has come */
	bool closing; /* only what is lined up is still written */
	bool dead;
	/* What its host has been told of another's hold. HOLD_LIFTED: that it is over, which is not yet written. */
	enum { HOLD_NONE, HOLD_TOLD, HOLD_LIFTED } hold;
	struct frame_in input;
	struct frame_out output;
	struct channel *channels;
	uint32_t channel_count;
	struct channel *turn; /* whose turn it is to produce */
	uint32_t id; /* never given twice */
	size_t job_bytes; /* payloads held by jobs that are not yet done */
	struct timer deadline;
	struct conn *next;
};

/* Begins a connection over the descriptors of a bridge; owns them from now on. NULL (and they are closed) without memory. */
struct conn *conn_open(int bridge, int in, int out);
/* Answers with an ERROR on channel 0 and closes once it is written. */
void conn_fail(struct conn *c, uint16_t code);
/* Writes what is lined up on all connections, goes on with requests that had to wait for room, and frees closed connections.
 * Once a turn of the loop. True if there is more to do at once. */
bool conn_flush_all(void);
/* Tells all hosts but the holder, on channel 0, that a hold begins: what they are not told the outcome of from now on is not begun. */
void conn_tell_hold(uint32_t holder);
/* Tells those who were told that it is over. */
void conn_lift_hold(void);
/* Whether requests of this connection that count as use are refused: during a hold of another, and until its host has been told of the end. */
bool conn_is_held(struct conn *c);
uint32_t conn_count(void);
/* Open requests of all connections. */
uint32_t conn_open_requests(void);

/* Begins a reply: append its payload, then conn_end. NULL: there is no memory, the connection was given up. */
struct buf *conn_begin(struct conn *c, uint8_t type, uint32_t channel);
/* Lines the reply up; in its place ERROR resources when it did not fit into memory, too_large when not into a frame. */
void conn_end(struct conn *c, uint32_t channel);
/* Takes a begun reply back. */
void conn_cancel(struct conn *c);
void conn_ok(struct conn *c, uint32_t channel, uint64_t value);
void conn_error(struct conn *c, uint32_t channel, struct fault f);
/* A job begins (or, negative, ceases) to hold bytes of a connection; by id, as the job may outlive it. */
void conn_charge(uint32_t id, long bytes);

struct channel *channel_find(const struct conn *c, uint32_t number);
/* False when the connection has too many open requests: an ERROR was sent. */
bool channel_open(struct channel *ch, struct conn *c, uint32_t number, const struct channel_ops *ops);
/* Takes the channel off its connection, before its closing reply. Returns the connection, NULL if it is gone. */
struct conn *channel_close(struct channel *ch);

#endif
