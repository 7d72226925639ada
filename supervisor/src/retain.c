#include <stddef.h>

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
		if (c->settled && !c->ending && writes(c) == writing && (!writing || held_by(c).spool + held_by(c).memory)) return c;
	return NULL;
}

static struct command *oldest_settled(void) {
	struct command *c = command_first();
	while (c && (!c->settled || c->ending)) c = c->next;
	return c;
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

void commands_trim(void) {
	for (;;) {
		struct held sum = held_by_all();
		bool full = sum.spool > SPOOL_MAX || sum.memory > MEMORY_MAX, many = commands_retained() > RETAINED_MAX;
		if (!full && !many) return;
		struct command *c = oldest(false);
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
		c = many ? oldest_settled() : NULL;
		if (!c) return;
		command_free(c);
	}
}
