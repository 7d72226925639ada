/* The commands: those that run, and those that have ended and whose outcome is kept for a while. They belong to the supervisor, not to
 * the connection that started them. */
#ifndef SANDBOX_COMMAND_H
#define SANDBOX_COMMAND_H

#include <sys/resource.h>
#include <sys/types.h>

#include "fs.h"
#include "loop.h"
#include "reply.h"
#include "request.h"
#include "stream.h"
#include "tree.h"

#define RUNNING_MAX 64u
#define RETAINED_MAX 64u
/* A private command is forgotten so long after its end. That is how long a host may take to notice a lost connection, to open another
 * and to repeat its START. Of those that wait for it there are at most PRIVATE_MAX. */
#define PRIVATE_FORGET_MS (60u * 1000)
#define PRIVATE_MAX 64u

struct command;

/* Somebody who waits on a command; embed it. `wake` is called when output came and when the command has settled; it may unlink and
 * free its own waiter, and nothing else's. */
struct waiter {
	struct command *command;
	void (*wake)(struct waiter *w);
	struct waiter *next, **prev;
};

struct command {
	char id[ID_SIZE];
	uint8_t key[KEY_BYTES];
	char text[COMMAND_TEXT_MAX];
	size_t text_length;
	bool private; /* the host's own: see START_PRIVATE in ../PROTOCOL.md */
	pid_t pid; /* of its own process; may belong to another once `reaped` */
	pid_t group; /* 0 once the group is known to be empty */
	bool reaped; /* its own process has ended */
	bool settled; /* and its outcome is final: replies may leave */
	bool others; /* it left processes behind that were alive when last looked at */
	uint8_t status, ended_by; /* enum command_status; ended_by: 0, or S_TIMED_OUT, S_CANCELLED */
	int32_t exit_code, signal;
	int64_t started_ms;
	uint64_t started_us, duration_us, cpu_us, max_rss_bytes, oom_kills_before;
	struct stream out, err;
	struct input in;
	struct timer deadline;
	struct timer forget; /* of a private one that has settled */
	uint32_t grace_ms;
	/* ending.c */
	bool ending;
	struct timer ending_poll;
	uint64_t kill_at_ms, give_up_at_ms, ending_interval_ms;
	struct waiter *waiters;
	struct command *next, *prev; /* in order of start */
};

/* `spool_dir` must stay valid. False and errno on failure. */
bool commands_open(const char *spool_dir);
/* Removes the spool directory and what is in it, for good. */
void commands_forget_spool(void);
/* By id or key; NULL if it is unknown. */
struct command *command_find(struct slice ref);
struct command *command_first(void);
/* Private ones are counted apart: `listed` ones are the others. */
struct command_count {
	uint32_t listed, private;
};
struct command_count commands_running(void);
struct command_count commands_retained(void);
/* Of either kind: while one runs, the sandbox is in use. */
uint32_t commands_running_all(void);

struct summary command_summary(const struct command *c);
struct family command_family(const struct command *c);

/* Of what a START asks for, not yet started and in no table. NULL without memory. */
struct command *command_new(const struct start_request *r);
/* It runs: into the table. */
void command_add(struct command *c);
/* It has settled: one of those that are kept. */
void command_retain(struct command *c);
/* In the table or not. */
void command_free(struct command *c);

/* waiter.c */
void waiter_link(struct waiter *w, struct command *c);
void waiter_unlink(struct waiter *w);
/* Something has happened that its waiters may wait for. */
void command_wake(struct command *c);

/* launch.c: starts a command. The key must not be known. */
struct fault command_start(const struct start_request *r, struct command **out);

/* settle.c: a child of ours has ended and was reaped. Does nothing if it was no command. */
void command_reaped(pid_t pid, int wait_status, const struct rusage *usage);
/* After all that have ended were reaped. `childless`: no child is left. */
void commands_settle(bool childless);
/* Its outcome is final. */
void command_settle(struct command *c);
/* Looks again whether the processes that ended commands left behind still live. */
void commands_refresh(void);

/* ending.c: ends all processes of a command: TERM, `grace_ms`, KILL until none is left. `by`: S_TIMED_OUT or S_CANCELLED. */
void command_end(struct command *c, uint8_t by, uint32_t grace_ms);
/* Its own process was reaped while that goes on. */
void command_end_look(struct command *c);
/* Sends a signal to its group or to all its processes. E_NONE, or E_NOT_FOUND if there is none. */
uint16_t command_signal(struct command *c, int signal, uint8_t scope);

/* retain.c: a private command has settled: it is forgotten PRIVATE_FORGET_MS later. */
void command_forget_later(struct command *c);
/* retain.c: forgets ended commands, the oldest first, until what is kept is within its bounds. Once a turn of the loop. */
void commands_trim(void);

#endif
