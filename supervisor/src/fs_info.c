#include "fs_internal.h"

static uint8_t file_type(mode_t mode) {
	if (S_ISREG(mode)) return F_FILE;
	if (S_ISDIR(mode)) return F_DIRECTORY;
	if (S_ISLNK(mode)) return F_SYMLINK;
	return F_OTHER;
}

static int64_t mtime_ns(const struct stat *st) {
	int64_t ns;
	if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, (int64_t)1000000000, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)st->st_mtim.tv_nsec, &ns))
		return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

/* The finaliser of splitmix64: every input bit changes every output bit. */
static uint64_t mix(uint64_t x) {
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t fs_version(const struct stat *st) {
	if (!S_ISREG(st->st_mode)) return 0;
	uint64_t h = mix((uint64_t)st->st_ino);
	h = mix(h ^ (uint64_t)st->st_size);
	h = mix(h ^ (uint64_t)st->st_mtim.tv_sec);
	h = mix(h ^ (uint64_t)st->st_mtim.tv_nsec);
	return h ? h : 1;
}

struct file_info fs_info(const struct stat *st) {
	return (struct file_info){
		.type = file_type(st->st_mode),
		.mode = st->st_mode & 07777,
		.size = st->st_size < 0 ? 0 : (uint64_t)st->st_size,
		.mtime_ns = mtime_ns(st),
		.version = fs_version(st),
	};
}

void fs_put_info(struct buf *out, const struct file_info *info) {
	put_u8(out, info->type);
	put_u32(out, info->mode);
	put_u64(out, info->size);
	put_i64(out, info->mtime_ns);
	put_u64(out, info->version);
}

void fs_put_stat(struct buf *out, const struct stat *st) {
	struct file_info info = fs_info(st);
	fs_put_info(out, &info);
}
