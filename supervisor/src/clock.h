/* Clocks. Deadlines and durations use CLOCK_MONOTONIC: setting the time of day must not end or stretch a command. */
#ifndef SANDBOX_CLOCK_H
#define SANDBOX_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Microseconds since some fixed point. */
static inline uint64_t monotonic_us(void) { return clock_us(CLOCK_MONOTONIC); }

/* The same in milliseconds: the unit of timers. */
static inline uint64_t monotonic_ms(void) { return monotonic_us() / 1000u; }

/* Milliseconds since 1970, for people to read. */
static inline int64_t unix_ms(void) { return (int64_t)(clock_us(CLOCK_REALTIME) / 1000u); }

#endif
