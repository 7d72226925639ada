#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activity.h"
#include "cgroup.h"
#include "clock.h"
#include "command.h"
#include "conn.h"
#include "dispatch.h"
#include "kill_all.h"
#include "listen.h"
#include "loop.h"
#include "spawn.h"
#include "work.h"

/* From SIGTERM to SIGKILL when the container is stopped. */
#define STOP_MS 2000u

static struct watch signals;
/* How often the idle time is looked at, at the least. */
#define IDLE_LOOK_MS 1000u

static struct timer stop_timer, idle_timer;
static uint64_t idle_exit_ms;
static bool stopping, stopped;

static void reap(void) {
	struct rusage usage;
	int status;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) command_reaped(pid, status, &usage);
	bool childless = pid < 0 && errno == ECHILD;
	commands_settle(childless);
	if (stopping && childless) stopped = true;
}

static void on_stop_time(struct timer *t) {
	(void)t;
	signal_everyone(SIGKILL);
	stopped = true;
}

/* A SIGTERM from outside the container shows no sender (its pid has no number here) and was sent by kill(2). Hostile code inside can
 * raise SIGTERM too, and with sigqueue(3) can claim any sender, but then not SI_USER. Where we are not PID 1, the sender is in sight. */
static bool from_outside(const struct signalfd_siginfo *s) { return getpid() != 1 || (s->ssi_code == SI_USER && s->ssi_pid == 0); }

static void stop(void) {
	if (stopping) return;
	stopping = true;
	signal_everyone(SIGTERM);
	signal_everyone(SIGCONT);
	stop_timer.fire = on_stop_time;
	timer_set(&stop_timer, monotonic_ms() + STOP_MS);
	if (nobody_left()) stopped = true;
}

/* No server is left that could put this sandbox to sleep: it does so itself. Files outlive the container. */
static void on_idle_time(struct timer *t) {
	uint64_t idle = conn_count() ? 0 : activity_idle_ms(commands_running_all());
	if (idle >= idle_exit_ms) {
		stop();
		return;
	}
	uint64_t left = idle_exit_ms - idle;
	timer_set(t, monotonic_ms() + (left > IDLE_LOOK_MS ? left : IDLE_LOOK_MS));
}

static void on_signal(struct watch *w, uint32_t events) {
	(void)events;
	struct signalfd_siginfo batch[8];
	ssize_t n = read(w->fd, batch, sizeof batch);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof batch[0]; i++)
		if (batch[i].ssi_signo == SIGTERM && from_outside(&batch[i])) stop();
	reap();
}

/* No handler is ever installed. SIGCHLD and SIGTERM are read from a descriptor; SIGPIPE and SIGXFSZ (a write beyond RLIMIT_FSIZE) show
 * as errors of the write. All others have no effect on PID 1: the kernel drops signals without a handler (pid_namespaces(7)). */
static bool open_signals(void) {
	sigset_t taken, blocked;
	sigemptyset(&taken);
	sigaddset(&taken, SIGCHLD);
	sigaddset(&taken, SIGTERM);
	blocked = taken;
	sigaddset(&blocked, SIGPIPE);
	sigaddset(&blocked, SIGXFSZ);
	for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL); /* whatever was ignored before would be inherited by commands */
	if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0) return false;
	signals = (struct watch){.fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
	return signals.fd >= 0 && loop_watch(&signals, EPOLLIN);
}

/* Leaves nothing open that a command could inherit or that could take one of the numbers 0 to 2. */
static bool tidy_descriptors(void) {
	int null = open("/dev/null", O_RDWR);
	if (null < 0) return false;
	while (null < 3) {
		int next = dup(null);
		if (next < 0) return false;
		null = next;
	}
	dup2(null, 0);
	dup2(null, 1);
	/* stderr stays for the line that says why we could not begin. Not written to later: who reads it may not. */
	struct rlimit limit;
	int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
	for (int fd = 3; fd < end; fd++) close(fd);
	return true;
}

/* In this order: descriptors; then what needs /proc/self as ours; then not dumpable, so that code of the same uid can neither trace
 * us nor open our descriptors nor read our memory; all before the first command can run. */
static const char *begin(const struct init_options *o) {
	/* As PID 1, KILL_ALL and the end are kill(-1). */
	if (o->attached && getpid() == 1) {
		errno = EINVAL;
		return "--attached as PID 1";
	}
	if (!tidy_descriptors()) return "/dev/null";
	umask(022);
	if (chdir("/") < 0) return "/";
	spawn_prepare();
	cgroup_open();
	if (!listen_bind(o->socket)) return "socket";
	if (prctl(PR_SET_DUMPABLE, 0) < 0) return "PR_SET_DUMPABLE";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return "PR_SET_NO_NEW_PRIVS";
	if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return "PR_SET_CHILD_SUBREAPER";
	activity_open();
	fs_set_workspace(o->workspace);
	if (!loop_open() || !open_signals() || !work_open()) return "event loop";
	if (!commands_open(o->spool) || !serve_control_open(o->spool)) return "random numbers";
	if (!listen_begin(o->bridge_uid)) return "event loop";
	return NULL;
}

int run_init(const struct init_options *o) {
	const char *failed = begin(o);
	if (failed) {
		fprintf(stderr, "sandbox-supervisor: %s: %s\n", failed, strerror(errno));
		return 1;
	}
	idle_exit_ms = o->idle_exit_ms;
	idle_timer.fire = on_idle_time;
	if (idle_exit_ms) timer_set(&idle_timer, monotonic_ms() + idle_exit_ms);
	/* Children that were there before us. */
	reap();
	for (bool more = false; !stopped;) {
		loop_turn(!more);
		more = conn_flush_all();
		commands_trim();
	}
	signal_everyone(SIGKILL);
	if (o->attached) commands_forget_spool();
	return 0;
}
