#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_open(struct spool *s, const char *path) {
	s->path = path;
	mkdir(path, 0700);
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int create(const struct spool *s, const char *name) {
	return openat(s->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

int spool_create(struct spool *s, const char *name) {
	int fd = s->dir < 0 ? -1 : create(s, name);
	if (fd >= 0) return fd;
	if (s->dir >= 0 && errno == EEXIST) {
		spool_remove(s, name);
		return create(s, name);
	}
	/* ENOENT: somebody removed the directory. Made again, once a call. */
	if (s->dir >= 0 && errno != ENOENT) return -1;
	if (s->dir >= 0) close(s->dir);
	spool_open(s, s->path);
	return s->dir < 0 ? -1 : create(s, name);
}

void spool_remove(struct spool *s, const char *name) {
	if (s->dir >= 0) unlinkat(s->dir, name, 0);
}
