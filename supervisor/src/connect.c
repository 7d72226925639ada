#include "connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "accounts.h"
#include "address.h"
#include "clock.h"

/* A bridge may be started beside the supervisor itself, and be first. An abstract socket has no file whose creation could be watched. */
#define START_MS 5000u
#define RETRY_MS 5
/* The host tells it from other failures (../PROTOCOL.md, "Connection"). */
#define EXIT_FULL 3

static int reach(const struct address *a) {
	uint64_t give_up = monotonic_ms() + START_MS;
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0) return -1;
		if (connect(fd, (const struct sockaddr *)&a->name, a->length) == 0) return fd;
		int err = errno;
		close(fd);
		errno = err;
		if (err != ECONNREFUSED || monotonic_ms() >= give_up) return -1;
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
	}
}

static int pass(int fd) {
	char byte = BRIDGE_BYTE;
	int fds[2] = {0, 1};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof fds)];
	} control = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(header), fds, sizeof fds);
	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int fail(const char *what) {
	fprintf(stderr, "sandbox-supervisor: %s: %s\n", what, strerror(errno));
	return 1;
}

int run_connect(const char *socket_name, bool accounts) {
	struct address a;
	if (!address_of(socket_name, &a)) {
		errno = EINVAL;
		return fail(socket_name);
	}
	int fd = reach(&a);
	if (fd < 0) return fail("no supervisor");
	/* Before any command can begin: those come through this very connection. */
	if (accounts) accounts_write(fd);
	int passed = pass(fd), err = errno;
	/* The supervisor holds its own copies now. Ours would keep the stream open after it has closed it. */
	close(0);
	close(1);
	char byte = 0;
	ssize_t n;
	do n = read(fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (byte == FULL_BYTE) {
		fprintf(stderr, "sandbox-supervisor: full\n");
		return EXIT_FULL;
	}
	errno = err;
	return passed < 0 ? fail("refused") : 0;
}
