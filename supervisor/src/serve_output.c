#include "command.h"
#include "dispatch.h"
#include "pending.h"
#include "request.h"

enum { OUT, ERR };

static const struct store *store_of(const struct command *c, int which) { return which == OUT ? &c->out.store : &c->err.store; }

static bool wanted(const struct pending *p, int which) { return p->flags & (which == OUT ? OUTPUT_OUT : OUTPUT_ERR); }

static bool has_output(const struct pending *p) {
	const struct command *c = p->waiter.command;
	if (c->settled) return true;
	for (int i = OUT; i <= ERR; i++)
		if (wanted(p, i) && store_of(c, i)->total > p->since[i]) return true;
	return false;
}

static void reply_output(const struct pending *p, struct conn *c, uint32_t channel) {
	struct buf *b = conn_begin(c, T_OUTPUT_REPLY, channel);
	if (!b) return;
	const struct command *command = p->waiter.command;
	struct summary s = command_summary(command);
	encode_summary(b, &s);
	bool there = true;
	for (int i = OUT; i <= ERR; i++) {
		if (wanted(p, i)) {
			there &= store_put_page(store_of(command, i), b, p->since[i], p->max_bytes);
			continue;
		}
		put_u64(b, p->since[i]);
		put_u64(b, p->since[i]);
		put_bytes(b, NULL, 0);
	}
	if (there) {
		conn_end(c, channel);
		return;
	}
	conn_cancel(c);
	conn_error(c, channel, (struct fault){E_EXPIRED, 0});
}

void serve_output(struct conn *c, uint32_t channel, struct slice payload) {
	struct output_request r;
	uint16_t code = decode_output(payload, &r);
	struct command *command = code == E_NONE ? command_find(r.ref) : NULL;
	if (code == E_NONE && !command) code = E_NO_COMMAND;
	if (code != E_NONE) {
		conn_error(c, channel, (struct fault){code, 0});
		return;
	}
	if (command->settled && command->others) commands_refresh();
	struct pending p = {.ready = has_output, .reply = reply_output, .flags = r.flags, .max_bytes = r.max_bytes};
	for (int i = OUT; i <= ERR; i++) {
		uint64_t total = store_of(command, i)->total;
		if (r.flags & OUTPUT_FROM_END) p.since[i] = r.since[i] < total ? total - r.since[i] : 0;
		else p.since[i] = r.since[i] < total ? r.since[i] : total;
	}
	pending_begin(&p, c, channel, command, r.wait_ms);
}
