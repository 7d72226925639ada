/* The walk of LIST: breadth first, one open directory at a time, by its path below the root. A path with a directory that was
 * swapped for a symbolic link does not open (fs_open_dir), so the walk stays below the root. */
#include "fs_list.h"
#include "glob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fault add_string(struct strings *s, const char *string, size_t *offset) {
	size_t len = strlen(string) + 1;
	if (len > LIST_MAX_PATHS - s->len) return fs_fault(E_TOO_MANY);
	if (len > s->cap - s->len) {
		size_t cap = s->cap ? s->cap * 2 : 64 * 1024;
		char *more = realloc(s->bytes, cap);
		if (!more) return fs_fault(E_RESOURCES);
		s->bytes = more;
		s->cap = cap;
	}
	memcpy(s->bytes + s->len, string, len);
	if (offset) *offset = s->len;
	s->len += len;
	return FS_OK;
}

static struct fault add_entry(struct listing *l, const char *path, const struct stat *st, bool folded) {
	if (l->count == LIST_MAX_MATCHES) return fs_fault(E_TOO_MANY);
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct list_entry *more = realloc(l->entries, cap * sizeof *more);
		if (!more) return fs_fault(E_RESOURCES);
		l->entries = more;
		l->cap = cap;
	}
	struct list_entry e = {.info = fs_info(st), .folded = folded};
	struct fault f = add_string(&l->paths, path, &e.at.offset);
	if (!f.code) l->entries[l->count++] = e;
	return f;
}

/* The next entry but "." and ".."; NULL at the end of the directory, or at a bound, which sets `capped`. A directory that fails
 * in the middle ends there, as one does that vanishes. */
static const struct dirent *next_entry(struct listing *l, DIR *dir) {
	const struct dirent *e;
	do e = readdir(dir);
	while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
	if (!e) return NULL;
	if (l->visited == LIST_MAX_VISITED || fs_now() > l->deadline) {
		l->capped = true;
		return NULL;
	}
	l->visited++;
	return e;
}

/* NULL with E_NONE: cannot be read or is gone, so that it has no content to tell. */
static DIR *open_level(const struct listing *l, const char *path, struct fault *f) {
	*f = FS_OK;
	int fd = fs_open_dir(l->root, *path ? path : ".", false);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir) return dir;
	int err = errno;
	if (fd >= 0) close(fd);
	if (err == EMFILE || err == ENFILE || err == ENOMEM) *f = fs_fault_errno(err);
	return NULL;
}

/* path = path + "/" + name, of which the first `len` bytes are there; false if it would be no path any more. */
static bool extend(char *path, size_t len, const char *name) {
	if (len + 1 + strlen(name) >= PATH_MAX) return false;
	if (len) path[len++] = '/';
	strcpy(path + len, name);
	return true;
}

static bool wanted(const struct listing *l, const char *path) {
	if (!*l->globs) return true;
	for (char **g = l->globs; *g; g++)
		if (glob_match(*g, path)) return true;
	return false;
}

static bool is_fold(const struct listing *l, const char *name) {
	for (char **f = l->folds; *f; f++)
		if (!strcmp(*f, name)) return true;
	return false;
}

/* Lists the entry `path` and puts it in the queue if it is to be entered. */
static struct fault visit(struct listing *l, DIR *dir, const struct dirent *e, const char *path, bool enter, struct strings *queue) {
	bool match = wanted(l, path), known = e->d_type != DT_UNKNOWN, is_dir = e->d_type == DT_DIR;
	struct stat st;
	if (match || !known) {
		/* Gone, or in a directory that may be read but not searched: nothing can be told of it. */
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) return FS_OK;
		is_dir = S_ISDIR(st.st_mode);
	}
	bool folded = is_dir && is_fold(l, e->d_name);
	struct fault f = match ? add_entry(l, path, &st, folded) : FS_OK;
	if (!f.code && is_dir && enter && !folded) f = add_string(queue, path, NULL);
	return f;
}

static struct fault list_level(struct listing *l, char *path, struct strings *queue) {
	struct fault f;
	DIR *dir = open_level(l, path, &f);
	if (!dir) return f;
	size_t len = strlen(path);
	uint32_t level = len ? 2 : 1;
	for (const char *p = path; *p; p++) level += *p == '/';
	const struct dirent *e;
	while (!f.code && (e = next_entry(l, dir))) {
		if (*e->d_name == '.' && !l->hidden) continue;
		if (extend(path, len, e->d_name)) f = visit(l, dir, e, path, level < l->depth, queue);
		else l->capped = true; /* deeper than a path can tell */
	}
	closedir(dir);
	return f;
}

struct fault fs_walk(struct listing *l) {
	if (l->depth == 0) return FS_OK;
	struct strings queue = {0};
	char path[PATH_MAX];
	struct fault f = add_string(&queue, "", NULL);
	for (size_t head = 0; !f.code && head < queue.len; head += strlen(queue.bytes + head) + 1) {
		strcpy(path, queue.bytes + head);
		f = list_level(l, path, &queue);
		if (l->visited == LIST_MAX_VISITED || fs_now() > l->deadline) break;
	}
	free(queue.bytes);
	if (f.code != E_TOO_MANY) return f;
	l->capped = true;
	return FS_OK;
}

struct fault fs_count_below(struct listing *l, const char *below, uint32_t *count) {
	struct strings queue = {0};
	char path[PATH_MAX];
	struct fault f = add_string(&queue, below, NULL);
	*count = 0;
	for (size_t head = 0; !f.code && head < queue.len && *count < LIST_MAX_FOLDED; head += strlen(queue.bytes + head) + 1) {
		strcpy(path, queue.bytes + head);
		size_t len = strlen(path);
		DIR *dir = open_level(l, path, &f);
		const struct dirent *e;
		while (dir && !f.code && *count < LIST_MAX_FOLDED && (e = next_entry(l, dir))) {
			++*count;
			struct stat st;
			bool is_dir = e->d_type == DT_DIR;
			if (e->d_type == DT_UNKNOWN)
				is_dir = fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
			if (!is_dir) continue;
			if (extend(path, len, e->d_name)) f = add_string(&queue, path, NULL);
			else l->capped = true;
		}
		if (dir) closedir(dir);
	}
	free(queue.bytes);
	if (f.code != E_TOO_MANY) return f;
	l->capped = true;
	return FS_OK;
}
