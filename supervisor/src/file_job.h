/* A file operation on a thread. It outlives the request that wanted it when that is aborted meanwhile: it runs to its end, and its
 * outcome is dropped. */
#ifndef SANDBOX_FILE_JOB_H
#define SANDBOX_FILE_JOB_H

#include "conn.h"
#include "work.h"

struct file_job {
	struct job job;
	uint8_t type;
	struct buf payload; /* a copy: the frame is gone by the time it runs */
	struct fs_write *write; /* what to commit instead of a one-shot request */
	/* The outcome. */
	struct fault fault;
	uint8_t reply_type;
	struct buf reply;
	/* Main thread only. */
	uint32_t conn_id;
	size_t charged; /* to that connection, until it is done */
	void (*finished)(struct file_job *j, void *owner); /* owner NULL: nobody wants the outcome */
	void *owner;
};

/* A one-shot request. NULL without memory. */
struct file_job *file_job_new(uint8_t type, struct slice payload, struct conn *c);
/* The commit of an open WRITE, which it frees in any case. NULL without memory. */
struct file_job *file_job_commit(struct fs_write *w);
/* `finished` is called on the main loop; the job is freed afterwards. */
void file_job_submit(struct file_job *j, void (*finished)(struct file_job *j, void *owner), void *owner);
/* The owner is gone. */
void file_job_disown(struct file_job *j);
/* Of a job that was not submitted. */
void file_job_free(struct file_job *j);

/* Answers with a file operation's outcome, and frees `out`. (serve_file.c) */
void file_reply(struct conn *c, uint32_t channel, struct fault f, uint8_t type, struct buf *out);

#endif
