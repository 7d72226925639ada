#include "listen.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "clock.h"
#include "conn.h"
#include "loop.h"

#define CONNECTIONS_MAX 64u
#define BACKLOG 64
/* Accepted in one turn: connecting is open to hostile code, too, which is turned away here. */
#define BURST 16
/* When no descriptor is left, accepting is tried again after this long instead of at once for ever. */
#define PAUSE_MS 100u
/* From connecting to passing the descriptors. */
#define PASS_MS 10000u

/* A bridge that has not yet passed its descriptors. */
struct guest {
	struct watch watch;
	struct timer timer;
};

static struct watch listener = {.fd = -1};
static struct timer again;
static uid_t allowed;
static uint32_t guests;

bool listen_bind(const char *name) {
	struct address a;
	if (!address_of(name, &a)) {
		errno = EINVAL;
		return false;
	}
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return listener.fd >= 0 && bind(listener.fd, (struct sockaddr *)&a.name, a.length) == 0 && listen(listener.fd, BACKLOG) == 0;
}

static int leave(struct guest *g) {
	int fd = g->watch.fd;
	loop_unwatch(&g->watch);
	timer_clear(&g->timer);
	free(g);
	guests--;
	return fd;
}

static void on_late(struct timer *t) { close(leave(OWNER(t, struct guest, timer))); }

/* Two descriptors beside the byte, or nothing. */
static bool receive(int fd, int passed[2]) {
	char byte = 0;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1) return false;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return false;
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fds[2] = {-1, -1};
	memcpy(fds, CMSG_DATA(header), (count > 2 ? 2 : count) * sizeof(int));
	if (byte == BRIDGE_BYTE && count == 2) {
		memcpy(passed, fds, sizeof fds);
		return true;
	}
	for (size_t i = 0; i < 2; i++)
		if (fds[i] >= 0) close(fds[i]);
	return false;
}

static void on_passed(struct watch *w, uint32_t events) {
	(void)events;
	int fd = leave(OWNER(w, struct guest, watch)), passed[2];
	if (receive(fd, passed)) conn_open(fd, passed[0], passed[1]);
	else close(fd);
}

static bool peer_allowed(int fd) {
	struct ucred peer;
	socklen_t len = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof peer && peer.uid == allowed;
}

static void welcome(int fd) {
	struct guest *g = NULL;
	bool allowed_peer = peer_allowed(fd), full = conn_count() + guests >= CONNECTIONS_MAX;
	if (allowed_peer && full) {
		char byte = FULL_BYTE;
		/* If even this finds no room, the bridge ends as if it had been cut off. */
		(void)!send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (allowed_peer) g = calloc(1, sizeof *g);
	if (g) {
		g->watch = (struct watch){.fd = fd, .ready = on_passed};
		g->timer.fire = on_late;
		if (loop_watch(&g->watch, EPOLLIN)) {
			guests++;
			timer_set(&g->timer, monotonic_ms() + PASS_MS);
			return;
		}
		free(g);
	}
	close(fd);
}

static void on_again(struct timer *t) {
	if (!loop_watch(&listener, EPOLLIN)) timer_set(t, monotonic_ms() + PAUSE_MS);
}

static void on_connect(struct watch *w, uint32_t events) {
	(void)events;
	for (int i = 0; i < BURST; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(fd);
			continue;
		}
		if (errno == EAGAIN) return;
		if (errno == ECONNABORTED) continue;
		/* EMFILE, ENFILE, ENOMEM, …: the socket stays readable; looking away keeps the loop from spinning. */
		loop_unwatch(w);
		timer_set(&again, monotonic_ms() + PAUSE_MS);
		return;
	}
}

bool listen_begin(uid_t bridge_uid) {
	allowed = bridge_uid;
	again.fire = on_again;
	listener.ready = on_connect;
	return loop_watch(&listener, EPOLLIN);
}
