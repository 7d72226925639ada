#include "fs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FileInfo and the length of the last piece, in front of it in READ_END. */
#define END_HEAD (FILE_INFO_BYTES + 4u)
#define MAX_PIECE (FRAME_MAX - FRAME_HEADER - END_HEAD)

struct fs_read {
	int fd;
	uint64_t at; /* offset of the next byte */
	uint64_t left; /* of the length that was asked for */
	struct stat st; /* at open: a file that changes while it is read has another version afterwards */
};

struct fault fs_read_open(struct slice in, struct fs_read **out, uint32_t *window) {
	struct reader d = {in.data, in.data + in.len, false};
	struct slice s = get_bytes(&d);
	uint64_t offset = get_u64(&d), length = get_u64(&d);
	*window = get_u32(&d);
	if (!reader_done(&d)) return fs_fault(E_PROTOCOL);
	if (offset > INT64_MAX) return fs_fault(E_INVALID);
	char *path = NULL;
	struct fault f = fs_path(s, &path);
	if (f.code) return f;
	struct fs_read *r = malloc(sizeof *r);
	f = r ? fs_open_regular(path, &r->fd, &r->st) : fs_fault(E_RESOURCES);
	free(path);
	bool beyond = false;
	if (!f.code && offset && lseek(r->fd, (off_t)offset, SEEK_SET) < 0) {
		beyond = errno == EINVAL; /* past what the file system can hold, so past the end */
		if (!beyond) {
			f = fs_fault_errno(errno);
			close(r->fd);
		}
	}
	if (f.code) {
		free(r);
		return f;
	}
	r->at = offset;
	r->left = beyond ? 0 : length ? length : UINT64_MAX;
	*out = r;
	return FS_OK;
}

/* A short read is the end of a file that has at least the size it said. Others (procfs: size 0; sysfs: size 4096 whatever the
 * content) are at their end when a read gives nothing. */
static bool at_end(const struct fs_read *r, size_t want, size_t got) {
	if (got == 0 || r->left == 0) return true;
	return got < want && r->st.st_size > 0 && r->at >= (uint64_t)r->st.st_size;
}

/* How much to ask for: not more memory than the file is likely to need, and one byte beyond its size, so that its end is seen. */
static size_t piece(const struct fs_read *r, size_t max) {
	uint64_t want = max < MAX_PIECE ? max : MAX_PIECE;
	uint64_t size = r->st.st_size > 0 ? (uint64_t)r->st.st_size : 0;
	if (size > r->at && size - r->at < want) want = size - r->at + 1;
	return (size_t)(r->left < want ? r->left : want);
}

struct fault fs_read_next(struct fs_read *r, struct buf *out, size_t max, bool *end) {
	*end = false;
	if (max == 0) return FS_OK;
	size_t want = piece(r, max);
	if (!buf_reserve(out, END_HEAD + want)) return fs_fault(E_RESOURCES);
	/* The bytes go where they belong in the frame that is likely; a wrong guess costs one move. */
	bool last = r->st.st_size < 0 || r->at + want >= (uint64_t)r->st.st_size || want == r->left;
	uint8_t *frame = out->data + out->len, *data = frame + (last ? END_HEAD : 0);
	ssize_t n;
	do n = want ? read(r->fd, data, want) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0) return fs_fault_errno(errno);
	size_t got = (size_t)n;
	r->at += got;
	r->left -= got;
	*end = at_end(r, want, got);
	uint8_t *place = frame + (*end ? END_HEAD : 0);
	if (place != data) memmove(place, data, got);
	if (*end) {
		fs_put_stat(out, &r->st);
		put_u32(out, (uint32_t)got);
	}
	out->len += got;
	return FS_OK;
}

void fs_read_close(struct fs_read *r) {
	if (!r) return;
	close(r->fd);
	free(r);
}
