#include "spawn_guard.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "thread.h"

/* The child is looked at once a second. A frozen container lets one look pass at most (the rest of a sleep), so a freeze is not
 * taken for a stop. */
#define LOOKS 5
/* After so many seconds without a new child the thread sleeps until it is woken, so that an idle sandbox uses no CPU. */
#define IDLE_LOOKS 10

static atomic_uint generation; /* odd while a child is being started */
static atomic_bool asleep; /* whoever clears it has to see to it that the thread goes on */
static sem_t wake;
static atomic_uint killed_generation;
static volatile pid_t *_Atomic pid_at;

static void look_around(void) {
	unsigned seen = 0, looks = 0, idle = 0;
	while (idle < IDLE_LOOKS) {
		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
		unsigned now = atomic_load(&generation);
		bool same = now == seen;
		idle = same && now % 2 == 0 ? idle + 1 : 0;
		looks = same && now % 2 ? looks + 1 : 0;
		seen = now;
		if (looks < LOOKS) continue;
		pid_t pid = *atomic_load(&pid_at);
		looks = 0;
		if (pid <= 1) continue;
		/* The creator waits for this child and reaps it only afterwards: the pid cannot belong to another by now. */
		atomic_store(&killed_generation, now);
		kill(pid, SIGKILL);
	}
}

static void *guard_main(void *arg) {
	(void)arg;
	for (;;) {
		look_around();
		atomic_store(&asleep, true);
		/* A child that came between the last look and this line found nobody asleep. */
		if (atomic_load(&generation) % 2 && atomic_exchange(&asleep, false)) continue;
		while (sem_wait(&wake)) continue; /* EINTR */
	}
	return NULL;
}

void spawn_guard_begin(volatile pid_t *child) {
	/* Without a thread (the pids limit is reached) commands still start; this is tried again with the next. */
	static bool running;
	/* Without a thread (the pids limit is reached) commands still start; this is tried again with the next. */
	if (!running) running = sem_init(&wake, 0, 0) == 0 && thread_start(guard_main, NULL);
	*child = 0;
	atomic_store(&pid_at, child);
	atomic_fetch_add(&generation, 1);
	if (running && atomic_exchange(&asleep, false)) sem_post(&wake);
}

bool spawn_guard_end(void) {
	unsigned mine = atomic_fetch_add(&generation, 1);
	return atomic_load(&killed_generation) == mine;
}
