/* Starting a program. Only the main thread may call this. */
#ifndef SANDBOX_SPAWN_H
#define SANDBOX_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "fs.h"

struct spawn {
	char *const *argv; /* with `shell`: argv[0] is the line */
	char *const *env;
	const char *cwd;
	bool shell;
	/* With `shell`: the words of a line that needs none (simple.h), or NULL. */
	char *const *words;
	int in, out, err; /* become 0, 1, 2 */
	int script; /* a file that holds the line instead, or -1 */
};

/* The descriptor under which a shell finds `script`; the line closes it as its first command. */
#define SCRIPT_FD 9

/* Opens what spawn_run needs. Must come before PR_SET_DUMPABLE is cleared: afterwards /proc/self/oom_score_adj belongs to root. */
void spawn_prepare(void);
/* Starts the program in a session of its own, with default signal handling. It has been executed when this returns without a fault.
 * Faults: bad_cwd, no_shell, not_found (of argv[0]), permission, args_too_long, resources, exec_failed. */
struct fault spawn_run(const struct spawn *s, pid_t *pid);

#endif
