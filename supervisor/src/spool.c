#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_open(struct spool *s, const char *path) {
	s->path = path;
	mkdir(path, 0700);
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Where others share our /tmp, one of them may have come first: who owns it could read what is printed, or swap the files. */
	struct stat st;
	if (s->dir < 0 || (fstat(s->dir, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))) return;
	close(s->dir);
	s->dir = -1;
}

void spool_forget(struct spool *s) {
	if (s->dir < 0) return;
	/* Takes over the descriptor. */
	DIR *dir = fdopendir(s->dir);
	if (!dir) close(s->dir);
	for (struct dirent *e; dir && (e = readdir(dir));) unlinkat(s->dir, e->d_name, 0);
	if (dir) closedir(dir);
	s->dir = -1;
	rmdir(s->path);
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
