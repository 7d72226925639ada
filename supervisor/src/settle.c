#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "activity.h"
#include "cgroup.h"
#include "clock.h"
#include "command.h"

void command_reaped(pid_t pid, int wait_status, const struct rusage *usage) {
	struct command *c = command_first();
	while (c && (c->reaped || c->pid != pid)) c = c->next;
	if (!c) return;
	c->reaped = true;
	c->duration_us = monotonic_us() - c->started_us;
	c->cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000u + (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
	c->max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024u;
	if (WIFSIGNALED(wait_status)) c->signal = WTERMSIG(wait_status);
	else c->exit_code = WEXITSTATUS(wait_status);
	/* As long as somebody is in the group its number is not given to another. */
	if (kill(-c->group, 0) < 0 && errno == ESRCH) c->group = 0;
	timer_clear(&c->deadline);
	input_close(&c->in);
	stream_drain(&c->out);
	stream_drain(&c->err);
}

/* Whether the command left processes behind. Looks into /proc only when there may be some. */
static bool left_others(const struct command *c, bool childless) {
	if (childless) return false; /* orphans would be children of ours */
	/* Every child that is not the process of a running command is an orphan. */
	if (!c->group && !stream_is_open(&c->out) && !stream_is_open(&c->err)) {
		uint32_t unreaped = 0;
		for (const struct command *o = command_first(); o; o = o->next) unreaped += !o->reaped;
		if (tree_children() == (long)unreaped) return false;
	}
	struct tree t;
	struct family f = command_family(c);
	if (!tree_read(&t)) return c->group || stream_is_open(&c->out) || stream_is_open(&c->err);
	bool others = tree_select(&t, &f) > 0;
	tree_free(&t);
	return others;
}

void commands_settle(bool childless) {
	for (struct command *c = command_first(); c; c = c->next) {
		if (!c->reaped || c->settled) continue;
		if (c->ending) {
			command_end_look(c);
			continue;
		}
		c->others = left_others(c, childless);
		command_settle(c);
	}
}

static uint8_t outcome(const struct command *c) {
	if (c->ended_by) return c->ended_by;
	bool killed = c->signal == SIGKILL || c->exit_code == 128 + SIGKILL;
	if (killed && cgroup_oom_kills() > c->oom_kills_before) return S_OOM_KILLED;
	return c->signal ? S_SIGNALED : S_EXITED;
}

void command_settle(struct command *c) {
	c->status = outcome(c);
	command_retain(c);
	if (c->private) command_forget_later(c);
	activity_touch();
	command_wake(c);
}

void commands_refresh(void) {
	struct tree t = {0};
	bool read = false;
	for (struct command *c = command_first(); c; c = c->next) {
		if (!c->settled || !c->others) continue;
		if (!read && !tree_read(&t)) return;
		read = true;
		if (tree_group_reused(&t, c->group)) c->group = 0;
		struct family f = command_family(c);
		c->others = tree_select(&t, &f) > 0;
		if (!c->others) c->group = 0;
	}
	tree_free(&t);
}
