#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activity.h"
#include "cgroup.h"
#include "clock.h"
#include "simple.h"
#include "spawn.h"

/* A longer shell line does not fit into one argument of execve(2): MAX_ARG_STRLEN is 131,072. */
#define LINE_MAX_ARG 100000u

static struct spool spool;
static char boot_prefix[4];
static uint64_t counter;
static struct command *first, *last;
static struct command_count running, retained;

bool commands_open(const char *spool_dir) {
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t random[3];
	if (getrandom(random, sizeof random, 0) != sizeof random) return false;
	for (size_t i = 0; i < sizeof random; i++) boot_prefix[i] = digits[random[i] % (sizeof digits - 1)];
	spool_open(&spool, spool_dir);
	return true;
}

void commands_forget_spool(void) { spool_forget(&spool); }

struct command *command_first(void) { return first; }
struct command_count commands_running(void) { return running; }
struct command_count commands_retained(void) { return retained; }
uint32_t commands_running_all(void) { return running.listed + running.private; }

static uint32_t *count_of(struct command_count *count, const struct command *c) { return c->private ? &count->private : &count->listed; }

struct command *command_find(struct slice ref) {
	for (struct command *c = first; c; c = c->next) {
		if (ref.len == KEY_BYTES ? memcmp(c->key, ref.data, KEY_BYTES) == 0 : ref.len == strlen(c->id) && memcmp(c->id, ref.data, ref.len) == 0)
			return c;
	}
	return NULL;
}

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
static void wake_all(struct command *c) {
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

static void out_changed(struct stream *s) { wake_all(OWNER(s, struct command, out)); }
static void err_changed(struct stream *s) { wake_all(OWNER(s, struct command, err)); }

static void on_deadline(struct timer *t) {
	struct command *c = OWNER(t, struct command, deadline);
	command_end(c, S_TIMED_OUT, c->grace_ms);
}

static struct command *create(const struct start_request *r) {
	struct command *c = calloc(1, sizeof *c);
	if (!c) return NULL;
	snprintf(c->id, sizeof c->id, "%s-%llu", boot_prefix, (unsigned long long)++counter);
	memcpy(c->key, r->key.data, KEY_BYTES);
	char name[STORE_NAME_MAX];
	snprintf(name, sizeof name, "%s.log", c->id);
	store_open(&c->out.store, &spool, name);
	snprintf(name, sizeof name, "%s.err.log", c->id);
	store_open(&c->err.store, &spool, name);
	c->out.watch.fd = c->err.watch.fd = c->in.watch.fd = -1;
	c->out.changed = out_changed;
	c->err.changed = err_changed;
	c->deadline.fire = on_deadline;
	c->status = S_RUNNING;
	c->exit_code = -1;
	c->grace_ms = r->grace_ms;
	c->private = r->flags & START_PRIVATE;
	return c;
}

/* For people to read: the line, or the arguments with spaces between them. */
static void describe(struct command *c, const struct start_request *r) {
	char text[COMMAND_TEXT_MAX + 4];
	size_t len = 0;
	for (size_t i = 0; i < r->argc && len < sizeof text; i++) {
		if (i) text[len++] = ' ';
		size_t n = strnlen(r->argv[i], sizeof text - len);
		memcpy(text + len, r->argv[i], n);
		len += n;
	}
	c->text_length = command_text_length(text, len);
	memcpy(c->text, text, c->text_length);
}

/* The line in an anonymous file, which it closes itself before anything else. -1 and errno on failure. */
static int script_file(const char *line) {
	int fd = memfd_create("command", MFD_CLOEXEC);
	if (fd < 0) return -1;
	char intro[24];
	int intro_len = snprintf(intro, sizeof intro, "exec %d<&-; ", SCRIPT_FD);
	size_t len = strlen(line);
	bool ok = write(fd, intro, (size_t)intro_len) == intro_len;
	for (size_t at = 0; ok && at < len;) {
		ssize_t n = write(fd, line + at, len - at);
		ok = n > 0;
		if (ok) at += (size_t)n;
	}
	if (ok) return fd;
	close(fd);
	errno = ENOMEM;
	return -1;
}

static void close_all(const int *fds, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0) close(fds[i]);
}

static struct fault launch(struct command *c, const struct start_request *r) {
	enum { IN, OUT, ERR, SCRIPT, FDS };
	int fds[FDS] = {-1, -1, -1, -1};
	bool silent = !(r->flags & START_KEEP_STDIN) && r->stdin_data.len == 0;
	bool scripted = r->flags & START_SHELL && strlen(r->argv[0]) > LINE_MAX_ARG;
	bool ok = stream_open(&c->out, &fds[OUT]) && stream_open(&c->err, &fds[ERR]) && input_open(&c->in, silent, &fds[IN]);
	if (ok && scripted) ok = (fds[SCRIPT] = script_file(r->argv[0])) >= 0;
	struct fault f = {E_RESOURCES, errno};
	if (ok && !buf_reserve(&c->in.queue, r->stdin_data.len)) {
		f.err = ENOMEM;
		ok = false;
	}
	if (ok) {
		char mark[sizeof MARK_NAME + ID_SIZE];
		snprintf(mark, sizeof mark, MARK_NAME "=%s", c->id);
		r->env[r->envc] = mark;
		static struct simple simple;
		bool shell = r->flags & START_SHELL, direct = shell && simple_split(&simple, r->argv[0], r->env);
		struct spawn s = {r->argv, r->env, r->cwd, shell, direct ? simple.words : NULL, fds[IN], fds[OUT], fds[ERR], fds[SCRIPT]};
		c->started_ms = unix_ms();
		c->started_us = monotonic_us();
		c->oom_kills_before = cgroup_oom_kills();
		f = spawn_run(&s, &c->pid);
		r->env[r->envc] = NULL;
	}
	close_all(fds, FDS);
	return f;
}

/* Hostile code of our uid may lower our limits with prlimit(2). What it has left of this one can be taken back. */
static bool raise_descriptor_limit(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max) return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static struct fault try_start(const struct start_request *r, struct command **out) {
	struct command *c = create(r);
	if (!c) return (struct fault){E_RESOURCES, ENOMEM};
	struct fault f = launch(c, r);
	if (f.code == E_NONE) *out = c;
	else command_free(c);
	return f;
}

struct fault command_start(const struct start_request *r, struct command **out) {
	if (commands_running_all() >= RUNNING_MAX) return (struct fault){E_TOO_MANY, 0};
	if (r->stdin_data.len > INPUT_MAX) return (struct fault){E_STDIN_FULL, 0};
	struct command *c;
	struct fault f = try_start(r, &c);
	if (f.err == EMFILE && raise_descriptor_limit()) f = try_start(r, &c);
	if (f.code != E_NONE) return f;
	describe(c, r);
	c->group = c->pid;
	c->prev = last;
	if (last) last->next = c;
	else first = c;
	last = c;
	++*count_of(&running, c);
	if (r->stdin_data.len) input_write(&c->in, r->stdin_data.data, r->stdin_data.len);
	if (!(r->flags & START_KEEP_STDIN)) input_finish(&c->in);
	if (r->timeout_ms) timer_set(&c->deadline, c->started_us / 1000 + r->timeout_ms);
	*out = c;
	return f;
}

void command_free(struct command *c) {
	if (c->prev) c->prev->next = c->next;
	else if (first == c) first = c->next;
	if (c->next) c->next->prev = c->prev;
	else if (last == c) last = c->prev;
	if (c->settled) --*count_of(&retained, c);
	timer_clear(&c->deadline);
	timer_clear(&c->forget);
	timer_clear(&c->ending_poll);
	stream_close(&c->out);
	stream_close(&c->err);
	input_close(&c->in);
	store_discard(&c->out.store);
	store_discard(&c->err.store);
	free(c);
}

void command_reaped(pid_t pid, int wait_status, const struct rusage *usage) {
	struct command *c = first;
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
		for (const struct command *o = first; o; o = o->next) unreaped += !o->reaped;
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
	for (struct command *c = first; c; c = c->next) {
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
	c->settled = true;
	--*count_of(&running, c);
	++*count_of(&retained, c);
	if (c->private) command_forget_later(c);
	activity_touch();
	wake_all(c);
}

struct family command_family(const struct command *c) { return (struct family){c->id, c->reaped ? 0 : c->pid, c->group}; }

void commands_refresh(void) {
	struct tree t = {0};
	bool read = false;
	for (struct command *c = first; c; c = c->next) {
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

struct summary command_summary(const struct command *c) {
	uint8_t flags = 0;
	if (input_is_open(&c->in)) flags |= SUMMARY_STDIN_OPEN;
	if (c->others) flags |= SUMMARY_OTHERS_LIVE;
	if (c->out.store.place == STORE_FILE) flags |= SUMMARY_OUT_SPOOLED;
	if (c->err.store.place == STORE_FILE) flags |= SUMMARY_ERR_SPOOLED;
	return (struct summary){
		.id = c->id,
		.status = c->status,
		.exit_code = c->settled ? c->exit_code : -1,
		.signal = c->settled ? c->signal : 0,
		.flags = flags,
		.started_ms = c->started_ms,
		.duration_us = c->reaped ? c->duration_us : monotonic_us() - c->started_us,
		.cpu_us = c->cpu_us,
		.max_rss_bytes = c->max_rss_bytes,
		.total_out = c->out.store.total,
		.total_err = c->err.store.total,
	};
}
