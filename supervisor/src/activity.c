#include "activity.h"

#include "clock.h"
#include "proto.h"

static uint64_t started_ms, used_ms, held_until_ms;
/* The connection whose hold it is. */
static uint32_t holder;

void activity_open(void) { started_ms = used_ms = monotonic_ms(); }

uint64_t activity_uptime_ms(void) { return monotonic_ms() - started_ms; }

void activity_touch(void) { used_ms = monotonic_ms(); }

bool activity_counts(uint8_t type) {
	switch (type) {
	case T_HELLO:
	case T_PING:
	case T_INFO:
	case T_QUIESCE:
	case T_CLAIM:
	case T_USAGE:
	case T_COMMANDS:
	case T_WAIT:
	case T_OUTPUT: return false;
	default: return true;
	}
}

uint64_t activity_idle_ms(uint32_t running) { return running ? 0 : monotonic_ms() - used_ms; }

struct quiesced_reply activity_quiesce(uint32_t asker, uint64_t min_idle_ms, uint32_t hold_ms, uint32_t running, uint32_t open) {
	struct quiesced_reply r = {.idle_ms = activity_idle_ms(running), .running = running};
	bool others = activity_held() && holder != asker;
	r.ok = !running && !open && r.idle_ms >= min_idle_ms && !others;
	if (!hold_ms && !others) held_until_ms = 0;
	if (hold_ms && r.ok) {
		held_until_ms = monotonic_ms() + hold_ms;
		holder = asker;
	}
	return r;
}

bool activity_held(void) { return held_until_ms && monotonic_ms() < held_until_ms; }
