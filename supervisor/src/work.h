/* Jobs that may wait for a disk, off the main loop: four threads, started with the first job. */
#ifndef SANDBOX_WORK_H
#define SANDBOX_WORK_H

#include <stdbool.h>

struct job {
	void (*run)(struct job *j); /* on a thread; touches only what belongs to the job */
	void (*done)(struct job *j); /* afterwards, on the main loop; frees the job */
	struct job *next;
};

/* Makes the way back from the threads to the loop. False and errno on failure. */
bool work_open(void);
/* Queues the job. When no thread could be started (the pids limit is reached), runs it here and now. */
void work_submit(struct job *j);

#endif
