#include "pending.h"

#include <stddef.h>
#include <stdlib.h>

#include "clock.h"

static void finish(struct pending *p) {
	timer_clear(&p->timer);
	uint32_t number = p->channel.number;
	struct conn *c = channel_close(&p->channel);
	p->reply(p, c, number);
	waiter_unlink(&p->waiter);
	free(p);
}

static void on_wake(struct waiter *w) {
	struct pending *p = OWNER(w, struct pending, waiter);
	if (p->ready(p)) finish(p);
}

static void on_timer(struct timer *t) { finish(OWNER(t, struct pending, timer)); }

static void drop(struct channel *ch) {
	struct pending *p = OWNER(ch, struct pending, channel);
	timer_clear(&p->timer);
	waiter_unlink(&p->waiter);
	free(p);
}

void pending_begin(const struct pending *model, struct conn *c, uint32_t channel, struct command *command, uint32_t wait_ms) {
	static const struct channel_ops ops = {.drop = drop};
	struct pending now = *model;
	now.waiter.command = command;
	if (!wait_ms || now.ready(&now)) {
		now.reply(&now, c, channel);
		return;
	}
	struct pending *p = malloc(sizeof *p);
	if (!p) {
		conn_error(c, channel, (struct fault){E_RESOURCES, 0});
		return;
	}
	*p = *model;
	if (!channel_open(&p->channel, c, channel, &ops)) {
		free(p);
		return;
	}
	p->waiter.wake = on_wake;
	waiter_link(&p->waiter, command);
	p->timer = (struct timer){.fire = on_timer};
	timer_set(&p->timer, monotonic_ms() + wait_ms);
}
