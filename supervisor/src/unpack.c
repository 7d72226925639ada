/* Makes the tree of an archive below an empty directory. The archive is hostile: each entry must lie directly in the directory before it or
 * in one that holds that, every directory is held open, and no link is followed on the way to a place. */
#include "archive.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_fault.h"
#include "tar.h"

#define IN_BYTES (256u * 1024u)
#define MAP_LINE 24u

/* A directory whose content is still to come; its mode and time are set when it is left, for they would be in the way before. */
struct level {
	int fd;
	size_t path_len;
	mode_t mode;
	struct timespec mtime;
};

static struct {
	struct level levels[TAR_PATH / 2 + 1];
	size_t depth;
	char path[TAR_PATH]; /* of the lowest level */
	unsigned char in[IN_BYTES];
	size_t at, end;
	uint64_t entries;
} un;

_Noreturn static void malformed(const char *what) { archive_fail(ARCHIVE_MALFORMED, what); }

static size_t available(void) {
	while (un.at == un.end) {
		ssize_t n = read(STDIN_FILENO, un.in, IN_BYTES);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) archive_fail_errno("read");
		if (n == 0) malformed("the archive is cut");
		un.at = 0;
		un.end = (size_t)n;
	}
	return un.end - un.at;
}

static void take(void *to, size_t bytes) {
	for (size_t done = 0; done < bytes;) {
		size_t n = available() < bytes - done ? available() : bytes - done;
		memcpy((char *)to + done, un.in + un.at, n);
		un.at += n;
		done += n;
	}
}

static void drop(uint64_t bytes) {
	while (bytes) {
		size_t n = available() < bytes ? available() : (size_t)bytes;
		un.at += n;
		bytes -= n;
	}
}

static void settle(int fd, mode_t mode, const struct timespec *mtime) {
	struct timespec times[2] = {*mtime, *mtime};
	if (fchmod(fd, mode) < 0) archive_fail_errno("chmod");
	if (futimens(fd, times) < 0) archive_fail_errno("utimens");
}

/* Directories that deny to be searched stay open to links until the end. */
struct closed {
	struct closed *next;
	mode_t mode;
	char path[];
};
static struct closed *closed, **closed_end = &closed;

static void close_later(const char *path, mode_t mode) {
	struct closed *c = malloc(sizeof *c + strlen(path) + 1);
	if (!c) archive_fail_errno("directories");
	*c = (struct closed){.mode = mode};
	strcpy(c->path, path);
	*closed_end = c;
	closed_end = &c->next;
}

static void leave(void) {
	struct level *l = &un.levels[--un.depth];
	if (!(l->mode & S_IXUSR)) close_later(un.path, l->mode);
	settle(l->fd, l->mode | S_IXUSR, &l->mtime);
	close(l->fd);
	un.path[un.levels[un.depth - 1].path_len] = 0;
}

/* Leaves directories until `path` lies in the lowest; gives its last name. */
static const char *place(const char *path) {
	const char *slash = strrchr(path, '/');
	size_t parent = slash ? (size_t)(slash - path) : 0;
	while (un.depth > 1) {
		size_t len = un.levels[un.depth - 1].path_len;
		if (len == parent && memcmp(un.path, path, len) == 0) break;
		leave();
	}
	if (un.levels[un.depth - 1].path_len != parent) malformed("an entry is not in the directory before it");
	return slash ? slash + 1 : path;
}

static int here(void) { return un.levels[un.depth - 1].fd; }

static void write_all(int fd, off_t offset, uint64_t bytes) {
	while (bytes) {
		size_t n = available() < bytes ? available() : (size_t)bytes;
		ssize_t done = pwrite(fd, un.in + un.at, n, offset);
		if (done < 0 && errno == EINTR) continue;
		if (done < 0) archive_fail_errno("write");
		un.at += (size_t)done;
		offset += done;
		bytes -= (uint64_t)done;
	}
}

/* One line of the map of a sparse file. */
static uint64_t map_number(uint64_t *left) {
	uint64_t value = 0;
	for (unsigned i = 0; i < MAP_LINE && *left; i++) {
		unsigned char c;
		take(&c, 1);
		--*left;
		if (c == '\n' && i > 0) return value;
		if (c < '0' || c > '9' || value > INT64_MAX / 100) break;
		value = value * 10 + (uint64_t)(c - '0');
	}
	malformed("the map of a sparse file");
}

static void write_sparse(int fd, const struct tar_entry *e) {
	uint64_t left = e->size, count = map_number(&left), end = 0;
	if (count > TAR_RUNS_MAX) malformed("too many runs");
	uint64_t *runs = calloc(count ? count * 2 : 1, sizeof *runs);
	if (!runs) archive_fail_errno("runs");
	for (uint64_t i = 0; i < count * 2; i++) runs[i] = map_number(&left);
	uint64_t padding = tar_padding(e->size - left);
	if (padding > left) malformed("the map of a sparse file");
	drop(padding);
	left -= padding;
	if (ftruncate(fd, (off_t)e->realsize) < 0) archive_fail_errno("truncate");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t offset = runs[2 * i], bytes = runs[2 * i + 1];
		if (offset < end || offset > e->realsize || bytes > e->realsize - offset || bytes > left) malformed("the map of a sparse file");
		write_all(fd, (off_t)offset, bytes);
		end = offset + bytes;
		left -= bytes;
	}
	if (left) malformed("the map of a sparse file");
	free(runs);
}

static void make_file(const char *name, const struct tar_entry *e) {
	int fd = openat(here(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) archive_fail_errno("create");
	if (e->sparse) write_sparse(fd, e);
	else write_all(fd, 0, e->size);
	settle(fd, e->mode, &e->mtime);
	close(fd);
	drop(tar_padding(e->size));
}

static void make_directory(const char *name, const struct tar_entry *e) {
	if (mkdirat(here(), name, 0700) < 0) archive_fail_errno("mkdir");
	int fd = openat(here(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) archive_fail_errno("open");
	un.levels[un.depth++] = (struct level){fd, strlen(e->path), e->mode, e->mtime};
	strcpy(un.path, e->path);
}

static void make_symlink(const char *name, const struct tar_entry *e) {
	struct timespec times[2] = {e->mtime, e->mtime};
	if (symlinkat(e->target, here(), name) < 0) archive_fail_errno("symlink");
	if (utimensat(here(), name, times, AT_SYMLINK_NOFOLLOW) < 0) archive_fail_errno("utimens");
}

/* The directory that holds the target, reached by real directories alone. */
static int open_parent(const char *target, const char **name) {
	int fd = fcntl(un.levels[0].fd, F_DUPFD_CLOEXEC, 0);
	const char *slash;
	for (; fd >= 0 && (slash = strchr(target, '/')); target = slash + 1) {
		char part[NAME_MAX + 1];
		memcpy(part, target, (size_t)(slash - target));
		part[slash - target] = 0;
		int next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	*name = target;
	return fd;
}

static void close_directories(void) {
	for (const struct closed *c = closed; c; c = c->next) {
		const char *name;
		int parent = open_parent(c->path, &name);
		int fd = parent < 0 ? -1 : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* One that may not be read either: by its name, in a tree that nobody else changes. */
		int done = fd < 0 && errno == EACCES ? fchmodat(parent, name, c->mode, 0) : fd < 0 ? -1 : fchmod(fd, c->mode);
		if (done < 0) archive_fail_errno("chmod");
		if (fd >= 0) close(fd);
		close(parent);
	}
}

static void make_link(const char *name, const struct tar_entry *e) {
	const char *last;
	int fd = open_parent(e->target, &last);
	/* Of flags none: a link itself is linked, not followed. */
	if (fd < 0 || linkat(fd, last, here(), name, 0) < 0) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EPERM) malformed("a link to nothing in the archive");
		archive_fail_errno("link");
	}
	close(fd);
}

static void make(const struct tar_entry *e) {
	const char *name = place(e->path);
	un.entries++;
	if (e->type == TAR_DIRECTORY) make_directory(name, e);
	else if (e->type == TAR_SYMLINK) make_symlink(name, e);
	else if (e->type == TAR_HARD_LINK) make_link(name, e);
	else make_file(name, e);
}

static bool is_zero(const unsigned char *block) {
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i]) return false;
	return true;
}

static void entries(void) {
	static struct tar_read read;
	static char pax[TAR_PAX_MAX];
	unsigned char block[TAR_BLOCK];
	size_t pax_len = 0;
	for (;;) {
		take(block, sizeof block);
		if (is_zero(block)) break;
		char type;
		uint64_t size;
		if (!tar_peek(block, &type, &size)) malformed("a header");
		if (type == TAR_PAX) {
			if (pax_len || size == 0 || size > sizeof pax) malformed("a pax header");
			pax_len = (size_t)size;
			take(pax, pax_len);
			drop(tar_padding(size));
			continue;
		}
		if (!tar_parse(&read, block, pax, pax_len)) malformed("an entry");
		pax_len = 0;
		make(&read.entry);
	}
	if (pax_len) malformed("the end");
	take(block, sizeof block);
	if (!is_zero(block)) malformed("the end");
}

int run_unpack(const char *root) {
	/* A file that is too large is an error of write. */
	signal(SIGXFSZ, SIG_IGN);
	umask(0);
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) archive_fail_errno("open the root");
	un.levels[0] = (struct level){.fd = fd};
	un.depth = 1;
	entries();
	while (un.depth > 1) leave();
	close_directories();
	/* Whoever reads "done" may remove what this is a copy of. */
	if (syncfs(fd) < 0) archive_fail_errno("sync");
	printf("done %llu\n", (unsigned long long)un.entries);
	return fflush(stdout) == 0 ? ARCHIVE_OK : ARCHIVE_FAILED;
}
