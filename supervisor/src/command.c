#include "command.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

static struct spool spool;
static char boot_prefix[4];
static uint64_t counter;
static struct command *first, *last;
static struct command_count running, retained;

bool commands_open(const char *spool_dir) {
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t random[3];
	if (getrandom(random, sizeof random, 0) != sizeof random) return false;
	for (size_t i = 0; i < sizeof random; i++) boot_prefix[i] = digits[random[i] % (sizeof digits - 1)];
	spool_open(&spool, spool_dir);
	return true;
}

void commands_forget_spool(void) { spool_forget(&spool); }

struct command *command_first(void) { return first; }
struct command_count commands_running(void) { return running; }
struct command_count commands_retained(void) { return retained; }
uint32_t commands_running_all(void) { return running.listed + running.private; }

static uint32_t *count_of(struct command_count *count, const struct command *c) { return c->private ? &count->private : &count->listed; }

struct command *command_find(struct slice ref) {
	for (struct command *c = first; c; c = c->next) {
		if (ref.len == KEY_BYTES ? memcmp(c->key, ref.data, KEY_BYTES) == 0 : ref.len == strlen(c->id) && memcmp(c->id, ref.data, ref.len) == 0)
			return c;
	}
	return NULL;
}

static void out_changed(struct stream *s) { command_wake(OWNER(s, struct command, out)); }
static void err_changed(struct stream *s) { command_wake(OWNER(s, struct command, err)); }

static void on_deadline(struct timer *t) {
	struct command *c = OWNER(t, struct command, deadline);
	command_end(c, S_TIMED_OUT, c->grace_ms);
}

struct command *command_new(const struct start_request *r) {
	struct command *c = calloc(1, sizeof *c);
	if (!c) return NULL;
	snprintf(c->id, sizeof c->id, "%s-%llu", boot_prefix, (unsigned long long)++counter);
	memcpy(c->key, r->key.data, KEY_BYTES);
	char name[STORE_NAME_MAX];
	snprintf(name, sizeof name, "%s.log", c->id);
	store_open(&c->out.store, &spool, name);
	snprintf(name, sizeof name, "%s.err.log", c->id);
	store_open(&c->err.store, &spool, name);
	c->out.watch.fd = c->err.watch.fd = c->in.watch.fd = -1;
	c->out.changed = out_changed;
	c->err.changed = err_changed;
	c->deadline.fire = on_deadline;
	c->status = S_RUNNING;
	c->exit_code = -1;
	c->grace_ms = r->grace_ms;
	c->private = r->flags & START_PRIVATE;
	return c;
}

void command_add(struct command *c) {
	c->prev = last;
	if (last) last->next = c;
	else first = c;
	last = c;
	++*count_of(&running, c);
}

void command_retain(struct command *c) {
	c->settled = true;
	--*count_of(&running, c);
	++*count_of(&retained, c);
}

void command_free(struct command *c) {
	if (c->prev) c->prev->next = c->next;
	else if (first == c) first = c->next;
	if (c->next) c->next->prev = c->prev;
	else if (last == c) last = c->prev;
	if (c->settled) --*count_of(&retained, c);
	timer_clear(&c->deadline);
	timer_clear(&c->forget);
	timer_clear(&c->ending_poll);
	stream_close(&c->out);
	stream_close(&c->err);
	input_close(&c->in);
	store_discard(&c->out.store);
	store_discard(&c->err.store);
	free(c);
}

struct family command_family(const struct command *c) { return (struct family){c->id, c->reaped ? 0 : c->pid, c->group}; }

struct summary command_summary(const struct command *c) {
	uint8_t flags = 0;
	if (input_is_open(&c->in)) flags |= SUMMARY_STDIN_OPEN;
	if (c->others) flags |= SUMMARY_OTHERS_LIVE;
	if (c->out.store.place == STORE_FILE) flags |= SUMMARY_OUT_SPOOLED;
	if (c->err.store.place == STORE_FILE) flags |= SUMMARY_ERR_SPOOLED;
	return (struct summary){
		.id = c->id,
		.status = c->status,
		.exit_code = c->settled ? c->exit_code : -1,
		.signal = c->settled ? c->signal : 0,
		.flags = flags,
		.started_ms = c->started_ms,
		.duration_us = c->reaped ? c->duration_us : monotonic_us() - c->started_us,
		.cpu_us = c->cpu_us,
		.max_rss_bytes = c->max_rss_bytes,
		.total_out = c->out.store.total,
		.total_err = c->err.store.total,
	};
}
