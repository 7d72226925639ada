#include "dispatch.h"

#include "activity.h"
#include "request.h"

static serve_fn *serve_of(uint8_t type) {
	switch (type) {
	case T_PING: return serve_ping;
	case T_INFO: return serve_info;
	case T_QUIESCE: return serve_quiesce;
	case T_KILL_ALL: return serve_kill_all;
	case T_CLAIM: return serve_claim;
	case T_USAGE: return serve_usage;
	case T_START: return serve_start;
	case T_WAIT: return serve_wait;
	case T_OUTPUT: return serve_output;
	case T_SIGNAL: return serve_signal;
	case T_STDIN: return serve_stdin;
	case T_CANCEL: return serve_cancel;
	case T_COMMANDS: return serve_commands;
	case T_STAT: return serve_stat;
	case T_READ: return serve_read;
	case T_WRITE: return serve_write;
	default: return NULL;
	}
}

static bool is_file_job(uint8_t type) {
	return type == T_READ_LINES || type == T_MKDIR || type == T_REMOVE || type == T_RENAME || type == T_LIST;
}

static bool is_follow_up(uint8_t type) { return type == T_WINDOW || type == T_WRITE_DATA || type == T_WRITE_END || type == T_ABORT; }

static void greet(struct conn *c, const struct frame *f) {
	struct hello_request hello;
	if (f->type != T_HELLO || f->channel != 0 || decode_hello(f->payload, &hello) != E_NONE) conn_fail(c, E_PROTOCOL);
	else if (hello.magic != PROTO_MAGIC || hello.version != PROTO_VERSION) conn_fail(c, E_VERSION);
	else c->greeted = true;
	if (c->greeted) timer_clear(&c->deadline);
}

/* A frame on the channel of an open request. When that request has ended meanwhile, the frame crossed its closing reply. */
static void follow(struct conn *c, const struct frame *f) {
	struct channel *ch = channel_find(c, f->channel);
	if (f->type == T_ABORT && decode_empty(f->payload) != E_NONE) {
		conn_fail(c, E_PROTOCOL);
		return;
	}
	if (!ch) return;
	if (f->type == T_ABORT) {
		const struct channel_ops *ops = ch->ops;
		channel_close(ch);
		ops->drop(ch);
		conn_error(c, f->channel, (struct fault){E_CANCELLED, 0});
	} else if (ch->ops->follow) {
		ch->ops->follow(ch, f->type, f->payload);
	} else {
		conn_fail(c, E_PROTOCOL);
	}
}

void dispatch(struct conn *c, const struct frame *f) {
	if (!c->greeted) {
		greet(c, f);
		return;
	}
	if (f->channel == 0) {
		conn_fail(c, E_PROTOCOL);
		return;
	}
	if (activity_counts(f->type)) activity_touch();
	if (is_follow_up(f->type)) {
		follow(c, f);
		return;
	}
	serve_fn *serve = serve_of(f->type);
	if ((!serve && !is_file_job(f->type)) || channel_find(c, f->channel)) {
		conn_fail(c, E_PROTOCOL);
	} else if (activity_counts(f->type) && conn_is_held(c)) {
		conn_error(c, f->channel, (struct fault){E_QUIESCING, 0});
	} else if (serve) {
		serve(c, f->channel, f->payload);
	} else {
		serve_file_job(c, f->channel, f->type, f->payload);
	}
}
