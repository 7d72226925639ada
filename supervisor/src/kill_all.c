#include "kill_all.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "tree.h"

#define INTERVAL_MS 2u
#define GIVE_UP_MS 2000u

void signal_everyone(int signal) {
	if (getpid() == 1) {
		kill(-1, signal);
		return;
	}
	/* Elsewhere kill(-1) would reach what is not ours. */
	struct tree t;
	if (!tree_read(&t)) return;
	tree_select_below(&t);
	tree_signal(&t, signal);
	tree_free(&t);
}

bool nobody_left(void) {
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void on_poll(struct timer *t) {
	struct kill_all *k = OWNER(t, struct kill_all, poll);
	uint64_t now = monotonic_ms();
	if (nobody_left() || now >= k->give_up_at_ms) {
		k->done(k);
		return;
	}
	signal_everyone(SIGKILL);
	timer_set(&k->poll, now + INTERVAL_MS);
}

void kill_all_begin(struct kill_all *k, void (*done)(struct kill_all *k)) {
	k->poll.fire = on_poll;
	k->done = done;
	k->give_up_at_ms = monotonic_ms() + GIVE_UP_MS;
	signal_everyone(SIGKILL);
	timer_set(&k->poll, monotonic_ms());
}

void kill_all_stop(struct kill_all *k) { timer_clear(&k->poll); }
