/* Bytes as a hostile or broken host would send them: through the frame parser, every decoder, and the lines of outgoing frames.
 * File requests are not decoded here: their decoders act on the file system. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "reply.h"
#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok) abort();
}

static bool inside(struct slice part, struct slice whole) {
	return !part.len || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void decode_one_start(struct slice in) {
	struct start_request r;
	if (decode_start(in, &r) != E_NONE) {
		must(!r.memory && !r.argv && !r.env);
		return;
	}
	size_t bytes = strlen(r.cwd);
	for (size_t i = 0; i < r.argc; i++) bytes += strlen(r.argv[i]);
	for (size_t i = 0; i < r.envc; i++) {
		bytes += strlen(r.env[i]);
		must(strncmp(r.env[i], MARK_NAME "=", sizeof MARK_NAME) != 0);
	}
	must(bytes <= in.len && r.argc > 0 && !r.argv[r.argc] && !r.env[r.envc] && !r.env[r.envc + 1]);
	must(inside(r.key, in) && r.key.len == KEY_BYTES && inside(r.stdin_data, in));
	must(r.budget.head <= CAPTURE_MAX && r.budget.tail <= CAPTURE_MAX);
	start_request_free(&r);
}

static void decode_one(const struct frame *f) {
	struct slice in = f->payload;
	struct hello_request hello;
	struct quiesce_request quiesce;
	struct usage_request usage;
	struct wait_request wait;
	struct output_request output;
	struct signal_request signal;
	struct stdin_request input;
	struct cancel_request cancel;
	uint32_t window;
	switch (f->type) {
	case T_HELLO: decode_hello(in, &hello); break;
	case T_QUIESCE: decode_quiesce(in, &quiesce); break;
	case T_USAGE: must(decode_usage(in, &usage) != E_NONE || (inside(usage.path, in) && usage.path.data[0] == '/')); break;
	case T_START: decode_one_start(in); break;
	case T_WAIT: must(decode_wait(in, &wait) != E_NONE || inside(wait.ref, in)); break;
	case T_OUTPUT: must(decode_output(in, &output) != E_NONE || (inside(output.ref, in) && output.max_bytes <= CAPTURE_MAX)); break;
	case T_SIGNAL: must(decode_signal(in, &signal) != E_NONE || (signal.signal > 0 && signal.signal < 65)); break;
	case T_STDIN: must(decode_stdin(in, &input) != E_NONE || (inside(input.ref, in) && inside(input.data, in))); break;
	case T_CANCEL: must(decode_cancel(in, &cancel) != E_NONE || inside(cancel.ref, in)); break;
	case T_WINDOW: decode_window(in, &window); break;
	default: decode_empty(in);
	}
}

/* Answers the frame with another of the same size; low bits of the channel choose what kind, and how much leaves at a time. */
static void answer(struct frame_out *out, const struct frame *f) {
	struct buf *b = frame_out_begin(out, f->channel & 1 ? T_DATA : T_OK, f->channel);
	must(b != NULL);
	buf_put(b, f->payload.data, f->payload.len);
	if (f->channel & 2) frame_out_cancel(out);
	else must(frame_out_end(out));
	struct iovec v[3];
	size_t before = frame_out_bytes(out), sum = 0;
	int n = frame_out_vectors(out, v, 3);
	for (int i = 0; i < n; i++) sum += v[i].iov_len;
	must(sum <= before && (n > 0) == (before > 0));
	size_t sent = f->channel & 4 ? sum : sum / 2;
	frame_out_sent(out, sent);
	must(frame_out_bytes(out) == before - sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct frame_in in = {0};
	struct frame_out out = {0};
	/* The first byte says in what pieces the rest arrives. */
	size_t step = size ? data[0] + 1u : 1;
	for (size_t at = size ? 1 : 0; at < size;) {
		size_t room;
		uint8_t *to = frame_in_space(&in, &room);
		must(to != NULL && room > 0);
		size_t n = size - at < step ? size - at : step;
		if (n > room) n = room;
		memcpy(to, data + at, n);
		frame_in_filled(&in, n);
		at += n;
		struct frame f;
		enum frame_status status;
		while ((status = frame_in_next(&in, &f)) == FRAME_READY) {
			must(inside(f.payload, (struct slice){in.data, in.len}) && f.payload.len <= FRAME_MAX - FRAME_HEADER);
			decode_one(&f);
			answer(&out, &f);
		}
		if (status == FRAME_BAD) break;
		must(in.cap <= FRAME_MAX + 4);
	}
	frame_in_free(&in);
	frame_out_free(&out);
	return 0;
}
