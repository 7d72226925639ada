/* Threads for what may block. All signals are blocked in them: signals are the main thread's. */
#ifndef SANDBOX_THREAD_H
#define SANDBOX_THREAD_H

#include <stdbool.h>

/* Starts a detached thread with a small stack. False if there can be none now (pids limit, memory). */
bool thread_start(void *(*run)(void *), void *arg);

#endif
