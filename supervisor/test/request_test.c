/* Requests that are cut, too long, or ask for what cannot be: each has its code, and nothing is read beyond the payload. */
#include "check.h"
#include "reply.h"
#include "request.h"

struct start {
	const char *cwd;
	uint8_t flags, key_len;
	uint32_t argc, head, tail;
	const char *env;
};

static struct buf start_payload(struct start s) {
	struct buf b = {0};
	put_bytes(&b, "0123456789abcdefXYZ", s.key_len);
	put_u8(&b, s.flags);
	for (int i = 0; i < 3; i++) put_u32(&b, 0);
	put_u32(&b, s.head);
	put_u32(&b, s.tail);
	put_str(&b, s.cwd);
	put_u32(&b, s.argc);
	for (uint32_t i = 0; i < s.argc; i++) put_str(&b, "arg");
	put_u32(&b, s.env ? 3 : 0);
	if (s.env) {
		put_str(&b, "A=1");
		put_str(&b, s.env);
		put_str(&b, "B=2");
	}
	put_bytes(&b, "in", 2);
	return b;
}

static uint16_t start_code(struct start s) {
	struct buf b = start_payload(s);
	struct start_request r;
	uint16_t code = decode_start((struct slice){b.data, b.len}, &r);
	if (code == E_NONE) start_request_free(&r);
	buf_free(&b);
	return code;
}

static void a_start_out_of_range_is_told_apart(void) {
	CHECK_EQ(start_code((struct start){"/", 0, 16, 2, 10, 10, NULL}), E_NONE);
	CHECK_EQ(start_code((struct start){"/", START_SHELL, 16, 2, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"/", START_SHELL | START_KEEP_STDIN | START_PRIVATE, 16, 1, 10, 10, NULL}), E_NONE);
	CHECK_EQ(start_code((struct start){"/", 8, 16, 1, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"/", 0, 15, 1, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"/", 0, 16, 0, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"tmp", 0, 16, 1, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"", 0, 16, 1, 10, 10, NULL}), E_INVALID);
	CHECK_EQ(start_code((struct start){"/", 0, 16, 1, CAPTURE_MAX, 0, NULL}), E_NONE);
	CHECK_EQ(start_code((struct start){"/", 0, 16, 1, CAPTURE_MAX, 1, NULL}), E_TOO_LARGE);
	CHECK_EQ(start_code((struct start){"/", 0, 16, 1, 0xffffffff, 0xffffffff, NULL}), E_TOO_LARGE);
}

static void a_mark_that_the_request_brings_is_left_out(void) {
	struct buf b = start_payload((struct start){"/", 0, 16, 1, 0, 0, MARK_NAME "=forged"});
	struct start_request r;
	CHECK_EQ(decode_start((struct slice){b.data, b.len}, &r), E_NONE);
	CHECK(r.envc == 2 && strcmp(r.env[0], "A=1") == 0 && strcmp(r.env[1], "B=2") == 0 && !r.env[2] && !r.env[3]);
	start_request_free(&r);
	buf_free(&b);
}

static void a_start_cut_anywhere_breaks_the_protocol(void) {
	struct buf b = start_payload((struct start){"/", 0, 16, 3, 1, 1, "X=1"});
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);
		memcpy(cut, b.data, len);
		struct start_request r;
		CHECK_EQ(decode_start((struct slice){cut, len}, &r), E_PROTOCOL);
		free(cut);
	}
	put_u8(&b, 0);
	struct start_request r;
	CHECK_EQ(decode_start((struct slice){b.data, b.len}, &r), E_PROTOCOL);
	buf_free(&b);
}

static uint16_t signal_code(int32_t signal, uint8_t scope) {
	struct buf b = {0};
	put_str(&b, "a-1");
	put_i32(&b, signal);
	put_u8(&b, scope);
	struct signal_request r;
	uint16_t code = decode_signal((struct slice){b.data, b.len}, &r);
	buf_free(&b);
	return code;
}

static void only_signals_and_scopes_that_exist_are_taken(void) {
	CHECK_EQ(signal_code(1, SCOPE_GROUP), E_NONE);
	CHECK_EQ(signal_code(64, SCOPE_ALL), E_NONE);
	CHECK_EQ(signal_code(0, SCOPE_ALL), E_INVALID);
	CHECK_EQ(signal_code(65, SCOPE_ALL), E_INVALID);
	CHECK_EQ(signal_code(-9, SCOPE_ALL), E_INVALID);
	CHECK_EQ(signal_code(9, 2), E_INVALID);
}

static uint16_t usage_code(const char *path, size_t len, uint32_t max_entries, uint32_t max_ms) {
	struct buf b = {0};
	put_bytes(&b, path, len);
	put_u32(&b, max_entries);
	put_u32(&b, max_ms);
	struct usage_request r;
	uint16_t code = decode_usage((struct slice){b.data, b.len}, &r);
	buf_free(&b);
	return code;
}

static void a_walk_is_of_an_absolute_path_and_bounded(void) {
	char path[5000];
	memset(path, '/', sizeof path);
	CHECK_EQ(usage_code("/w", 2, USAGE_ENTRIES_MAX, USAGE_MS_MAX), E_NONE);
	CHECK_EQ(usage_code("/w", 2, USAGE_ENTRIES_MAX + 1, 1), E_INVALID);
	CHECK_EQ(usage_code("/w", 2, 1, USAGE_MS_MAX + 1), E_INVALID);
	CHECK_EQ(usage_code("w", 1, 1, 1), E_INVALID);
	CHECK_EQ(usage_code("", 0, 1, 1), E_INVALID);
	CHECK_EQ(usage_code("/\0w", 3, 1, 1), E_PROTOCOL);
	CHECK_EQ(usage_code(path, 4095, 1, 1), E_NONE);
	CHECK_EQ(usage_code(path, 4096, 1, 1), E_INVALID);
}

static void an_output_page_is_bounded(void) {
	struct buf b = {0};
	put_str(&b, "a-1");
	put_u8(&b, OUTPUT_OUT);
	put_u64(&b, 0);
	put_u64(&b, 0);
	put_u32(&b, 0xffffffff);
	put_u32(&b, 0);
	struct output_request r;
	CHECK_EQ(decode_output((struct slice){b.data, b.len}, &r), E_NONE);
	CHECK_EQ(r.max_bytes, CAPTURE_MAX);
	b.data[7] = 8;
	CHECK_EQ(decode_output((struct slice){b.data, b.len}, &r), E_INVALID);
	buf_free(&b);
}

static void a_command_text_is_cut_between_characters(void) {
	char text[300];
	memset(text, 'a', sizeof text);
	CHECK_EQ(command_text_length(text, 256), 256);
	CHECK_EQ(command_text_length(text, 300), 256);
	memcpy(text + 255, "\xc3\xa9", 2); /* é would be cut */
	CHECK_EQ(command_text_length(text, 300), 255);
	memcpy(text + 253, "\xf0\x9f\x98\x80", 4); /* four bytes, the last of them at 256 */
	CHECK_EQ(command_text_length(text, 300), 253);
	memset(text, 'a', sizeof text);
	memcpy(text + 252, "\xf0\x9f\x98\x80", 4); /* fits */
	CHECK_EQ(command_text_length(text, 300), 256);
	memset(text, 0x80, sizeof text); /* no UTF-8 at all */
	CHECK_EQ(command_text_length(text, 300), 253);
}

int main(void) {
	a_start_out_of_range_is_told_apart();
	a_mark_that_the_request_brings_is_left_out();
	a_start_cut_anywhere_breaks_the_protocol();
	only_signals_and_scopes_that_exist_are_taken();
	a_walk_is_of_an_absolute_path_and_bounded();
	an_output_page_is_bounded();
	a_command_text_is_cut_between_characters();
	return report("request");
}
