#include <stddef.h>

#include "clock.h"
#include "command.h"

/* Of ended commands. */
#define SPOOL_MAX (48u * 1024 * 1024)
#define MEMORY_MAX (8u * 1024 * 1024)

struct held {
	size_t spool, memory;
};

static struct held held_by(const struct command *c) {
	return (struct held){
		store_spool_bytes(&c->out.store) + store_spool_bytes(&c->err.store),
		store_memory_bytes(&c->out.store) + store_memory_bytes(&c->err.store),
	};
}

/* Its processes were left behind and still write: closing its pipes would end them. */
static bool writes(const struct command *c) { return stream_is_open(&c->out) || stream_is_open(&c->err); }

static struct command *oldest(bool writing) {
	for (struct command *c = command_first(); c; c = c->next)
		if (c->settled && !c->ending && !c->private && writes(c) == writing && (!writing || held_by(c).spool + held_by(c).memory)) return c;
	return NULL;
}

static struct command *oldest_settled(bool private) {
	struct command *c = command_first();
	while (c && (!c->settled || c->ending || c->private != private)) c = c->next;
	return c;
}

/* The oldest private command whose end would help. Not the newest one: its host may be about to read it. */
static struct command *oldest_private(bool spool, bool memory) {
	struct command *found = NULL;
	for (struct command *c = command_first(); c; c = c->next) {
		if (!c->settled || !c->private) continue;
		if (found) return found;
		struct held h = held_by(c);
		if (!c->ending && ((spool && h.spool) || (memory && h.memory))) found = c;
	}
	return NULL;
}

static struct held held_by_all(void) {
	struct held sum = {0};
	for (const struct command *c = command_first(); c; c = c->next) {
		if (!c->settled) continue;
		struct held h = held_by(c);
		sum.spool += h.spool;
		sum.memory += h.memory;
	}
	return sum;
}

static void on_forget(struct timer *t) {
	struct command *c = OWNER(t, struct command, forget);
	/* What it left behind is being ended; that has still to say when it is done. */
	if (c->ending) command_forget_later(c);
	else command_free(c);
}

void command_forget_later(struct command *c) {
	c->forget.fire = on_forget;
	timer_set(&c->forget, monotonic_ms() + PRIVATE_FORGET_MS);
}

void commands_trim(void) {
	for (;;) {
		struct held sum = held_by_all();
		struct command_count ended = commands_retained();
		bool spool = sum.spool > SPOOL_MAX, memory = sum.memory > MEMORY_MAX;
		bool full = spool || memory, many = ended.listed > RETAINED_MAX;
		/* Private ones first: what is the user's is not given up for what its host has read already. */
		struct command *c = ended.private > PRIVATE_MAX ? oldest_settled(true) : oldest_private(spool, memory);
		if (c) {
			command_free(c);
			continue;
		}
		if (!full && !many) return;
		c = oldest(false);
		if (c) {
			command_free(c);
			continue;
		}
		/* Only such that still write are left: their output is forgotten, and counted on. Their number is bounded all the same. */
		c = oldest(true);
		if (c && full) {
			store_discard(&c->out.store);
			store_discard(&c->err.store);
			continue;
		}
		c = many ? oldest_settled(false) : NULL;
		if (!c) return;
		command_free(c);
	}
}
