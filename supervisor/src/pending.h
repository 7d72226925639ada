/* An open START, WAIT or OUTPUT: somebody waits on a command, for a limited time. */
#ifndef SANDBOX_PENDING_H
#define SANDBOX_PENDING_H

#include "command.h"
#include "conn.h"

struct pending {
	struct channel channel;
	struct waiter waiter;
	struct timer timer;
	/* True when `reply` is due before the time is over. */
	bool (*ready)(const struct pending *p);
	void (*reply)(const struct pending *p, struct conn *c, uint32_t channel);
	/* Of the request. */
	struct budget budget;
	uint64_t since[2];
	uint8_t flags;
	uint32_t max_bytes;
};

/* Replies now if it is due or `wait_ms` is 0; else keeps a copy of *p until then. */
void pending_begin(const struct pending *p, struct conn *c, uint32_t channel, struct command *command, uint32_t wait_ms);

#endif
