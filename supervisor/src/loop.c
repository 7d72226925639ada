#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "clock.h"

/* Events, and timers, of one turn: whatever is due beyond them waits for the next, so that neither starves the other. */
#define BATCH 64

static int epoll_fd = -1;
static struct epoll_event events[BATCH];
static int event_count, event_at;

/* Sorted by time, the soonest first. A list instead of a heap: it needs no memory of its own, so arming a timer never fails, and
 * new timers mostly belong at its end, where insertion begins to look. */
static struct timer *first, *last;

bool loop_open(void) {
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd >= 0;
}

bool loop_watch(struct watch *w, uint32_t mask) {
	struct epoll_event e = {.events = mask, .data.ptr = w};
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

void loop_unwatch(struct watch *w) {
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = event_at; i < event_count; i++)
		if (events[i].data.ptr == w) events[i].data.ptr = NULL;
}

static int wait_ms(bool idle) {
	if (!idle) return 0;
	if (!first) return -1;
	uint64_t now = monotonic_ms();
	if (first->at_ms <= now) return 0;
	uint64_t left = first->at_ms - now;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void loop_turn(bool idle) {
	event_count = epoll_wait(epoll_fd, events, BATCH, wait_ms(idle));
	for (event_at = 0; event_at < event_count;) {
		struct epoll_event *e = &events[event_at++];
		struct watch *w = e->data.ptr;
		if (w) w->ready(w, e->events);
	}
	event_count = event_at = 0;
	if (!first) return;
	uint64_t now = monotonic_ms();
	for (int left = BATCH; left && first && first->at_ms <= now; left--) {
		struct timer *t = first;
		timer_clear(t);
		t->fire(t);
	}
}

void timer_set(struct timer *t, uint64_t at_ms) {
	timer_clear(t);
	struct timer *after = last;
	while (after && after->at_ms > at_ms) after = after->prev;
	t->at_ms = at_ms;
	t->set = true;
	t->prev = after;
	t->next = after ? after->next : first;
	if (t->prev) t->prev->next = t;
	else first = t;
	if (t->next) t->next->prev = t;
	else last = t;
}

void timer_clear(struct timer *t) {
	if (!t->set) return;
	if (t->prev) t->prev->next = t->next;
	else first = t->next;
	if (t->next) t->next->prev = t->prev;
	else last = t->prev;
	t->next = t->prev = NULL;
	t->set = false;
}
