/* USAGE. Each step is a job on a thread, since it may wait for a disk; the next one is submitted from the loop, behind whatever came
 * meanwhile, so that a walk over a large tree keeps no other file request waiting for longer than a step. */
#include <stddef.h>
#include <stdlib.h>

#include "clock.h"
#include "dispatch.h"
#include "usage.h"
#include "work.h"

/* At once, of all connections: each may hold the memory of usage.c's stack. */
#define WALKS_MAX 2u

static unsigned walks;

struct walk {
	struct channel channel;
	struct job job;
	struct timer turn; /* when the next step is submitted */
	bool dropped; /* nobody wants the outcome; the step under way is the last */
	/* The step's own while one is under way. */
	struct usage *usage;
	bool finished;
	struct usage_reply found;
	struct fault fault;
};

static void end(struct walk *w) {
	walks--;
	usage_free(w->usage);
	free(w);
}

static void step(struct job *j) {
	struct walk *w = OWNER(j, struct walk, job);
	w->finished = usage_step(w->usage, &w->found, &w->fault);
}

static void answer(struct walk *w) {
	uint32_t number = w->channel.number;
	struct conn *c = channel_close(&w->channel);
	if (w->fault.code) {
		conn_error(c, number, w->fault);
		return;
	}
	struct buf *b = conn_begin(c, T_USAGE_REPLY, number);
	if (!b) return;
	encode_usage(b, &w->found);
	conn_end(c, number);
}

static void stepped(struct job *j) {
	struct walk *w = OWNER(j, struct walk, job);
	if (w->dropped) end(w);
	else if (!w->finished) timer_set(&w->turn, monotonic_ms()); /* not at once: without threads a job runs where it is submitted */
	else {
		answer(w);
		end(w);
	}
}

static void go_on(struct timer *t) { work_submit(&OWNER(t, struct walk, turn)->job); }

static void drop(struct channel *ch) {
	struct walk *w = OWNER(ch, struct walk, channel);
	if (w->turn.set) {
		timer_clear(&w->turn);
		end(w);
	} else {
		w->dropped = true;
	}
}

void serve_usage(struct conn *c, uint32_t channel, struct slice payload) {
	static const struct channel_ops ops = {.drop = drop};
	struct usage_request r;
	struct fault f = {decode_usage(payload, &r), 0};
	if (!f.code && walks == WALKS_MAX) f.code = E_TOO_MANY;
	struct walk *w = f.code ? NULL : calloc(1, sizeof *w);
	struct usage *u = w ? usage_new(&r) : NULL;
	if (!f.code && !u) f.code = E_RESOURCES;
	if (f.code) {
		free(w);
		conn_error(c, channel, f);
		return;
	}
	walks++;
	w->usage = u;
	w->job = (struct job){.run = step, .done = stepped};
	w->turn.fire = go_on;
	if (channel_open(&w->channel, c, channel, &ops)) work_submit(&w->job);
	else end(w);
}
