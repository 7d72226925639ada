/* Overwrite and create: all goes to a temporary file beside the target, which takes the target's name when it is whole and durable.
 * Until that rename(2) the old file is untouched, whatever fails. */
#include "fs_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define HEX 16
#define EXTRA (1 + 1 + HEX + 4) /* the dot in front, `.<hex>.tmp` behind */

static bool name_temp(struct fs_write *w) {
	uint64_t random;
	if (getrandom(&random, sizeof random, 0) != sizeof random) return false;
	snprintf(w->temp, sizeof w->temp, ".%.*s.%016llx.tmp", NAME_MAX - EXTRA, w->place.name, (unsigned long long)random);
	return true;
}

struct fault fs_temp_open(struct fs_write *w) {
	/* rename(2) would replace a file that its owner made read-only; the user's right to write it decides, as it does in a shell. */
	if (w->existed && faccessat(w->place.dir, w->place.name, W_OK, 0) < 0 && errno != ENOENT) return fs_fault_errno(errno);
	/* A new file gets its mode here, from the umask; an old one's is restored at the end, until then nobody else can read. */
	mode_t mode = w->existed ? 0600 : w->flags & W_EXECUTABLE ? 0777 : 0666;
	for (int tries = 0; tries < 8; tries++) {
		if (!name_temp(w)) return fs_fault_errno(errno);
		w->fd = openat(w->place.dir, w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (w->fd >= 0) return FS_OK;
		if (errno != EEXIST) break;
	}
	return fs_fault_errno(errno);
}

void fs_temp_undo(struct fs_write *w) { unlinkat(w->place.dir, w->temp, 0); }

struct fault fs_temp_commit(struct fs_write *w, struct stat *st) {
	bool kept = w->existed;
	mode_t mode = w->kept;
	struct fault f = fs_write_check(w); /* the target may have changed while the data came */
	if (f.code) return f;
	if (w->existed) mode = w->kept;
	if (w->flags & W_EXECUTABLE) mode |= (mode & 0444) >> 2;
	if ((kept || w->existed) && fchmod(w->fd, mode) < 0) return fs_fault_errno(errno);
	if (fsync(w->fd) < 0 || fstat(w->fd, st) < 0) return fs_fault_errno(errno);
	int dir = w->place.dir;
	/* fsync may have taken long: the last look is right before the rename. */
	if (w->if_version && (f = fs_write_check(w)).code) return f;
	int bad = w->mode == W_CREATE ? fs_rename_new(dir, w->temp, dir, w->place.name) : renameat(dir, w->temp, dir, w->place.name);
	if (bad) return fs_fault_errno(errno);
	/* A name that was there is there after a crash of the host too, with the old content or the new, both whole. */
	if (w->existed) return FS_OK;
	/* A new name has to be made to last. The file is in place already: an error says only that it may not survive a crash. */
	return fs_sync_dir(&w->place);
}
