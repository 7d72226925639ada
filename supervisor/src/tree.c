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
/* Far beyond the pids limit of a sandbox. */
#define PROCESSES_MAX 65536u

static size_t read_file(pid_t pid, const char *name, char *to, size_t size) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	size_t len = 0;
	for (ssize_t n; len < size && (n = read(fd, to + len, size - len)) > 0;) len += (size_t)n;
	close(fd);
	return len;
}

/* proc_pid_stat(5): `pid (name) state ppid pgrp session …`; the name may hold anything, also `)`. False: gone, or a zombie. */
static bool read_stat(struct process *p) {
	char text[512];
	size_t len = read_file(p->pid, "stat", text, sizeof text - 1);
	text[len] = 0;
	const char *after = strrchr(text, ')');
	char state;
	return after && sscanf(after + 1, " %c %d %d %d", &state, &p->parent, &p->group, &p->session) == 4 && !strchr("ZXx", state);
}

static void read_mark(struct process *p) {
	static const char name[] = MARK_NAME "=";
	static char text[ENVIRON_MAX];
	p->mark_read = true;
	size_t len = read_file(p->pid, "environ", text, sizeof text);
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

/* All pids at once, before any process is looked at: /proc is listed by pid, and a fork bomb whose children get ever higher ones would
 * otherwise stay ahead of us. */
static bool list_pids(struct tree *t) {
	DIR *dir = opendir("/proc");
	if (!dir) return false;
	size_t capacity = 0;
	for (struct dirent *e; (e = readdir(dir)) && t->count < PROCESSES_MAX;) {
		if (!isdigit((unsigned char)e->d_name[0])) continue;
		if (t->count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			struct process *list = realloc(t->list, capacity * sizeof *list);
			if (!list) {
				closedir(dir);
				return false;
			}
			t->list = list;
		}
		t->list[t->count++] = (struct process){.pid = atoi(e->d_name)};
	}
	closedir(dir);
	return true;
}

bool tree_read(struct tree *t) {
	*t = (struct tree){0};
	bool ok = list_pids(t);
	size_t kept = 0;
	for (size_t i = 0; ok && i < t->count; i++) {
		errno = 0;
		if (read_stat(&t->list[i])) t->list[kept++] = t->list[i];
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) ok = false;
	}
	t->count = kept;
	if (!ok) tree_free(t);
	return ok;
}

void tree_free(struct tree *t) {
	free(t->list);
	*t = (struct tree){0};
}

static int by_pid(const void *key, const void *element) {
	pid_t pid = *(const pid_t *)key, other = ((const struct process *)element)->pid;
	return (pid > other) - (pid < other);
}

static const struct process *find(const struct tree *t, pid_t pid) {
	return t->count ? bsearch(&pid, t->list, t->count, sizeof *t->list, by_pid) : NULL;
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
		p->member = p->pid != self && ((f->root && p->pid == f->root) || grouped);
	}
	close_over_children(t);
	for (size_t i = 0; i < t->count; i++) {
		struct process *p = &t->list[i];
		if (p->member || p->pid == self) continue;
		if (!p->mark_read) read_mark(p);
		p->member = strcmp(p->mark, f->id) == 0;
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
