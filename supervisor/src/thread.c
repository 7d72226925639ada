#include "thread.h"

#include <pthread.h>
#include <signal.h>

/* Enough for a few paths of PATH_MAX; nothing here recurses. Sanitizers blow frames up. */
#if defined(__SANITIZE_ADDRESS__)
#define STACK_SIZE (1024u * 1024)
#else
#define STACK_SIZE (128u * 1024)
#endif

bool thread_start(void *(*run)(void *), void *arg) {
	pthread_attr_t attributes;
	if (pthread_attr_init(&attributes)) return false;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	bool ok = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 && pthread_create(&thread, &attributes, run, arg) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return ok;
}
