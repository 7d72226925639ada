/* From a frame to the code that serves it. */
#ifndef SANDBOX_DISPATCH_H
#define SANDBOX_DISPATCH_H

#include "conn.h"

/* Serves one frame of a connection; may close the connection. */
void dispatch(struct conn *c, const struct frame *f);

/* Serves one type of request: replies at once, or opens a channel. */
typedef void serve_fn(struct conn *c, uint32_t channel, struct slice payload);

/* serve_control.c */
serve_fn serve_ping, serve_info, serve_quiesce, serve_kill_all, serve_claim;
/* What the supervisor says of itself in HELLO; set before the first connection. */
void serve_hello(struct conn *c);
bool serve_control_open(const char *spool_dir);

/* serve_usage.c */
serve_fn serve_usage;

/* serve_start.c, serve_output.c, serve_command.c */
serve_fn serve_start, serve_wait, serve_output, serve_signal, serve_stdin, serve_cancel, serve_commands;

/* serve_read.c, serve_write.c, serve_file.c; the last serves several types. */
serve_fn serve_read, serve_write, serve_stat;
void serve_file_job(struct conn *c, uint32_t channel, uint8_t type, struct slice payload);

#endif
