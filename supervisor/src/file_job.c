#include "file_job.h"

#include <stddef.h>
#include <stdlib.h>

static void run(struct job *job) {
	struct file_job *j = OWNER(job, struct file_job, job);
	if (j->write) {
		j->reply_type = T_WRITTEN;
		j->fault = fs_write_commit(j->write, &j->reply);
		j->write = NULL;
	} else {
		struct slice in = {j->payload.data, j->payload.len};
		j->fault = fs_request(j->type, in, &j->reply, &j->reply_type);
	}
}

void file_job_free(struct file_job *j) {
	if (j->write) fs_write_abort(j->write);
	buf_free(&j->payload);
	buf_free(&j->reply);
	free(j);
}

static void done(struct job *job) {
	struct file_job *j = OWNER(job, struct file_job, job);
	conn_charge(j->conn_id, -(long)j->charged);
	j->finished(j, j->owner);
	file_job_free(j);
}

struct file_job *file_job_new(uint8_t type, struct slice payload, struct conn *c) {
	struct file_job *j = calloc(1, sizeof *j);
	if (!j) return NULL;
	j->type = type;
	j->conn_id = c->id;
	buf_put(&j->payload, payload.data, payload.len);
	if (!j->payload.failed) return j;
	file_job_free(j);
	return NULL;
}

struct file_job *file_job_commit(struct fs_write *w) {
	struct file_job *j = calloc(1, sizeof *j);
	if (j) j->write = w;
	else fs_write_abort(w);
	return j;
}

void file_job_submit(struct file_job *j, void (*finished)(struct file_job *j, void *owner), void *owner) {
	j->job = (struct job){.run = run, .done = done};
	j->finished = finished;
	j->owner = owner;
	j->charged = j->payload.cap;
	conn_charge(j->conn_id, (long)j->charged);
	work_submit(&j->job);
}

void file_job_disown(struct file_job *j) { j->owner = NULL; }
