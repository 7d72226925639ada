/* The event loop: one epoll set and a list of timers. Everything but the file jobs of work.h runs on it, one callback at a time. */
#ifndef SANDBOX_LOOP_H
#define SANDBOX_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* A file descriptor to look at. Embed it in what owns the descriptor. */
struct watch {
	int fd;
	void (*ready)(struct watch *w, uint32_t events);
};

/* Creates the epoll set. False and errno on failure. */
bool loop_open(void);
/* Level-triggered EPOLLIN, EPOLLOUT, …. False and errno on failure (ENOSPC: too many watches of this user; EPERM: a regular file). */
bool loop_watch(struct watch *w, uint32_t events);
/* Stops looking; an event of this turn that was not yet handled is dropped, so the owner may be freed at once. Closes nothing. */
void loop_unwatch(struct watch *w);
/* Waits for events and timers, at most until the next timer, and runs them. `idle` false: does not wait. */
void loop_turn(bool idle);

/* A point in time at which `fire` runs once. Zero-initialized but for `fire`; embed it in its owner. Setting one cannot fail. */
struct timer {
	uint64_t at_ms;
	void (*fire)(struct timer *t);
	struct timer *next, *prev;
	bool set;
};

/* At `at_ms` of monotonic_ms(); a timer that is set already is moved. */
void timer_set(struct timer *t, uint64_t at_ms);
void timer_clear(struct timer *t);

/* The structure that embeds a member. */
#define OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
