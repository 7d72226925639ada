/* A hostile process may send SIGSTOP to a child between its creation and its execve(2); whoever created it would wait for ever,
 * and with it all other commands. A thread looks at the child and ends it when it takes seconds. */
#ifndef SANDBOX_SPAWN_GUARD_H
#define SANDBOX_SPAWN_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

/* *child will hold the pid as soon as there is one (CLONE_PARENT_SETTID), and must stay until spawn_guard_end. */
void spawn_guard_begin(volatile pid_t *child);
/* True if the child was ended. */
bool spawn_guard_end(void);

#endif
