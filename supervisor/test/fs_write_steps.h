/* A WRITE of several frames, step by step. */
#ifndef SANDBOX_FS_WRITE_STEPS_H
#define SANDBOX_FS_WRITE_STEPS_H

#include "fs_test.h"

static inline struct fs_write *open_write(const char *path, uint8_t mode, uint8_t flags, uint64_t version, const char *text, int want) {
	struct buf in = {0};
	put_write(&in, path, mode, flags, version, text, strlen(text));
	struct fs_write *w = NULL;
	CHECK_EQ(fs_write_open(slice_of(&in), &w).code, want);
	CHECK((w != NULL) == (want == E_NONE));
	buf_free(&in);
	return w;
}

static inline int write_more(struct fs_write *w, const char *text) {
	return fs_write_data(w, (struct slice){(const uint8_t *)text, strlen(text)}).code;
}

static inline int commit(struct fs_write *w) {
	struct buf out = {0};
	int code = fs_write_commit(w, &out).code;
	if (code) CHECK_EQ(out.len, 0);
	buf_free(&out);
	return code;
}

static inline mode_t mode_of(const char *path) {
	struct stat st;
	must(lstat(path, &st) == 0, path);
	return st.st_mode & 07777;
}

#endif
