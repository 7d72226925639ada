#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the first part, and of the ring behind it. */
static uint64_t keep_of(const struct store *s) {
	switch (s->place) {
	case STORE_MEMORY:
	case STORE_RING: return STORE_SPILL;
	case STORE_FILE: return STORE_KEEP;
	default: return 0;
	}
}

/* Where the byte at offset `at` lies in the memory or the file, and how many follow it there in a row. */
static uint64_t position(uint64_t keep, uint64_t at, uint64_t *run) {
	if (at < keep) {
		*run = keep - at;
		return at;
	}
	uint64_t in_ring = (at - keep) % keep;
	*run = keep - in_ring;
	return keep + in_ring;
}

void store_open(struct store *s, struct spool *spool, const char *name) {
	*s = (struct store){.fd = -1, .spool = spool};
	size_t len = strnlen(name, STORE_NAME_MAX - 1);
	memcpy(s->name, name, len);
}

static void release(struct store *s) {
	free(s->memory);
	s->memory = NULL;
	s->capacity = 0;
	if (s->fd < 0) return;
	close(s->fd);
	s->fd = -1;
	spool_remove(s->spool, s->name);
}

void store_discard(struct store *s) {
	release(s);
	s->place = STORE_NOWHERE;
}

static bool grow(struct store *s, size_t need) {
	if (need <= s->capacity) return true;
	size_t capacity = s->capacity ? s->capacity : 1024;
	while (capacity < need) capacity *= 2;
	uint8_t *memory = realloc(s->memory, capacity);
	if (!memory) return false;
	s->memory = memory;
	s->capacity = capacity;
	return true;
}

/* Writes at the end, as far as it goes. */
static size_t put_file(struct store *s, const uint8_t *data, size_t len) {
	size_t done = 0;
	while (done < len) {
		uint64_t run;
		uint64_t at = position(STORE_KEEP, s->total, &run);
		size_t n = len - done < run ? len - done : (size_t)run;
		ssize_t written = pwrite(s->fd, data + done, n, (off_t)at);
		if (written <= 0) break;
		done += (size_t)written;
		s->total += (size_t)written;
	}
	return done;
}

static void put_ring(struct store *s, const uint8_t *data, size_t len) {
	while (len) {
		uint64_t run;
		uint64_t at = position(STORE_SPILL, s->total, &run);
		size_t n = len < run ? len : (size_t)run;
		memcpy(s->memory + at, data, n);
		data += n;
		len -= n;
		s->total += n;
	}
}

/* From the spool file, or from no file at all, to a ring of memory with what it can hold of the bytes so far. */
static void fall_back(struct store *s) {
	uint8_t *ring = calloc(2, STORE_SPILL);
	if (!ring) {
		store_discard(s);
		return;
	}
	struct store old = *s;
	uint64_t first = old.total < STORE_SPILL ? old.total : STORE_SPILL;
	store_read(&old, 0, ring, (size_t)first);
	uint64_t from = old.total > 2u * STORE_SPILL ? old.total - STORE_SPILL : first;
	for (uint64_t at = from; at < old.total;) {
		uint64_t run;
		uint64_t to = position(STORE_SPILL, at, &run);
		uint64_t left = old.total - at;
		size_t n = (size_t)(left < run ? left : run);
		store_read(&old, at, ring + to, n);
		at += n;
	}
	release(s);
	s->place = STORE_RING;
	s->memory = ring;
	s->capacity = 2u * STORE_SPILL;
}

/* From memory to a new spool file. */
static void spill(struct store *s) {
	s->fd = spool_create(s->spool, s->name);
	if (s->fd < 0) {
		fall_back(s);
		return;
	}
	uint64_t total = s->total;
	s->total = 0;
	if (put_file(s, s->memory, (size_t)total) < total) {
		s->total = total;
		fall_back(s);
		return;
	}
	free(s->memory);
	s->memory = NULL;
	s->capacity = 0;
	s->place = STORE_FILE;
}

void store_append(struct store *s, const uint8_t *data, size_t len) {
	if (!len) return;
	if (s->place == STORE_MEMORY) {
		size_t held = (size_t)s->total;
		if (len <= STORE_SPILL - held && grow(s, held + len)) {
			memcpy(s->memory + held, data, len);
			s->total += len;
			return;
		}
		spill(s);
	}
	if (s->place == STORE_FILE) {
		size_t done = put_file(s, data, len);
		data += done;
		len -= done;
		if (len) fall_back(s);
	}
	if (s->place == STORE_RING) put_ring(s, data, len);
	else if (s->place == STORE_NOWHERE) s->total += len;
}

uint64_t store_first(const struct store *s, uint64_t since) {
	uint64_t keep = keep_of(s);
	if (since >= s->total || keep == 0) return s->total;
	if (since < keep || s->place == STORE_MEMORY) return since;
	uint64_t ring = s->total - keep;
	return since < ring ? ring : since;
}

size_t store_read(const struct store *s, uint64_t at, uint8_t *to, size_t len) {
	size_t done = 0;
	while (done < len && at < s->total && store_first(s, at) == at) {
		uint64_t run;
		uint64_t from = position(keep_of(s), at, &run);
		if (run > s->total - at) run = s->total - at;
		size_t n = len - done < run ? len - done : (size_t)run;
		if (s->place == STORE_FILE) {
			ssize_t got = pread(s->fd, to + done, n, (off_t)from);
			if (got <= 0) break;
			n = (size_t)got;
		} else {
			memcpy(to + done, s->memory + from, n);
		}
		done += n;
		at += n;
	}
	return done;
}

/* Appends `u32 length`, then what can be read of [at, at + len). */
static size_t put_range(const struct store *s, struct buf *out, uint64_t at, size_t len) {
	size_t length_at = out->len;
	put_u32(out, 0);
	if (!len || !buf_reserve(out, len)) return 0;
	size_t n = store_read(s, at, out->data + out->len, len);
	out->len += n;
	set_u32(out, length_at, (uint32_t)n);
	return n;
}

/* The first held byte from which on nothing is missing up to the end. */
static uint64_t ring_start(const struct store *s) {
	uint64_t keep = keep_of(s);
	if (keep == 0) return s->total;
	return s->total > 2 * keep ? s->total - keep : 0;
}

void store_put_captured(const struct store *s, struct buf *out, uint32_t head, uint32_t tail) {
	uint64_t whole_from = ring_start(s);
	if (s->total <= (uint64_t)head + tail && whole_from == 0) {
		put_range(s, out, 0, (size_t)s->total);
		put_u32(out, 0);
		return;
	}
	size_t got = put_range(s, out, 0, s->total < head ? (size_t)s->total : head);
	uint64_t at = s->total > tail ? s->total - tail : 0;
	if (at < whole_from) at = whole_from;
	if (at < got) at = got;
	put_range(s, out, at, (size_t)(s->total - at));
}

bool store_put_page(const struct store *s, struct buf *out, uint64_t since, uint32_t max) {
	uint64_t first = store_first(s, since);
	uint64_t left = s->total - first;
	size_t want = (size_t)(left < max ? left : max);
	put_u64(out, first);
	size_t next_at = out->len;
	put_u64(out, 0);
	size_t n = put_range(s, out, first, want);
	uint64_t next = first + n;
	set_u32(out, next_at, (uint32_t)next);
	set_u32(out, next_at + 4, (uint32_t)(next >> 32));
	return n || !want || out->failed;
}

size_t store_memory_bytes(const struct store *s) { return s->capacity; }

size_t store_spool_bytes(const struct store *s) {
	if (s->place != STORE_FILE) return 0;
	return (size_t)(s->total < 2u * STORE_KEEP ? s->total : 2u * STORE_KEEP);
}
