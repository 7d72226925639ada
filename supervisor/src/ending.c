#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "clock.h"
#include "command.h"

/* How often the processes that are to end are looked for: soon, because most end at once, then less and less often. */
#define FIRST_INTERVAL_MS 2u
#define LAST_INTERVAL_MS 100u
/* What a SIGKILL has not ended after this long waits in the kernel; the command settles with the flag that others live. */
#define GIVE_UP_MS 5000u
/* While we do not reap, the dead still count against the pids limit: repeated at once, killing outruns a fork bomb at that limit. */
#define KILL_PASSES 4

/* Without /proc (no descriptor left): the group is all that can be reached. */
static size_t signal_group(struct command *c, int signal) {
	if (!c->group || kill(-c->group, signal) < 0) {
		if (c->reaped) c->group = 0;
		return c->reaped ? 0 : 1;
	}
	return 1;
}

/* Sends a signal (0: none) to all processes of the command; returns how many they are. */
static size_t signal_all(struct command *c, int signal) {
	struct tree t;
	if (!tree_read(&t)) return signal_group(c, signal);
	if (c->reaped && tree_group_reused(&t, c->group)) c->group = 0;
	/* In one stroke: nobody of the group can be born meanwhile. The rest, one by one. */
	if (signal && c->group) kill(-c->group, signal);
	struct family f = command_family(c);
	size_t count = tree_select(&t, &f);
	if (signal) tree_signal(&t, signal);
	tree_free(&t);
	if (!count && c->reaped) c->group = 0;
	return count;
}

static void end_now(struct command *c, bool others) {
	timer_clear(&c->ending_poll);
	c->ending = false;
	c->others = others;
	stream_drain(&c->out);
	stream_drain(&c->err);
	if (!c->settled) command_settle(c);
}

static void look(struct command *c) {
	uint64_t now = monotonic_ms();
	bool killing = now >= c->kill_at_ms;
	size_t count = signal_all(c, killing ? SIGKILL : 0);
	for (int pass = 1; killing && count && pass < KILL_PASSES; pass++) count = signal_all(c, SIGKILL);
	if (c->reaped && (!count || now >= c->give_up_at_ms)) {
		end_now(c, count > 0);
		return;
	}
	uint64_t next = now + c->ending_interval_ms;
	c->ending_interval_ms = c->ending_interval_ms * 2 < LAST_INTERVAL_MS ? c->ending_interval_ms * 2 : LAST_INTERVAL_MS;
	timer_set(&c->ending_poll, !killing && next > c->kill_at_ms ? c->kill_at_ms : next);
}

static void on_poll(struct timer *t) { look(OWNER(t, struct command, ending_poll)); }

void command_end_look(struct command *c) { look(c); }

void command_end(struct command *c, uint8_t by, uint32_t grace_ms) {
	if (c->settled && !c->others) return;
	uint64_t now = monotonic_ms();
	if (!c->settled && !c->ended_by) c->ended_by = by;
	/* A second call may shorten the grace, never lengthen it. */
	if (!c->ending || now + grace_ms < c->kill_at_ms) {
		c->kill_at_ms = now + grace_ms;
		c->give_up_at_ms = c->kill_at_ms + GIVE_UP_MS;
		c->ending_interval_ms = FIRST_INTERVAL_MS;
	}
	if (!c->ending && grace_ms) {
		signal_all(c, SIGTERM);
		/* A stopped process acts on SIGTERM only once it goes on. */
		signal_all(c, SIGCONT);
	}
	c->ending = true;
	c->ending_poll.fire = on_poll;
	timer_set(&c->ending_poll, now);
}

uint16_t command_signal(struct command *c, int signal, uint8_t scope) {
	if (scope == SCOPE_ALL) return signal_all(c, signal) ? E_NONE : E_NOT_FOUND;
	if (c->reaped && c->group) {
		/* Its leader is gone; the number is still its own only while a process of this command has it. */
		signal_all(c, 0);
	}
	return c->group && kill(-c->group, signal) == 0 ? E_NONE : E_NOT_FOUND;
}
