/* Decoding the payloads of requests about commands and about the supervisor itself (file requests: fs.h). No side effects. */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include "proto.h"
#include "wire.h"

/* The variable by which descendants of a command are found; the supervisor sets it, whatever the request says. */
#define MARK_NAME "SANDBOX_COMMAND_ID"

enum start_flags { START_SHELL = 1, START_KEEP_STDIN = 2, START_PRIVATE = 4 };
enum output_flags { OUTPUT_OUT = 1, OUTPUT_ERR = 2, OUTPUT_FROM_END = 4 };
enum signal_scope { SCOPE_GROUP = 0, SCOPE_ALL = 1 };

/* The most that head + tail of a RESULT, or max_bytes of an OUTPUT, may ask for of one stream: two streams fit in one frame. */
#define CAPTURE_MAX (1000u * 1000)

struct hello_request {
	uint32_t magic;
	uint16_t version;
};

struct quiesce_request {
	uint64_t min_idle_ms;
	uint32_t hold_ms;
};

#define USAGE_ENTRIES_MAX 10000000u
#define USAGE_MS_MAX 60000u

struct usage_request {
	struct slice path; /* absolute, without NUL, shorter than PATH_MAX */
	uint32_t max_entries, max_ms;
};

struct budget {
	uint32_t head, tail;
};

struct start_request {
	struct slice key;
	uint8_t flags;
	uint32_t timeout_ms, grace_ms, wait_ms;
	struct budget budget;
	char *cwd;
	/* NULL-terminated. env has one free entry before its NULL, for the mark; a mark that the request brought is left out. */
	char **argv, **env;
	size_t argc, envc;
	struct slice stdin_data; /* points into the payload */
	void *memory; /* of cwd, argv, env */
};

struct wait_request {
	struct slice ref;
	uint32_t wait_ms;
	struct budget budget;
};

struct output_request {
	struct slice ref;
	uint8_t flags;
	uint64_t since[2]; /* stdout, stderr */
	uint32_t max_bytes, wait_ms;
};

struct signal_request {
	struct slice ref;
	int32_t signal;
	uint8_t scope;
};

struct stdin_request {
	struct slice ref;
	uint8_t close;
	struct slice data;
};

struct cancel_request {
	struct slice ref;
	uint32_t grace_ms;
};

/* Each returns E_NONE, E_PROTOCOL for a payload of another shape, or E_INVALID (E_TOO_LARGE: a budget) for a value out of range. */
uint16_t decode_hello(struct slice in, struct hello_request *out);
uint16_t decode_quiesce(struct slice in, struct quiesce_request *out);
uint16_t decode_usage(struct slice in, struct usage_request *out);
uint16_t decode_wait(struct slice in, struct wait_request *out);
uint16_t decode_output(struct slice in, struct output_request *out);
uint16_t decode_signal(struct slice in, struct signal_request *out);
uint16_t decode_stdin(struct slice in, struct stdin_request *out);
uint16_t decode_cancel(struct slice in, struct cancel_request *out);
uint16_t decode_window(struct slice in, uint32_t *bytes);
uint16_t decode_empty(struct slice in);

/* As above, or E_RESOURCES without memory. After E_NONE, call start_request_free. */
uint16_t decode_start(struct slice in, struct start_request *out);
void start_request_free(struct start_request *r);

#endif
