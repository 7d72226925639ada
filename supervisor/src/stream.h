/* The pipes of a command: two that it writes, kept in stores, and one that feeds its standard input. */
#ifndef SANDBOX_STREAM_H
#define SANDBOX_STREAM_H

#include "loop.h"
#include "proto.h"
#include "store.h"

/* stdout or stderr. */
struct stream {
	struct watch watch; /* fd -1: closed */
	struct store store;
	void (*changed)(struct stream *s); /* bytes came */
};

/* Makes the pipe; *child_end is for the command. False and errno on failure. */
bool stream_open(struct stream *s, int *child_end);
/* Reads what was in the pipe at the time of the call, and no more: a writer that never stops must not keep us here. */
void stream_drain(struct stream *s);
bool stream_is_open(const struct stream *s);
void stream_close(struct stream *s);

#define INPUT_MAX (1024u * 1024)

/* stdin. */
struct input {
	struct watch watch; /* fd -1: closed */
	bool watching;
	bool close_after; /* no more will come */
	struct buf queue;
	size_t sent; /* of queue */
};

/* Makes the pipe, or opens /dev/null when no byte will come; *child_end is for the command. */
bool input_open(struct input *in, bool empty, int *child_end);
bool input_is_open(const struct input *in); /* more may be written */
size_t input_queued(const struct input *in);
/* Queues bytes and writes what the pipe takes. E_NONE, E_STDIN_CLOSED, E_STDIN_FULL (nothing was queued), E_RESOURCES. */
uint16_t input_write(struct input *in, const uint8_t *data, size_t len);
/* End of file behind what is queued. */
void input_finish(struct input *in);
void input_close(struct input *in);

#endif
