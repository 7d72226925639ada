/* What the tests of the core share. A test is a program that exits with 0 when every CHECK held. */
#ifndef SANDBOX_CHECK_H
#define SANDBOX_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures; /* also counted by threads of a test */

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); \
		} \
	} while (0)

#define CHECK_EQ(got, want) \
	do { \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (got_ != want_) { \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, want_); \
			__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); \
		} \
	} while (0)

#define CHECK_BYTES(got, got_len, want, want_len) \
	do { \
		CHECK_EQ(got_len, want_len); \
		if ((got_len) == (want_len)) CHECK((want_len) == 0 || memcmp(got, want, want_len) == 0); \
	} while (0)

/* A sequence that is the same in every run (xorshift64). */
static inline uint64_t next_random(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline int report(const char *name) {
	printf("%s: %s\n", name, failures ? "FAILED" : "ok");
	return failures != 0;
}

#endif
