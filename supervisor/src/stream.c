#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

/* One read, and what a pipe is enlarged to once a command writes much: fewer changes between it and us. */
#define CHUNK (256u * 1024)
/* A read of this size says that the pipe (64 KiB by default) was full. */
#define PIPE_DEFAULT (64u * 1024)

static uint8_t chunk[CHUNK];

/* Appends one read. Returns its size, 0 if the pipe is empty or (then it is closed) at its end. */
static size_t take(struct stream *s) {
	ssize_t n = read(s->watch.fd, chunk, sizeof chunk);
	if (n > 0) {
		store_append(&s->store, chunk, (size_t)n);
		if (n == PIPE_DEFAULT) fcntl(s->watch.fd, F_SETPIPE_SZ, CHUNK);
		return (size_t)n;
	}
	if (n == 0 || errno != EAGAIN) stream_close(s);
	return 0;
}

static void on_readable(struct watch *w, uint32_t events) {
	(void)events;
	struct stream *s = OWNER(w, struct stream, watch);
	take(s);
	s->changed(s);
}

bool stream_open(struct stream *s, int *child_end) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) return false;
	/* Non-blocking on our side only. A command may read its own pipe empty behind our back, so we must never wait for it. */
	s->watch = (struct watch){.fd = ends[0], .ready = on_readable};
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 || !loop_watch(&s->watch, EPOLLIN)) {
		int err = errno;
		close(ends[0]);
		close(ends[1]);
		s->watch.fd = -1;
		errno = err;
		return false;
	}
	*child_end = ends[1];
	return true;
}

void stream_drain(struct stream *s) {
	size_t most = CHUNK;
	for (size_t n; s->watch.fd >= 0 && most && (n = take(s));) most -= n < most ? n : most;
}

bool stream_is_open(const struct stream *s) { return s->watch.fd >= 0; }

void stream_close(struct stream *s) {
	if (s->watch.fd < 0) return;
	loop_unwatch(&s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
}
