/* The supervisor itself: PID 1 of the sandbox, or (where something else is PID 1) an ordinary process that adopts orphans. */
#ifndef SANDBOX_INIT_H
#define SANDBOX_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct init_options {
	uid_t bridge_uid;
	const char *socket, *spool, *workspace;
	/* Ends by itself after so long without use and without a connection; 0 = never. */
	uint64_t idle_exit_ms;
	/* In a container that is somebody else's: never PID 1, and nothing of ours stays behind when it ends. */
	bool attached;
};

/* Runs until it is told to stop from outside. Returns the exit status; nonzero, with a line on stderr, when it could not begin. */
int run_init(const struct init_options *o);

#endif
