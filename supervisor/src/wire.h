/* Reading and writing the fields of a frame's payload (see ../PROTOCOL.md, "Notation"). Little-endian, bounds-checked:
 * a reader that runs past its end sets `bad` and returns zeros, so that a decoder checks once, at the end. */
#ifndef SANDBOX_WIRE_H
#define SANDBOX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buf never grows beyond this: several of the largest frames, and far below a sandbox's memory limit. */
#define BUF_LIMIT (16u * 1024 * 1024)

/* A growable byte buffer. `failed` is set when memory ran out or BUF_LIMIT was passed; later writes do nothing. */
struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

void buf_free(struct buf *b);
bool buf_reserve(struct buf *b, size_t extra);
void buf_put(struct buf *b, const void *data, size_t len);
void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_i32(struct buf *b, int32_t v);
void put_i64(struct buf *b, int64_t v);
void put_bytes(struct buf *b, const void *data, size_t len); /* u32 length, then the bytes */
void put_str(struct buf *b, const char *s);

/* Overwrites four bytes at `at`, for a count or a length that is known only afterwards. */
void set_u32(struct buf *b, size_t at, uint32_t v);

struct slice {
	const uint8_t *data;
	size_t len;
};

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

uint8_t get_u8(struct reader *r);
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
int32_t get_i32(struct reader *r);
int64_t get_i64(struct reader *r);
struct slice get_bytes(struct reader *r);
/* A NUL-terminated copy (malloc) of a str; NULL and bad when it holds a NUL, is cut, or memory ran out. */
char *get_str(struct reader *r);
/* A count of a T[] whose elements take at least `min_size` bytes; 0 and bad when they cannot fit. */
uint32_t get_count(struct reader *r, size_t min_size);
/* True when every byte was read and nothing was wrong. */
bool reader_done(const struct reader *r);

#endif
