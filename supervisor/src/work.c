#include "work.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"
#include "thread.h"

#define THREADS 4

struct queue {
	struct job *first, *last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct queue waiting, finished; /* under `lock` */
static int threads; /* main thread only */
static struct watch back;

static void push(struct queue *q, struct job *j) {
	j->next = NULL;
	if (q->last) q->last->next = j;
	else q->first = j;
	q->last = j;
}

static struct job *pop(struct queue *q) {
	struct job *j = q->first;
	if (!j) return NULL;
	q->first = j->next;
	if (!q->first) q->last = NULL;
	return j;
}

static void *worker(void *arg) {
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct job *j = pop(&waiting);
		if (!j) {
			pthread_cond_wait(&filled, &lock);
			continue;
		}
		pthread_mutex_unlock(&lock);
		j->run(j);
		pthread_mutex_lock(&lock);
		push(&finished, j);
		/* Never blocks: the counter holds 2^64 - 2. */
		uint64_t one = 1;
		if (write(back.fd, &one, sizeof one) < 0) continue;
	}
	return NULL;
}

static void take_back(struct watch *w, uint32_t events) {
	(void)events;
	uint64_t count;
	if (read(w->fd, &count, sizeof count) < 0) return;
	pthread_mutex_lock(&lock);
	struct queue all = finished;
	finished = (struct queue){0};
	pthread_mutex_unlock(&lock);
	for (struct job *j; (j = pop(&all));) j->done(j);
}

bool work_open(void) {
	back = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = take_back};
	return back.fd >= 0 && loop_watch(&back, EPOLLIN);
}

void work_submit(struct job *j) {
	while (threads < THREADS && thread_start(worker, NULL)) threads++;
	if (!threads) {
		j->run(j);
		j->done(j);
		return;
	}
	pthread_mutex_lock(&lock);
	push(&waiting, j);
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&lock);
}
