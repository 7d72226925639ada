/* Writes the tree below a directory as an archive: names in the order of their bytes, a directory before what is in it, so that the same
 * tree always gives the same archive. The tree is hostile: no link is followed, nothing but regular files is opened, and one that changes
 * under the reader still gives a well-formed archive. */
#include "archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_fault.h"
#include "pack_links.h"
#include "tar.h"

#define OUT_BYTES (256u * 1024u)

static struct {
	bool unlock, changed;
	dev_t device;
	char path[TAR_PATH];
	size_t path_len;
	unsigned char out[OUT_BYTES];
	size_t used;
} pack;

static void flush(void) {
	for (size_t at = 0; at < pack.used;) {
		ssize_t n = write(STDOUT_FILENO, pack.out + at, pack.used - at);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) archive_fail_errno("write");
		at += (size_t)n;
	}
	pack.used = 0;
}

static unsigned char *room(size_t bytes) {
	if (OUT_BYTES - pack.used < bytes) flush();
	return pack.out + pack.used;
}

static void zeros(uint64_t bytes) {
	while (bytes) {
		size_t n = bytes < OUT_BYTES ? (size_t)bytes : OUT_BYTES;
		memset(room(n), 0, n);
		pack.used += n;
		bytes -= n;
	}
}

static void header(struct tar_entry *e) {
	e->path = pack.path;
	if (!e->target) e->target = "";
	pack.used += tar_header(room(TAR_HEADER_MAX), e);
}

static struct tar_entry entry_of(char type, const struct stat *st) {
	return (struct tar_entry){.type = type, .mode = st->st_mode & 07777, .mtime = st->st_mtim};
}

/* Exactly `bytes` of the file from `offset` on; what is missing of a file that shrank is zeros. */
static void copy(int fd, off_t offset, uint64_t bytes) {
	while (bytes) {
		unsigned char *to = room(bytes < OUT_BYTES / 2 ? (size_t)bytes : OUT_BYTES / 2);
		size_t space = OUT_BYTES - pack.used, want = bytes < space ? (size_t)bytes : space;
		ssize_t n = pread(fd, to, want, offset);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) archive_fail_errno("read");
		if (n == 0) {
			pack.changed = true;
			zeros(bytes);
			return;
		}
		pack.used += (size_t)n;
		offset += n;
		bytes -= (uint64_t)n;
	}
}

struct run {
	off_t offset, bytes;
};

/* Where a file has data. `count` 0 for one without holes, or with too many. */
static struct run *runs_of(int fd, const struct stat *st, size_t *count) {
	*count = 0;
	if ((off_t)st->st_blocks * 512 >= st->st_size) return NULL;
	if (lseek(fd, 0, SEEK_HOLE) >= st->st_size) return NULL;
	struct run *runs = NULL;
	size_t capacity = 0;
	for (off_t at = 0; at < st->st_size;) {
		off_t data = lseek(fd, at, SEEK_DATA);
		/* ENXIO: a hole to the end, told by a run without bytes. */
		if (data < 0 && errno != ENXIO) break;
		if (data < 0 || data > st->st_size) data = st->st_size;
		off_t hole = data == st->st_size ? data : lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole > st->st_size) hole = st->st_size;
		if (*count == TAR_RUNS_MAX) break;
		if (*count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			struct run *more = realloc(runs, capacity * sizeof *runs);
			if (!more) archive_fail_errno("runs");
			runs = more;
		}
		runs[(*count)++] = (struct run){data, hole - data};
		at = hole;
		if (at == st->st_size) return runs;
	}
	*count = 0;
	return runs;
}

static void content(int fd, const struct stat *st) {
	struct tar_entry e = entry_of(TAR_FILE, st);
	size_t count;
	struct run *runs = runs_of(fd, st, &count);
	if (!count) {
		e.size = (uint64_t)st->st_size;
		header(&e);
		copy(fd, 0, e.size);
	} else {
		char line[48];
		uint64_t map = (uint64_t)sprintf(line, "%zu\n", count), data = 0;
		for (size_t i = 0; i < count; i++) {
			map += (uint64_t)sprintf(line, "%lld\n%lld\n", (long long)runs[i].offset, (long long)runs[i].bytes);
			data += (uint64_t)runs[i].bytes;
		}
		e.sparse = true;
		e.realsize = (uint64_t)st->st_size;
		e.size = map + tar_padding(map) + data;
		header(&e);
		pack.used += (size_t)sprintf((char *)room(sizeof line), "%zu\n", count);
		for (size_t i = 0; i < count; i++)
			pack.used += (size_t)sprintf((char *)room(sizeof line), "%lld\n%lld\n", (long long)runs[i].offset, (long long)runs[i].bytes);
		zeros(tar_padding(map));
		for (size_t i = 0; i < count; i++) copy(fd, runs[i].offset, (uint64_t)runs[i].bytes);
	}
	free(runs);
	zeros(tar_padding(e.size));
}

/* Opens what denies its owner to read; the mode is put back as soon as that is possible. */
static int open_entry(int dir, const char *name, int flags, const struct stat *st, mode_t needed) {
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);
	if (fd >= 0 && (needed & S_IXUSR) && !(st->st_mode & S_IXUSR)) {
		close(fd);
		fd = -1;
		errno = EACCES;
	}
	if (fd >= 0 || errno != EACCES || st->st_uid != geteuid()) return fd;
	if (!pack.unlock) archive_fail(ARCHIVE_LOCKED, "an entry denies its owner to read");
	if (fchmodat(dir, name, (st->st_mode & 07777) | needed, 0) < 0) archive_fail_errno("chmod");
	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);
}

static void lock_again(int fd, const struct stat *st, mode_t needed) {
	bool unlocked = (st->st_mode & needed) != needed && st->st_uid == geteuid();
	if (pack.unlock && unlocked && fchmod(fd, st->st_mode & 07777) < 0) archive_fail_errno("chmod");
}

static bool is_same(const struct stat *a, const struct stat *b) {
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void skip(char type, const struct stat *st) {
	struct tar_entry e = entry_of(type, st);
	header(&e);
}

static void file(int dir, const char *name, const struct stat *st) {
	int fd = open_entry(dir, name, 0, st, S_IRUSR);
	if (fd < 0 && errno == EACCES) {
		skip(TAR_UNREADABLE, st);
		return;
	}
	struct stat now, after;
	if (fd < 0 || fstat(fd, &now) < 0) archive_fail_errno("open");
	lock_again(fd, st, S_IRUSR);
	now.st_mode = st->st_mode;
	if (!is_same(&now, st)) pack.changed = true;
	content(fd, &now);
	if (fstat(fd, &after) < 0 || !is_same(&now, &after)) pack.changed = true;
	close(fd);
}

static void symlink_entry(int dir, const char *name, const struct stat *st) {
	char target[TAR_PATH];
	ssize_t n = readlinkat(dir, name, target, sizeof target);
	if (n < 0) archive_fail_errno("readlink");
	if (n == 0 || (size_t)n == sizeof target) archive_fail(ARCHIVE_TOO_DEEP, "a link is too long");
	target[n] = 0;
	struct tar_entry e = entry_of(TAR_SYMLINK, st);
	e.mode = 0777;
	e.target = target;
	header(&e);
}

static void tree(int dir);

static void directory(int dir, const char *name, const struct stat *st) {
	int fd = open_entry(dir, name, O_DIRECTORY, st, S_IRUSR | S_IXUSR);
	if (fd < 0 && errno == EACCES) {
		skip(TAR_UNREADABLE, st);
		return;
	}
	if (fd < 0) archive_fail_errno("open");
	struct tar_entry e = entry_of(TAR_DIRECTORY, st);
	header(&e);
	tree(fd);
	lock_again(fd, st, S_IRUSR | S_IXUSR);
	close(fd);
}

static void entry(int dir, const char *name) {
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT) archive_fail_errno("stat");
		pack.changed = true;
		return;
	}
	/* Another file system: nothing of the workspace. */
	if (st.st_dev != pack.device) {
		skip(TAR_UNREADABLE, &st);
		return;
	}
	bool linked = st.st_nlink > 1 && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
	const char *first = linked ? links_first(st.st_ino, pack.path) : NULL;
	if (first) {
		struct tar_entry e = entry_of(TAR_HARD_LINK, &st);
		e.target = first;
		header(&e);
	} else if (S_ISREG(st.st_mode)) file(dir, name, &st);
	else if (S_ISDIR(st.st_mode)) directory(dir, name, &st);
	else if (S_ISLNK(st.st_mode)) symlink_entry(dir, name, &st);
	else if (S_ISFIFO(st.st_mode)) skip(TAR_FIFO, &st);
	else if (S_ISCHR(st.st_mode)) skip(TAR_CHAR_DEVICE, &st);
	else if (S_ISBLK(st.st_mode)) skip(TAR_BLOCK_DEVICE, &st);
	else skip(TAR_SOCKET, &st);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static char **names_in(int dir, size_t *count) {
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) archive_fail_errno("open");
	char **names = NULL;
	size_t capacity = 0;
	*count = 0;
	const struct dirent *d;
	while (errno = 0, (d = readdir(stream))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
		if (*count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			char **more = realloc(names, capacity * sizeof *names);
			if (!more) archive_fail_errno("names");
			names = more;
		}
		if (!(names[(*count)++] = strdup(d->d_name))) archive_fail_errno("names");
	}
	if (errno) archive_fail_errno("readdir");
	closedir(stream);
	if (*count) qsort(names, *count, sizeof *names, by_bytes);
	return names;
}

static void tree(int dir) {
	size_t count;
	char **names = names_in(dir, &count);
	size_t outer = pack.path_len;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(names[i]), slash = outer ? 1 : 0;
		if (outer + slash + len >= TAR_PATH) archive_fail(ARCHIVE_TOO_DEEP, "a path is too long");
		if (slash) pack.path[outer] = '/';
		memcpy(pack.path + outer + slash, names[i], len + 1);
		pack.path_len = outer + slash + len;
		entry(dir, names[i]);
		pack.path_len = outer;
		pack.path[outer] = 0;
		free(names[i]);
	}
	free(names);
}

int run_pack(const char *root, bool unlock) {
	/* A host that went away is an error of write. */
	signal(SIGPIPE, SIG_IGN);
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (dir < 0 || fstat(dir, &st) < 0) archive_fail_errno("open the root");
	pack.unlock = unlock;
	pack.device = st.st_dev;
	tree(dir);
	zeros(2 * TAR_BLOCK);
	flush();
	return pack.changed ? ARCHIVE_CHANGED : ARCHIVE_OK;
}
