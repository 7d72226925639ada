/* START and WAIT: their reply is a RESULT. */
#include "command.h"
#include "dispatch.h"
#include "pending.h"
#include "request.h"

static bool settled(const struct pending *p) { return p->waiter.command->settled; }

static void reply_result(const struct pending *p, struct conn *c, uint32_t channel) {
	struct buf *b = conn_begin(c, T_RESULT, channel);
	if (!b) return;
	const struct command *command = p->waiter.command;
	struct summary s = command_summary(command);
	encode_summary(b, &s);
	store_put_captured(&command->out.store, b, p->budget.head, p->budget.tail);
	store_put_captured(&command->err.store, b, p->budget.head, p->budget.tail);
	conn_end(c, channel);
}

static void wait_for(struct conn *c, uint32_t channel, struct command *command, uint32_t wait_ms, struct budget budget) {
	if (command->settled && command->others) commands_refresh();
	struct pending p = {.ready = settled, .reply = reply_result, .budget = budget};
	pending_begin(&p, c, channel, command, wait_ms);
}

void serve_start(struct conn *c, uint32_t channel, struct slice payload) {
	struct start_request r;
	uint16_t code = decode_start(payload, &r);
	if (code != E_NONE) {
		conn_error(c, channel, (struct fault){code, 0});
		return;
	}
	struct command *command = command_find(r.key);
	struct fault f = {E_NONE, 0};
	if (!command) f = command_start(&r, &command);
	if (f.code != E_NONE) conn_error(c, channel, f);
	else wait_for(c, channel, command, r.wait_ms, r.budget);
	start_request_free(&r);
}

void serve_wait(struct conn *c, uint32_t channel, struct slice payload) {
	struct wait_request r;
	uint16_t code = decode_wait(payload, &r);
	struct command *command = code == E_NONE ? command_find(r.ref) : NULL;
	if (code == E_NONE && !command) code = E_NO_COMMAND;
	if (code != E_NONE) conn_error(c, channel, (struct fault){code, 0});
	else wait_for(c, channel, command, r.wait_ms, r.budget);
}
