#include "fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* openat2(2) has no wrapper in libc, and its struct is not in libc's headers. */
struct how {
	uint64_t flags, mode, resolve;
};
#define NO_XDEV 0x01u
#define NO_SYMLINKS 0x04u

struct fault fs_open_regular(const char *path, int *fd, struct stat *st) {
	/* Not open(2): musl's adds an fcntl(2) for kernels that lack O_CLOEXEC. */
	int f = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f < 0) return fs_fault_errno(errno);
	struct fault fault = FS_OK;
	if (fstat(f, st) < 0) fault = fs_fault_errno(errno);
	else if (S_ISDIR(st->st_mode)) fault = fs_fault(E_IS_DIRECTORY);
	else if (!S_ISREG(st->st_mode)) fault = fs_fault(E_NOT_REGULAR);
	if (fault.code) close(f);
	else *fd = f;
	return fault;
}

int fs_open_dir(int base, const char *path, bool one_mount) {
	uint64_t flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct how how = {flags, 0, NO_SYMLINKS | (one_mount ? NO_XDEV : 0)};
	int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof how);
	/* A seccomp filter from before openat2 answers EPERM or ENOSYS. */
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
	return openat(base, path, (int)flags);
}

ssize_t fs_read_full(int fd, void *data, size_t len, off_t at) {
	size_t got = 0;
	while (got < len) {
		ssize_t n = pread(fd, (char *)data + got, len - got, at + (off_t)got);
		if (n == 0) break;
		if (n > 0) got += (size_t)n;
		else if (errno != EINTR) return -1;
	}
	return (ssize_t)got;
}

int64_t fs_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}
