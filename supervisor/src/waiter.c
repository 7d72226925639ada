#include "command.h"

void waiter_link(struct waiter *w, struct command *c) {
	w->command = c;
	w->prev = &c->waiters;
	w->next = c->waiters;
	if (w->next) w->next->prev = &w->next;
	c->waiters = w;
}

void waiter_unlink(struct waiter *w) {
	*w->prev = w->next;
	if (w->next) w->next->prev = w->prev;
	w->command = NULL;
}

/* A reply may end a connection, and with it other waiters: they are taken from a list that stays right when any of them leaves. */
void command_wake(struct command *c) {
	struct waiter *pending = c->waiters;
	if (pending) pending->prev = &pending;
	c->waiters = NULL;
	while (pending) {
		struct waiter *w = pending;
		waiter_unlink(w);
		waiter_link(w, c);
		w->wake(w);
	}
}
