#include "wire.h"

#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b) {
	free(b->data);
	*b = (struct buf){0};
}

bool buf_reserve(struct buf *b, size_t extra) {
	if (b->failed) return false;
	if (extra <= b->cap - b->len) return true;
	if (extra > BUF_LIMIT - b->len) {
		b->failed = true;
		return false;
	}
	size_t need = b->len + extra;
	size_t cap = b->cap < 256 ? 256 : b->cap;
	while (cap < need) cap *= 2;
	if (cap > BUF_LIMIT) cap = BUF_LIMIT;
	uint8_t *data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, const void *data, size_t len) {
	if (len == 0 || !buf_reserve(b, len)) return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

/* The low `size` bytes of v, least significant first, whatever the byte order of the machine is. */
static void store_le(uint8_t *at, uint64_t v, size_t size) {
	for (size_t i = 0; i < size; i++) at[i] = (uint8_t)(v >> (8 * i));
}

static void put_le(struct buf *b, uint64_t v, size_t size) {
	uint8_t bytes[8];
	store_le(bytes, v, size);
	buf_put(b, bytes, size);
}

void put_u8(struct buf *b, uint8_t v) { put_le(b, v, 1); }
void put_u16(struct buf *b, uint16_t v) { put_le(b, v, 2); }
void put_u32(struct buf *b, uint32_t v) { put_le(b, v, 4); }
void put_u64(struct buf *b, uint64_t v) { put_le(b, v, 8); }
void put_i32(struct buf *b, int32_t v) { put_le(b, (uint32_t)v, 4); }
void put_i64(struct buf *b, int64_t v) { put_le(b, (uint64_t)v, 8); }

void put_bytes(struct buf *b, const void *data, size_t len) {
	if (len > BUF_LIMIT) {
		b->failed = true;
		return;
	}
	put_u32(b, (uint32_t)len);
	buf_put(b, data, len);
}

void put_str(struct buf *b, const char *s) { put_bytes(b, s, strlen(s)); }

void set_u32(struct buf *b, size_t at, uint32_t v) {
	if (b->failed || b->len < 4 || at > b->len - 4) return;
	store_le(b->data + at, v, 4);
}

static uint64_t get_le(struct reader *r, size_t size) {
	if (r->bad || (size_t)(r->end - r->at) < size) {
		r->bad = true;
		return 0;
	}
	uint64_t v = 0;
	for (size_t i = 0; i < size; i++) v |= (uint64_t)r->at[i] << (8 * i);
	r->at += size;
	return v;
}

uint8_t get_u8(struct reader *r) { return (uint8_t)get_le(r, 1); }
uint16_t get_u16(struct reader *r) { return (uint16_t)get_le(r, 2); }
uint32_t get_u32(struct reader *r) { return (uint32_t)get_le(r, 4); }
uint64_t get_u64(struct reader *r) { return get_le(r, 8); }

/* Two's complement without relying on how the compiler converts an unsigned value that does not fit. */
int32_t get_i32(struct reader *r) {
	uint32_t v = get_u32(r);
	int32_t out;
	memcpy(&out, &v, sizeof out);
	return out;
}

int64_t get_i64(struct reader *r) {
	uint64_t v = get_u64(r);
	int64_t out;
	memcpy(&out, &v, sizeof out);
	return out;
}

struct slice get_bytes(struct reader *r) {
	uint32_t len = get_u32(r);
	if (r->bad || (size_t)(r->end - r->at) < len) {
		r->bad = true;
		return (struct slice){0};
	}
	struct slice s = {r->at, len};
	r->at += len;
	return s;
}

char *get_str(struct reader *r) {
	struct slice s = get_bytes(r);
	if (r->bad || (s.len && memchr(s.data, 0, s.len))) {
		r->bad = true;
		return NULL;
	}
	char *copy = malloc(s.len + 1);
	if (!copy) {
		r->bad = true;
		return NULL;
	}
	if (s.len) memcpy(copy, s.data, s.len);
	copy[s.len] = 0;
	return copy;
}

uint32_t get_count(struct reader *r, size_t min_size) {
	uint32_t count = get_u32(r);
	if (r->bad || count > (size_t)(r->end - r->at) / min_size) {
		r->bad = true;
		return 0;
	}
	return count;
}

bool reader_done(const struct reader *r) { return !r->bad && r->at == r->end; }
