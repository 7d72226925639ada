/* Ending every process of the user: for KILL_ALL, and when the container is stopped. */
#ifndef SANDBOX_KILL_ALL_H
#define SANDBOX_KILL_ALL_H

#include "loop.h"

/* Sends a signal to every process of the user. As PID 1 by kill(-1), which no fork outruns; else to every process below us. */
void signal_everyone(int signal);
/* True if we have no child; orphans are children of ours, so then nothing of what ran is left. */
bool nobody_left(void);

struct kill_all {
	struct timer poll;
	void (*done)(struct kill_all *k);
	uint64_t give_up_at_ms;
};

/* SIGKILL to everyone; calls `done` when all have died (at most two seconds later: who waits in the kernel cannot die now). */
void kill_all_begin(struct kill_all *k, void (*done)(struct kill_all *k));
void kill_all_stop(struct kill_all *k);

#endif
