/* PID 1 of a helper container. The programs that do its work come by exec, from a server that may die at any time: they end with
 * their stream, and this ends when there is none of them any more. */
#include "archive.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void end(int signal) {
	(void)signal;
	_exit(ARCHIVE_OK);
}

int run_hold(unsigned idle_s) {
	/* Without a handler PID 1 ignores it (pid_namespaces(7)). */
	struct sigaction action = {.sa_handler = end};
	if (sigaction(SIGTERM, &action, NULL) < 0) return ARCHIVE_FAILED;
	for (unsigned idle = 0; idle < idle_s; idle++) {
		struct timespec second = {.tv_sec = 1};
		nanosleep(&second, NULL);
		/* ESRCH: there is no process but this one (kill(2): -1 leaves out the caller and init). */
		if (kill(-1, 0) == 0 || errno != ESRCH) idle = 0;
	}
	return ARCHIVE_OK;
}
