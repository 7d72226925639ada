#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oom.h"
#include "spawn_guard.h"

/* Until it executes, the child runs in our memory (CLONE_VM) on this stack while we wait (CLONE_VFORK): nothing is copied, so the
 * price does not grow with our size, and what it writes to `struct child` we can read. */
#define STACK_SIZE (32u * 1024)
static _Alignas(64) char stack[STACK_SIZE];

enum stage { STAGE_CWD = 1, STAGE_EXEC, STAGE_SETUP };

struct child {
	const struct spawn *spawn;
	volatile int err;
	volatile int stage;
};

/* The child never returns from its functions: AddressSanitizer would keep their frames marked on this stack for the next child. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined")))

/* What the search uses when the command's own environment has no PATH. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SCRIPT_LINE ". /proc/self/fd/9"

void spawn_prepare(void) { oom_prepare(); }

IN_CHILD static const char *path_of(char *const *env) {
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
	return DEFAULT_PATH;
}

/* execvp(3) with the PATH of `env`, without its fallback to a shell, and without allocation. Returns the errno. */
IN_CHILD static int exec_search(char *const *argv, const struct spawn *s) {
	const char *name = argv[0];
	if (strchr(name, '/') || !*name) {
		execve(name, argv, s->env);
		return errno;
	}
	size_t name_len = strlen(name);
	int result = ENOENT;
	for (const char *dir = path_of(s->env), *end;; dir = end + 1) {
		end = strchrnul(dir, ':');
		size_t len = (size_t)(end - dir);
		char file[PATH_MAX];
		if (len + name_len + 2 <= sizeof file) {
			memcpy(file, dir, len);
			if (len) file[len++] = '/'; /* an empty entry is the working directory */
			memcpy(file + len, name, name_len + 1);
			execve(file, argv, s->env);
			/* Another directory may have it; what is remembered is why the one that has it failed. */
			if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return errno;
			if (errno == EACCES) result = EACCES;
		}
		if (!*end) return result;
	}
}

/* Where a line is plain words, its program is executed at once. When that fails for whatever reason, the shell says so in its own
 * words, or knows what to do (a script without an interpreter line). */
IN_CHILD static int exec_shell(const struct spawn *s) {
	if (s->words) exec_search(s->words, s);
	const char *line = s->script < 0 ? s->argv[0] : SCRIPT_LINE;
	const char *const bash[] = {"bash", "-c", line, NULL}, *const sh[] = {"sh", "-c", line, NULL};
	execve("/bin/bash", (char *const *)bash, s->env);
	if (errno != ENOENT && errno != EACCES && errno != ENOTDIR) return errno;
	execve("/bin/sh", (char *const *)sh, s->env);
	return errno;
}

IN_CHILD static bool pass_script(int fd) {
	return fd == SCRIPT_FD ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, SCRIPT_FD) >= 0;
}

/* Only async-signal-safe calls, and none that changes memory of the parent beyond *c and this stack. Signal handlers need no reset:
 * the supervisor installs none. */
IN_CHILD static int child_main(void *arg) {
	struct child *c = arg;
	const struct spawn *s = c->spawn;
	sigset_t none;
	sigemptyset(&none);
	c->stage = STAGE_SETUP;
	if (setsid() >= 0 && dup2(s->in, 0) >= 0 && dup2(s->out, 1) >= 0 && dup2(s->err, 2) >= 0 && (s->script < 0 || pass_script(s->script)) &&
	    sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
		c->stage = STAGE_CWD;
		if (chdir(s->cwd) == 0) {
			c->stage = STAGE_EXEC;
			c->err = s->shell ? exec_shell(s) : exec_search(s->argv, s);
			_exit(127);
		}
	}
	c->err = errno;
	_exit(127);
}

static struct fault fault_of(const struct spawn *s, int stage, int err) {
	uint16_t code = E_EXEC_FAILED;
	if (err == EAGAIN || err == ENOMEM || err == EMFILE || err == ENFILE) code = E_RESOURCES;
	else if (stage == STAGE_CWD) code = E_BAD_CWD;
	else if (err == E2BIG) code = E_ARGS_TOO_LONG;
	else if (stage == STAGE_EXEC && s->shell && (err == ENOENT || err == EACCES)) code = E_NO_SHELL;
	else if (stage == STAGE_EXEC && (err == ENOENT || err == ENOTDIR)) code = E_NOT_FOUND;
	else if (stage == STAGE_EXEC && (err == EACCES || err == EPERM)) code = E_PERMISSION;
	return (struct fault){code, err};
}

struct fault spawn_run(const struct spawn *s, pid_t *pid) {
	struct child c = {.spawn = s};
	pid_t started;
	oom_expose_children();
	spawn_guard_begin(&started);
	int result = clone(child_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, &c, &started);
	int clone_err = errno;
	bool killed = spawn_guard_end();
	oom_protect_self();
	if (result < 0) return fault_of(s, 0, clone_err);
	if (c.err || killed) {
		/* It has ended or is past the point where it could be stopped: this does not block. */
		waitpid(result, NULL, 0);
		return killed ? (struct fault){E_RESOURCES, EINTR} : fault_of(s, c.stage, c.err);
	}
	*pid = result;
	return (struct fault){E_NONE, 0};
}
