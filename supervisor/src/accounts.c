/* The uid is known only at run time, and the root is read-only. So an image has links from /etc/passwd and /etc/group to a directory on
 * /tmp, made here. It belongs to the bridge's uid and /tmp is sticky, so the user can neither write in it nor replace it: the engine reads
 * /etc/passwd inside the container at each exec, and a FIFO there would block that for ever. No command has run before the first bridge. */
#include "accounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATES "/.sandbox/etc"
#define LIVE "/tmp/.sandbox-etc"
#define MAX_BYTES 65536

/* Appends a template to `out`. */
static int copy(int templates, const char *name, int out) {
	static char buffer[MAX_BYTES];
	int in = openat(templates, name, O_RDONLY | O_CLOEXEC);
	if (in < 0) return -1;
	ssize_t n = read(in, buffer, sizeof buffer);
	close(in);
	return n >= 0 && write(out, buffer, (size_t)n) == n ? 0 : -1;
}

/* Takes its name only when it is whole. */
static int finish(int live, int out, const char *part, const char *name, int bad) {
	if (close(out) < 0 || bad) {
		unlinkat(live, part, 0);
		return -1;
	}
	return renameat(live, part, live, name);
}

static int create(int live, const char *part) { return openat(live, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644); }

static void write_passwd(int templates, int live, const struct ucred *user) {
	int out = create(live, "passwd.part");
	if (out < 0) return;
	/* The template `user` is the rest of the line: ":sandbox:/workspace:/bin/bash". */
	int bad = copy(templates, "passwd", out) < 0 || dprintf(out, "sandbox:x:%u:%u", user->uid, user->gid) < 0 ||
	          copy(templates, "user", out) < 0;
	finish(live, out, "passwd.part", "passwd", bad);
}

static void write_group(int templates, int live, const struct ucred *user) {
	int out = create(live, "group.part");
	if (out < 0) return;
	int bad = copy(templates, "group", out) < 0 || dprintf(out, "sandbox:x:%u:\n", user->gid) < 0;
	finish(live, out, "group.part", "group", bad);
}

void accounts_write(int supervisor) {
	struct ucred user;
	socklen_t size = sizeof user;
	if (getsockopt(supervisor, SOL_SOCKET, SO_PEERCRED, &user, &size) < 0) return;
	int templates = open(TEMPLATES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (templates < 0) return;
	umask(022);
	/* It is there when another bridge came first. */
	if (mkdir(LIVE, 0755) == 0) {
		int live = open(LIVE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (live >= 0) {
			write_passwd(templates, live, &user);
			write_group(templates, live, &user);
			close(live);
		}
	}
	close(templates);
}
