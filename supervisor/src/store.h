/* What one stream of a command has written: the first bytes and the newest, within fixed bounds (../PROTOCOL.md, "Commands").
 * Up to STORE_SPILL bytes are kept in memory; then all moves to a spool file that holds the first STORE_KEEP bytes and a ring of the
 * newest STORE_KEEP. When that file cannot be written, the same shape with STORE_SPILL instead is kept in memory. */
#ifndef SANDBOX_STORE_H
#define SANDBOX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool.h"
#include "wire.h"

#define STORE_SPILL (64u * 1024)
#define STORE_KEEP (8u * 1024 * 1024)
#define STORE_NAME_MAX 32

enum store_place {
	STORE_MEMORY, /* all of it, up to STORE_SPILL */
	STORE_FILE,
	STORE_RING, /* of memory */
	STORE_NOWHERE, /* counted only */
};

struct store {
	uint64_t total; /* bytes ever appended */
	enum store_place place;
	uint8_t *memory;
	size_t capacity; /* of memory */
	int fd;
	struct spool *spool;
	char name[STORE_NAME_MAX];
};

/* `spool` must outlive the store; `name` is copied. */
void store_open(struct store *s, struct spool *spool, const char *name);
/* Never fails: what cannot be kept is counted. */
void store_append(struct store *s, const uint8_t *data, size_t len);
/* The first offset at or after `since` that is still held; `total` if there is none. */
uint64_t store_first(const struct store *s, uint64_t since);
/* Copies up to `len` bytes from offset `at` on; stops where bytes are gone, also those that hostile code cut from the spool file. */
size_t store_read(const struct store *s, uint64_t at, uint8_t *to, size_t len);
/* Appends `bytes head, bytes tail`: all as head if it fits into head + tail, else the first `head` and the last `tail` bytes. */
void store_put_captured(const struct store *s, struct buf *out, uint32_t head, uint32_t tail);
/* Appends `u64 first, u64 next, bytes data`. False if bytes are there to be read but none could be. */
bool store_put_page(const struct store *s, struct buf *out, uint64_t since, uint32_t max);
size_t store_memory_bytes(const struct store *s);
size_t store_spool_bytes(const struct store *s);
/* Forgets all bytes and removes the file; later ones are only counted. */
void store_discard(struct store *s);

#endif
