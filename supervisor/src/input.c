#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "stream.h"

/* Writes what the pipe takes, and watches it while something is left. */
static void push(struct input *in) {
	while (in->sent < in->queue.len) {
		ssize_t n = write(in->watch.fd, in->queue.data + in->sent, in->queue.len - in->sent);
		if (n < 0 && errno == EAGAIN) {
			if (!in->watching) in->watching = loop_watch(&in->watch, EPOLLOUT);
			if (!in->watching) input_close(in);
			return;
		}
		if (n < 0) {
			/* EPIPE: nobody reads it any more. */
			input_close(in);
			return;
		}
		in->sent += (size_t)n;
	}
	buf_free(&in->queue);
	in->sent = 0;
	if (in->close_after) {
		input_close(in);
	} else if (in->watching) {
		loop_unwatch(&in->watch);
		in->watching = false;
	}
}

static void on_writable(struct watch *w, uint32_t events) {
	(void)events;
	push(OWNER(w, struct input, watch));
}

bool input_open(struct input *in, bool empty, int *child_end) {
	*in = (struct input){.watch = {.fd = -1, .ready = on_writable}};
	if (empty) {
		*child_end = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return *child_end >= 0;
	}
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) return false;
	if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) {
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	in->watch.fd = ends[1];
	*child_end = ends[0];
	return true;
}

bool input_is_open(const struct input *in) { return in->watch.fd >= 0 && !in->close_after; }

size_t input_queued(const struct input *in) { return in->queue.len - in->sent; }

uint16_t input_write(struct input *in, const uint8_t *data, size_t len) {
	if (!input_is_open(in)) return E_STDIN_CLOSED;
	if (input_queued(in) + len > INPUT_MAX) return E_STDIN_FULL;
	if (in->sent) {
		in->queue.len -= in->sent;
		memmove(in->queue.data, in->queue.data + in->sent, in->queue.len);
		in->sent = 0;
	}
	size_t before = in->queue.len;
	buf_put(&in->queue, data, len);
	if (in->queue.failed) {
		in->queue.len = before;
		in->queue.failed = false;
		return E_RESOURCES;
	}
	push(in);
	return in->watch.fd >= 0 ? E_NONE : E_STDIN_CLOSED;
}

void input_finish(struct input *in) {
	if (!input_is_open(in)) return;
	in->close_after = true;
	push(in);
}

void input_close(struct input *in) {
	if (in->watch.fd < 0) return;
	if (in->watching) loop_unwatch(&in->watch);
	in->watching = false;
	close(in->watch.fd);
	in->watch.fd = -1;
	buf_free(&in->queue);
	in->sent = 0;
}
