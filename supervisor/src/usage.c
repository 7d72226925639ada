/* The walk of USAGE: depth first over a stack of paths below the root, so that what waits is the siblings along one path and not a whole
 * level of the tree. A path is opened in pieces, because the kernel takes at most PATH_MAX bytes at once and files hidden deeper than
 * that take up as much room as others; and without following a link or crossing a mount (fs_open_dir), so the walk stays below the root. */
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clock.h"
#include "fs_internal.h"
#include "usage_links.h"

/* A path below the root; sixteen times what one call takes. */
#define MAX_PATH (64u * 1024)
/* Paths that wait to be entered. */
#define MAX_PENDING (16u * 1024 * 1024)
/* One step: whichever comes first. */
#define STEP_ENTRIES 1024u
#define STEP_US 4000u
/* The clock is looked at this often. */
#define CLOCK_ENTRIES 64u

/* A stack of texts: the bytes of each, then their number. */
struct stack {
	char *bytes;
	size_t len, cap;
};

struct usage {
	char *root_path;
	uint32_t max_entries, max_ms;
	uint64_t deadline_us; /* 0: not begun */
	int root;
	dev_t dev;
	DIR *dir; /* the directory that is being read; NULL between two */
	char *path; /* its path below the root, "" for the root itself; MAX_PATH bytes and a name's more */
	size_t path_len;
	struct stack pending;
	struct usage_links links;
	struct usage_reply found;
};

static struct fault push(struct stack *s, const char *text, uint32_t len) {
	size_t need = len + sizeof len;
	if (need > MAX_PENDING - s->len) return fs_fault(E_TOO_MANY);
	if (need > s->cap - s->len) {
		size_t cap = s->cap ? s->cap : 64 * 1024;
		while (cap - s->len < need) cap *= 2;
		char *more = realloc(s->bytes, cap);
		if (!more) return fs_fault(E_RESOURCES);
		s->bytes = more;
		s->cap = cap;
	}
	memcpy(s->bytes + s->len, text, len);
	memcpy(s->bytes + s->len + len, &len, sizeof len);
	s->len += need;
	return FS_OK;
}

/* Into `text`, which has room, with a NUL. */
static size_t pop(struct stack *s, char *text) {
	uint32_t len;
	memcpy(&len, s->bytes + s->len - sizeof len, sizeof len);
	s->len -= len + sizeof len;
	memcpy(text, s->bytes + s->len, len);
	text[len] = 0;
	return len;
}

struct usage *usage_new(const struct usage_request *r) {
	struct usage *u = calloc(1, sizeof *u);
	if (!u) return NULL;
	u->root = -1;
	u->max_entries = r->max_entries;
	u->max_ms = r->max_ms;
	u->root_path = malloc(r->path.len + 1);
	u->path = malloc(MAX_PATH + 1 + NAME_MAX + 1);
	if (!u->root_path || !u->path) {
		usage_free(u);
		return NULL;
	}
	memcpy(u->root_path, r->path.data, r->path.len);
	u->root_path[r->path.len] = 0;
	u->path[0] = 0;
	return u;
}

void usage_free(struct usage *u) {
	if (u->dir) closedir(u->dir);
	if (u->root >= 0) close(u->root);
	usage_links_free(&u->links);
	free(u->pending.bytes);
	free(u->path);
	free(u->root_path);
	free(u);
}

static void count(struct usage *u, const struct stat *st) {
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		enum usage_link_status status = usage_links_add(&u->links, st);
		if (status == LINK_KNOWN) return;
		if (status == LINK_NO_ROOM) u->found.flags |= USAGE_LINKS;
	}
	u->found.entries++;
	u->found.bytes += (uint64_t)st->st_blocks * 512u; /* stat(2): in units of 512 bytes, whatever the file system's are */
}

/* A file system without an end says so with numbers that a host's floating point does not hold. */
static uint64_t told(uint64_t value) { return value < 1ull << 53 ? value : (1ull << 53) - 1; }

static struct fault begin(struct usage *u) {
	u->deadline_us = monotonic_us() + u->max_ms * 1000ull;
	u->root = open(u->root_path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	struct statvfs fs;
	if (u->root < 0 || fstat(u->root, &st) < 0 || fstatvfs(u->root, &fs) < 0) return fs_fault_errno(errno);
	u->dev = st.st_dev;
	u->found.fs_bytes = told((uint64_t)fs.f_blocks * fs.f_frsize);
	u->found.fs_free_bytes = told((uint64_t)fs.f_bavail * fs.f_frsize);
	u->found.fs_inodes = told(fs.f_files);
	u->found.fs_free_inodes = told(fs.f_favail);
	if (!u->max_entries) return FS_OK;
	count(u, &st);
	return push(&u->pending, "", 0);
}

/* Opens a path of any length below the root. -1 and errno. */
static int open_below(int root, const char *path) {
	int base = root;
	for (;;) {
		size_t len = strlen(path);
		if (len < PATH_MAX) {
			int fd = fs_open_dir(base, len ? path : ".", true);
			int err = errno;
			if (base != root) close(base);
			errno = err;
			return fd;
		}
		char piece[PATH_MAX];
		memcpy(piece, path, PATH_MAX - 1);
		piece[PATH_MAX - 1] = 0;
		/* A name is far shorter than a piece, so there is one. */
		char *end = strrchr(piece, '/');
		*end = 0;
		int fd = fs_open_dir(base, piece, true);
		int err = errno;
		if (base != root) close(base);
		errno = err;
		if (fd < 0) return -1;
		base = fd;
		path += end - piece + 1;
	}
}

/* Enters the next directory that waits. One that vanished, became something else or is a mount is passed over. */
static struct fault enter(struct usage *u) {
	u->path_len = pop(&u->pending, u->path);
	int fd = open_below(u->root, u->path);
	struct stat st;
	/* A mount, where openat2 is missing. */
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != u->dev)) {
		close(fd);
		return FS_OK;
	}
	u->dir = fd < 0 ? NULL : fdopendir(fd);
	if (u->dir) return FS_OK;
	int err = errno;
	if (fd >= 0) close(fd);
	if (err == EMFILE || err == ENFILE || err == ENOMEM) return fs_fault_errno(err);
	if (err == EACCES || err == EPERM) u->found.flags |= USAGE_UNREADABLE;
	return FS_OK;
}

static struct fault visit(struct usage *u, const struct dirent *e) {
	struct stat st;
	if (fstatat(dirfd(u->dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		/* In a directory that may be read but not searched nothing can be told of its entries. */
		if (errno == EACCES) u->found.flags |= USAGE_UNREADABLE;
		return FS_OK;
	}
	/* A file may differ in its device (overlayfs, per layer); a directory that does is a mount. */
	if (S_ISDIR(st.st_mode) && st.st_dev != u->dev) return FS_OK;
	count(u, &st);
	if (!S_ISDIR(st.st_mode)) return FS_OK;
	/* Another's directory that is closed to the user (lost+found) holds nothing of theirs. */
	if (st.st_uid != getuid() && faccessat(dirfd(u->dir), e->d_name, R_OK | X_OK, 0) < 0) return FS_OK;
	size_t len = u->path_len, name = strlen(e->d_name);
	if (len + 1 + name > MAX_PATH) {
		u->found.flags |= USAGE_TOO_DEEP;
		return FS_OK;
	}
	if (len) u->path[len++] = '/';
	memcpy(u->path + len, e->d_name, name);
	struct fault f = push(&u->pending, u->path, (uint32_t)(len + name));
	u->path[u->path_len] = 0;
	if (f.code != E_TOO_MANY) return f;
	u->found.flags |= USAGE_TOO_DEEP;
	return FS_OK;
}

/* The next entry of the open directory; at its end closes it. */
static struct fault next(struct usage *u) {
	errno = 0;
	const struct dirent *e = readdir(u->dir);
	if (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))) return FS_OK;
	if (e) return visit(u, e);
	if (errno) u->found.flags |= USAGE_UNREADABLE;
	closedir(u->dir);
	u->dir = NULL;
	return FS_OK;
}

bool usage_step(struct usage *u, struct usage_reply *out, struct fault *f) {
	*f = u->deadline_us ? FS_OK : begin(u);
	uint64_t until_us = monotonic_us() + STEP_US;
	for (unsigned n = 1; !f->code && (u->dir || u->pending.len); n++) {
		if (u->found.entries >= u->max_entries) {
			u->found.flags |= USAGE_ENTRIES;
			break;
		}
		*f = u->dir ? next(u) : enter(u);
		if (n % CLOCK_ENTRIES) continue;
		uint64_t now = monotonic_us();
		if (now >= u->deadline_us) {
			u->found.flags |= USAGE_TIME;
			break;
		}
		if (now >= until_us || n >= STEP_ENTRIES) return false;
	}
	*out = u->found;
	return true;
}

void encode_usage(struct buf *b, const struct usage_reply *r) {
	put_u8(b, r->flags);
	put_u64(b, r->bytes);
	put_u64(b, r->entries);
	put_u64(b, r->fs_bytes);
	put_u64(b, r->fs_free_bytes);
	put_u64(b, r->fs_inodes);
	put_u64(b, r->fs_free_inodes);
}
