/* SIGNAL, STDIN, CANCEL and COMMANDS. */
#include "command.h"
#include "dispatch.h"
#include "request.h"

/* Answers with OK, or with an ERROR. */
static void answer(struct conn *c, uint32_t channel, uint16_t code, uint64_t value) {
	if (code == E_NONE) conn_ok(c, channel, value);
	else conn_error(c, channel, (struct fault){code, 0});
}

/* The command of a request that was decoded with `*code`; sets it to E_NO_COMMAND when there is none. */
static struct command *command_of(struct slice ref, uint16_t *code) {
	if (*code != E_NONE) return NULL;
	struct command *command = command_find(ref);
	if (!command) *code = E_NO_COMMAND;
	return command;
}

void serve_signal(struct conn *c, uint32_t channel, struct slice payload) {
	struct signal_request r;
	uint16_t code = decode_signal(payload, &r);
	struct command *command = command_of(r.ref, &code);
	if (command) code = command_signal(command, r.signal, r.scope);
	answer(c, channel, code, 0);
}

void serve_stdin(struct conn *c, uint32_t channel, struct slice payload) {
	struct stdin_request r;
	uint16_t code = decode_stdin(payload, &r);
	struct command *command = command_of(r.ref, &code);
	uint64_t queued = 0;
	if (command) {
		/* Closing what is closed already is no fault; writing to it is. */
		if (r.data.len) code = input_write(&command->in, r.data.data, r.data.len);
		if (code == E_NONE && r.close) input_finish(&command->in);
		queued = input_queued(&command->in);
	}
	answer(c, channel, code, queued);
}

void serve_cancel(struct conn *c, uint32_t channel, struct slice payload) {
	struct cancel_request r;
	uint16_t code = decode_cancel(payload, &r);
	struct command *command = command_of(r.ref, &code);
	if (command) command_end(command, S_CANCELLED, r.grace_ms);
	answer(c, channel, code, 0);
}

void serve_commands(struct conn *c, uint32_t channel, struct slice payload) {
	uint16_t code = decode_empty(payload);
	if (code != E_NONE) {
		answer(c, channel, code, 0);
		return;
	}
	commands_refresh();
	struct buf *b = conn_begin(c, T_COMMANDS_REPLY, channel);
	if (!b) return;
	size_t count_at = b->len;
	uint32_t count = 0;
	put_u32(b, 0);
	for (const struct command *command = command_first(); command; command = command->next) {
		if (command->private) continue;
		struct summary s = command_summary(command);
		encode_summary(b, &s);
		put_bytes(b, command->text, command->text_length);
		count++;
	}
	set_u32(b, count_at, count);
	conn_end(c, channel);
}
