#include "tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request.h"

/* Of an environment, this much is searched for the mark: a hostile process may have one of many megabytes. */
#define ENVIRON_MAX (128u * 1024)

static size_t read_file(int proc, const char *pid, const char *name, char *to, size_t size) {
	char path[64];
	snprintf(path, sizeof path, "%s/%s", pid, name);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	size_t len = 0;
	for (ssize_t n; len < size && (n = read(fd, to + len, size - len)) > 0;) len += (size_t)n;
	close(fd);
	return len;
}

/* proc_pid_stat(5): `pid (name) state ppid pgrp session …`; the name may hold anything, also `)`. False: gone, or a zombie. */
static bool read_stat(int proc, const char *pid, struct process *p) {
	char text[512];
	size_t len = read_file(proc, pid, "stat", text, sizeof text - 1);
	text[len] = 0;
	const char *after = strrchr(text, ')');
	char state;
	return after && sscanf(after + 1, " %c %d %d %d", &state, &p->parent, &p->group, &p->session) == 4 && !strchr("ZXx", state);
}

static void read_mark(int proc, const char *pid, char *text, struct process *p) {
	static const char name[] = MARK_NAME "=";
	size_t len = read_file(proc, pid, "environ", text, ENVIRON_MAX);
	for (size_t at = 0; at < len;) {
		size_t entry = strnlen(text + at, len - at);
		if (entry >= sizeof name && memcmp(text + at, name, sizeof name - 1) == 0) {
			size_t value = entry - (sizeof name - 1);
			if (value < ID_SIZE) memcpy(p->mark, text + at + sizeof name - 1, value);
			return;
		}
		at += entry + 1;
	}
}

static struct process *add(struct tree *t) {
	if (t->count == t->capacity) {
		size_t capacity = t->capacity ? t->capacity * 2 : 64;
		struct process *list = realloc(t->list, capacity * sizeof *list);
		if (!list) return NULL;
		t->list = list;
		t->capacity = capacity;
	}
	struct process *p = &t->list[t->count];
	*p = (struct process){0};
	return p;
}

bool tree_read(struct tree *t, bool marks) {
	*t = (struct tree){0};
	DIR *dir = opendir("/proc");
	char *text = marks ? malloc(ENVIRON_MAX) : NULL;
	bool ok = dir && (text || !marks);
	errno = 0;
	for (struct dirent *e; ok && (e = readdir(dir));) {
		if (!isdigit((unsigned char)e->d_name[0])) continue;
		struct process *p = add(t);
		if (!p) {
			ok = false;
			break;
		}
		p->pid = atoi(e->d_name);
		errno = 0;
		if (read_stat(dirfd(dir), e->d_name, p)) {
			if (marks) read_mark(dirfd(dir), e->d_name, text, p);
			t->count++;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) ok = false;
	}
	free(text);
	if (dir) closedir(dir);
	if (!ok) tree_free(t);
	return ok;
}

void tree_free(struct tree *t) {
	free(t->list);
	*t = (struct tree){0};
}

static const struct process *find(const struct tree *t, pid_t pid) {
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].pid == pid) return &t->list[i];
	return NULL;
}

/* Adds the children of members until there are no more. */
static size_t close_over_children(struct tree *t) {
	size_t members = 0, before;
	pid_t self = getpid();
	do {
		before = members;
		members = 0;
		for (size_t i = 0; i < t->count; i++) {
			struct process *p = &t->list[i];
			const struct process *parent = p->member || p->pid == self ? NULL : find(t, p->parent);
			if (parent && parent->member) p->member = true;
			members += p->member;
		}
	} while (members != before);
	return members;
}

size_t tree_select(struct tree *t, const struct family *f) {
	pid_t self = getpid();
	for (size_t i = 0; i < t->count; i++) {
		struct process *p = &t->list[i];
		bool grouped = f->group && (p->group == f->group || p->session == f->group);
		bool marked = strcmp(p->mark, f->id) == 0;
		p->member = p->pid != self && ((f->root && p->pid == f->root) || grouped || marked);
	}
	return close_over_children(t);
}

size_t tree_select_below(struct tree *t) {
	pid_t self = getpid();
	for (size_t i = 0; i < t->count; i++) t->list[i].member = t->list[i].parent == self;
	return close_over_children(t);
}

void tree_signal(const struct tree *t, int signal) {
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].member) kill(t->list[i].pid, signal);
}

bool tree_group_reused(const struct tree *t, pid_t group) { return group && find(t, group) != NULL; }

long tree_children(void) {
	/* Orphans become children of the main thread, as the commands are. Needs CONFIG_PROC_CHILDREN. */
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	long count = 0;
	char text[4096];
	for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
		for (ssize_t i = 0; i < n; i++) count += text[i] == ' ';
	close(fd);
	return count;
}
