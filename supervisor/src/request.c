#include "request.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

static struct reader reader_of(struct slice in) { return (struct reader){in.data, in.data + in.len, false}; }

static uint16_t finish(const struct reader *r) { return reader_done(r) ? E_NONE : E_PROTOCOL; }

static struct budget get_budget(struct reader *r) {
	struct budget b;
	b.head = get_u32(r);
	b.tail = get_u32(r);
	return b;
}

static bool budget_fits(struct budget b) { return (uint64_t)b.head + b.tail <= CAPTURE_MAX; }

uint16_t decode_hello(struct slice in, struct hello_request *out) {
	struct reader r = reader_of(in);
	out->magic = get_u32(&r);
	out->version = get_u16(&r);
	return finish(&r);
}

uint16_t decode_quiesce(struct slice in, struct quiesce_request *out) {
	struct reader r = reader_of(in);
	out->min_idle_ms = get_u64(&r);
	out->hold_ms = get_u32(&r);
	return finish(&r);
}

uint16_t decode_usage(struct slice in, struct usage_request *out) {
	struct reader r = reader_of(in);
	out->path = get_bytes(&r);
	out->max_entries = get_u32(&r);
	out->max_ms = get_u32(&r);
	if (!reader_done(&r) || (out->path.len && memchr(out->path.data, 0, out->path.len))) return E_PROTOCOL;
	if (!out->path.len || out->path.data[0] != '/' || out->path.len >= PATH_MAX) return E_INVALID;
	return out->max_entries <= USAGE_ENTRIES_MAX && out->max_ms <= USAGE_MS_MAX ? E_NONE : E_INVALID;
}

uint16_t decode_wait(struct slice in, struct wait_request *out) {
	struct reader r = reader_of(in);
	out->ref = get_bytes(&r);
	out->wait_ms = get_u32(&r);
	out->budget = get_budget(&r);
	if (!reader_done(&r)) return E_PROTOCOL;
	return budget_fits(out->budget) ? E_NONE : E_TOO_LARGE;
}

uint16_t decode_output(struct slice in, struct output_request *out) {
	struct reader r = reader_of(in);
	out->ref = get_bytes(&r);
	out->flags = get_u8(&r);
	out->since[0] = get_u64(&r);
	out->since[1] = get_u64(&r);
	out->max_bytes = get_u32(&r);
	out->wait_ms = get_u32(&r);
	if (!reader_done(&r)) return E_PROTOCOL;
	if (out->flags & ~(OUTPUT_OUT | OUTPUT_ERR | OUTPUT_FROM_END)) return E_INVALID;
	/* A page may be smaller than was asked for: the next one goes on where it ended. */
	if (out->max_bytes > CAPTURE_MAX) out->max_bytes = CAPTURE_MAX;
	return E_NONE;
}

uint16_t decode_signal(struct slice in, struct signal_request *out) {
	struct reader r = reader_of(in);
	out->ref = get_bytes(&r);
	out->signal = get_i32(&r);
	out->scope = get_u8(&r);
	if (!reader_done(&r)) return E_PROTOCOL;
	return out->signal >= 1 && out->signal <= 64 && out->scope <= SCOPE_ALL ? E_NONE : E_INVALID;
}

uint16_t decode_stdin(struct slice in, struct stdin_request *out) {
	struct reader r = reader_of(in);
	out->ref = get_bytes(&r);
	out->close = get_u8(&r);
	out->data = get_bytes(&r);
	return finish(&r);
}

uint16_t decode_cancel(struct slice in, struct cancel_request *out) {
	struct reader r = reader_of(in);
	out->ref = get_bytes(&r);
	out->grace_ms = get_u32(&r);
	return finish(&r);
}

uint16_t decode_window(struct slice in, uint32_t *bytes) {
	struct reader r = reader_of(in);
	*bytes = get_u32(&r);
	return finish(&r);
}

uint16_t decode_empty(struct slice in) { return in.len ? E_PROTOCOL : E_NONE; }
