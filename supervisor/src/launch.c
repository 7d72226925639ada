#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "command.h"
#include "simple.h"
#include "spawn.h"

/* A longer shell line does not fit into one argument of execve(2): MAX_ARG_STRLEN is 131,072. */
#define LINE_MAX_ARG 100000u

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
	struct command *c = command_new(r);
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
	command_add(c);
	if (r->stdin_data.len) input_write(&c->in, r->stdin_data.data, r->stdin_data.len);
	if (!(r->flags & START_KEEP_STDIN)) input_finish(&c->in);
	if (r->timeout_ms) timer_set(&c->deadline, c->started_us / 1000 + r->timeout_ms);
	*out = c;
	return f;
}
