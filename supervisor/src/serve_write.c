#include <stddef.h>
#include <stdlib.h>

#include "dispatch.h"
#include "file_job.h"
#include "request.h"

enum write_flags { WRITE_LAST = 1 };

struct write_request {
	struct channel channel;
	struct fs_write *write; /* NULL once its commit is a job */
	struct file_job *job;
};

static void drop(struct channel *ch) {
	struct write_request *r = OWNER(ch, struct write_request, channel);
	if (r->write) fs_write_abort(r->write);
	if (r->job) file_job_disown(r->job);
	free(r);
}

static void fail(struct write_request *r, struct fault f) {
	uint32_t number = r->channel.number;
	struct conn *c = channel_close(&r->channel);
	drop(&r->channel);
	conn_error(c, number, f);
}

static void committed(struct file_job *j, void *owner) {
	struct write_request *r = owner;
	if (!r) return;
	uint32_t number = r->channel.number;
	struct conn *c = channel_close(&r->channel);
	free(r);
	file_reply(c, number, j->fault, j->reply_type, &j->reply);
}

static void commit(struct write_request *r) {
	struct file_job *j = file_job_commit(r->write);
	r->write = NULL;
	if (!j) {
		fail(r, (struct fault){E_RESOURCES, 0});
		return;
	}
	r->job = j;
	file_job_submit(j, committed, r);
}

static void follow(struct channel *ch, uint8_t type, struct slice payload) {
	struct write_request *r = OWNER(ch, struct write_request, channel);
	if (!r->write || (type != T_WRITE_DATA && (type != T_WRITE_END || decode_empty(payload) != E_NONE))) {
		conn_fail(ch->conn, E_PROTOCOL);
		return;
	}
	if (type == T_WRITE_END) {
		commit(r);
		return;
	}
	struct fault f = fs_write_data(r->write, payload);
	if (f.code != E_NONE) fail(r, f);
}

/* `str path, u8 mode, u8 flags, …`: only the flag is looked at here; a payload of another shape is for fs.h to refuse. */
static bool is_last(struct slice payload) {
	struct reader r = {payload.data, payload.data + payload.len, false};
	get_bytes(&r);
	get_u8(&r);
	return get_u8(&r) & WRITE_LAST;
}

void serve_write(struct conn *c, uint32_t channel, struct slice payload) {
	static const struct channel_ops ops = {.drop = drop, .follow = follow};
	if (is_last(payload)) {
		serve_file_job(c, channel, T_WRITE, payload);
		return;
	}
	struct fs_write *write;
	struct fault f = fs_write_open(payload, &write);
	if (f.code != E_NONE) {
		conn_error(c, channel, f);
		return;
	}
	struct write_request *r = calloc(1, sizeof *r);
	if (!r || !channel_open(&r->channel, c, channel, &ops)) {
		if (!r) conn_error(c, channel, (struct fault){E_RESOURCES, 0});
		fs_write_abort(write);
		free(r);
		return;
	}
	r->write = write;
}
