/* Frames: cut anywhere, they come out whole; lined up, they leave in the order that the protocol promises. */
#include "check.h"
#include "frame.h"

static void feed(struct frame_in *in, const uint8_t *data, size_t len) {
	while (len) {
		size_t room;
		uint8_t *to = frame_in_space(in, &room);
		CHECK(to != NULL);
		if (!to) return;
		size_t n = len < room ? len : room;
		memcpy(to, data, n);
		frame_in_filled(in, n);
		data += n;
		len -= n;
		/* As a connection does, frames are taken before more is read. */
		if (len) CHECK_EQ(in->len < in->cap, 0);
	}
}

static void put_frame(struct buf *b, uint8_t type, uint32_t channel, const void *payload, size_t len) {
	put_u32(b, (uint32_t)(FRAME_HEADER + len));
	put_u8(b, type);
	put_u32(b, channel);
	buf_put(b, payload, len);
}

static void frames_come_out_whole_however_they_are_cut(void) {
	struct buf b = {0};
	put_frame(&b, T_PING, 1, NULL, 0);
	put_frame(&b, T_WINDOW, 0xffffffff, "abcd", 4);
	put_frame(&b, T_PING, 3, NULL, 0);
	for (size_t step = 1; step <= b.len; step++) {
		struct frame_in in = {0};
		int frames = 0;
		for (size_t at = 0; at < b.len; at += step) {
			feed(&in, b.data + at, b.len - at < step ? b.len - at : step);
			struct frame f;
			while (frame_in_next(&in, &f) == FRAME_READY) {
				frames++;
				CHECK_EQ(f.type, frames == 2 ? T_WINDOW : T_PING);
				CHECK_EQ(f.channel, frames == 2 ? 0xffffffff : (uint32_t)frames);
				CHECK_BYTES(f.payload.data, f.payload.len, "abcd", frames == 2 ? 4u : 0u);
			}
		}
		CHECK_EQ(frames, 3);
		frame_in_free(&in);
	}
	buf_free(&b);
}

static void a_length_that_breaks_the_rules_is_bad_before_memory_is_taken(void) {
	static const uint32_t bad[] = {0, 4, FRAME_MAX + 1, 0x80000000, 0xffffffff};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf b = {0};
		struct frame_in in = {0};
		struct frame f;
		put_u32(&b, bad[i]);
		feed(&in, b.data, b.len);
		CHECK_EQ(frame_in_next(&in, &f), FRAME_BAD);
		CHECK(in.cap <= 64 * 1024);
		frame_in_free(&in);
		buf_free(&b);
	}
}

static void the_largest_frame_passes_and_its_memory_is_given_back(void) {
	size_t len = FRAME_MAX - FRAME_HEADER;
	uint8_t *payload = malloc(len);
	for (size_t i = 0; i < len; i++) payload[i] = (uint8_t)(i * 7);
	struct buf b = {0};
	put_frame(&b, T_WRITE_DATA, 9, payload, len);
	struct frame_in in = {0};
	struct frame f;
	for (size_t at = 0; at < b.len; at += 10000) {
		CHECK_EQ(frame_in_next(&in, &f), FRAME_WAIT);
		feed(&in, b.data + at, b.len - at < 10000 ? b.len - at : 10000);
	}
	CHECK_EQ(frame_in_next(&in, &f), FRAME_READY);
	CHECK_BYTES(f.payload.data, f.payload.len, payload, len);
	size_t room;
	frame_in_space(&in, &room);
	CHECK(in.cap <= 64 * 1024);
	frame_in_free(&in);
	buf_free(&b);
	free(payload);
}

static void line_up(struct frame_out *out, uint8_t type, uint32_t channel, const char *payload) {
	struct buf *b = frame_out_begin(out, type, channel);
	CHECK(b != NULL);
	buf_put(b, payload, strlen(payload));
	CHECK(frame_out_end(out));
}

/* Takes everything out, at most `step` bytes at a time; writes what each frame was as `channel:payload `. */
static void drain(struct frame_out *out, size_t step, char *text, size_t size) {
	struct frame_in in = {0};
	size_t used = strlen(text);
	for (struct iovec v[4]; frame_out_vectors(out, v, 4);) {
		size_t n = v[0].iov_len < step ? v[0].iov_len : step;
		feed(&in, v[0].iov_base, n);
		frame_out_sent(out, n);
		struct frame f;
		while (frame_in_next(&in, &f) == FRAME_READY)
			used += (size_t)snprintf(text + used, size - used, "%u:%.*s ", f.channel, (int)f.payload.len, (const char *)f.payload.data);
	}
	CHECK_EQ(in.len - in.at, 0);
	CHECK_EQ(frame_out_bytes(out), 0);
	frame_in_free(&in);
}

static void small_frames_overtake_data_of_other_channels_only(void) {
	for (size_t step = 1; step < 40; step++) {
		struct frame_out out = {0};
		char text[200] = "";
		line_up(&out, T_DATA, 1, "a");
		line_up(&out, T_DATA, 2, "b");
		line_up(&out, T_DATA, 1, "c");
		line_up(&out, T_OK, 3, "d");
		line_up(&out, T_READ_END, 1, "e");
		line_up(&out, T_READ_END, 4, "f");
		drain(&out, step, text, sizeof text);
		CHECK(strcmp(text, "3:d 4:f 1:a 2:b 1:c 1:e ") == 0);
		frame_out_free(&out);
	}
}

static void a_frame_that_has_begun_to_leave_is_finished_first(void) {
	struct frame_out out = {0};
	char text[100] = "";
	line_up(&out, T_DATA, 1, "data");
	struct iovec v[4];
	CHECK_EQ(frame_out_vectors(&out, v, 4), 1);
	uint8_t begun[3];
	memcpy(begun, v[0].iov_base, 3);
	frame_out_sent(&out, 3);
	line_up(&out, T_OK, 2, "ok");
	CHECK_EQ(frame_out_vectors(&out, v, 4), 2);
	struct frame_in in = {0};
	feed(&in, begun, 3);
	for (int i = 0; i < 2; i++) feed(&in, v[i].iov_base, v[i].iov_len);
	struct frame f;
	while (frame_in_next(&in, &f) == FRAME_READY) snprintf(text + strlen(text), 50, "%u ", f.channel);
	CHECK(strcmp(text, "1 2 ") == 0);
	frame_in_free(&in);
	frame_out_sent(&out, frame_out_bytes(&out));
	CHECK_EQ(frame_out_vectors(&out, v, 4), 0);
	frame_out_free(&out);
}

static void a_frame_that_is_too_large_is_taken_back_whole(void) {
	struct frame_out out = {0};
	char text[100] = "";
	line_up(&out, T_OK, 1, "before");
	struct buf *b = frame_out_begin(&out, T_RESULT, 2);
	CHECK(buf_reserve(b, FRAME_MAX));
	memset(b->data + b->len, 0, FRAME_MAX);
	b->len += FRAME_MAX;
	CHECK(!frame_out_end(&out));
	b = frame_out_begin(&out, T_RESULT, 3);
	b->failed = true;
	CHECK(frame_out_failed(&out));
	CHECK(!frame_out_end(&out));
	line_up(&out, T_OK, 4, "after");
	drain(&out, 1000, text, sizeof text);
	CHECK(strcmp(text, "1:before 4:after ") == 0);
	frame_out_free(&out);
}

static void the_memory_of_data_that_has_left_serves_the_next_and_no_more_is_kept(void) {
	struct frame_out out = {0};
	char text[100] = "";
	line_up(&out, T_DATA, 1, "a long first piece");
	struct bulk *first = out.bulk;
	drain(&out, 1000, text, sizeof text);
	line_up(&out, T_DATA, 2, "b");
	CHECK(out.bulk == first);
	for (int i = 0; i < 4; i++) line_up(&out, T_DATA, 3, "c");
	drain(&out, 1000, text, sizeof text);
	CHECK(strcmp(text, "1:a long first piece 2:b 3:c 3:c 3:c 3:c ") == 0);
	int kept = 0;
	for (struct bulk *b = out.spare; b; b = b->next) kept++;
	CHECK_EQ(kept, 2);
	/* A buffer that has grown far beyond a piece is given back. */
	struct buf *b = frame_out_begin(&out, T_DATA, 4);
	CHECK(buf_reserve(b, 1024 * 1024));
	CHECK(frame_out_end(&out));
	frame_out_sent(&out, frame_out_bytes(&out));
	CHECK_EQ(out.spares, 1);
	frame_out_free(&out);
	CHECK(!out.spare);
}

int main(void) {
	frames_come_out_whole_however_they_are_cut();
	a_length_that_breaks_the_rules_is_bad_before_memory_is_taken();
	the_largest_frame_passes_and_its_memory_is_given_back();
	small_frames_overtake_data_of_other_channels_only();
	a_frame_that_has_begun_to_leave_is_finished_first();
	a_frame_that_is_too_large_is_taken_back_whole();
	the_memory_of_data_that_has_left_serves_the_next_and_no_more_is_kept();
	return report("frame");
}
