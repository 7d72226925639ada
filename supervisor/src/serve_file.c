/* File requests with one payload and one reply. STAT is answered here and now; the others may wait for a disk and go to a thread. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "file_job.h"

void serve_stat(struct conn *c, uint32_t channel, struct slice payload) {
	uint8_t reply_type;
	struct buf out = {0};
	struct fault f = fs_request(T_STAT, payload, &out, &reply_type);
	file_reply(c, channel, f, reply_type, &out);
}

void file_reply(struct conn *c, uint32_t channel, struct fault f, uint8_t type, struct buf *out) {
	if (f.code == E_NONE && out->failed) f = (struct fault){E_RESOURCES, 0};
	if (f.code != E_NONE) {
		conn_error(c, channel, f);
	} else {
		struct buf *b = conn_begin(c, type, channel);
		if (b) {
			buf_put(b, out->data, out->len);
			conn_end(c, channel);
		}
	}
	buf_free(out);
}

struct file_request {
	struct channel channel;
	struct file_job *job;
};

static void finished(struct file_job *j, void *owner) {
	struct file_request *r = owner;
	if (!r) return;
	uint32_t number = r->channel.number;
	struct conn *c = channel_close(&r->channel);
	free(r);
	file_reply(c, number, j->fault, j->reply_type, &j->reply);
}

static void drop(struct channel *ch) {
	struct file_request *r = OWNER(ch, struct file_request, channel);
	file_job_disown(r->job);
	free(r);
}

void serve_file_job(struct conn *c, uint32_t channel, uint8_t type, struct slice payload) {
	static const struct channel_ops ops = {.drop = drop};
	struct file_request *r = calloc(1, sizeof *r);
	struct file_job *j = r ? file_job_new(type, payload, c) : NULL;
	if (!j) {
		free(r);
		conn_error(c, channel, (struct fault){E_RESOURCES, 0});
		return;
	}
	r->job = j;
	if (!channel_open(&r->channel, c, channel, &ops)) {
		file_job_free(j);
		free(r);
		return;
	}
	file_job_submit(j, finished, r);
}
