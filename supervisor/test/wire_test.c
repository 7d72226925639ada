/* Fields: what is written is read back, and nothing is read beyond the end. */
#include "check.h"
#include "wire.h"

static struct reader reader_of(const struct buf *b, size_t len) { return (struct reader){b->data, b->data + len, false}; }

static void every_field_is_read_back(void) {
	struct buf b = {0};
	put_u8(&b, 0xfe);
	put_u16(&b, 0xfedc);
	put_u32(&b, 0xfedcba98);
	put_u64(&b, 0xfedcba9876543210);
	put_i32(&b, INT32_MIN);
	put_i64(&b, INT64_MIN);
	put_bytes(&b, "a\0b", 3);
	put_str(&b, "text");
	static const uint8_t start[] = {0xfe, 0xdc, 0xfe, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe};
	CHECK_BYTES(b.data, sizeof start, start, sizeof start);
	struct reader r = reader_of(&b, b.len);
	CHECK_EQ(get_u8(&r), 0xfe);
	CHECK_EQ(get_u16(&r), 0xfedc);
	CHECK_EQ(get_u32(&r), 0xfedcba98);
	CHECK(get_u64(&r) == 0xfedcba9876543210);
	CHECK_EQ(get_i32(&r), INT32_MIN);
	CHECK_EQ(get_i64(&r), INT64_MIN);
	struct slice s = get_bytes(&r);
	CHECK_BYTES(s.data, s.len, "a\0b", 3);
	char *text = get_str(&r);
	CHECK(text && strcmp(text, "text") == 0);
	free(text);
	CHECK(reader_done(&r));
	buf_free(&b);
}

static void a_cut_payload_is_bad_at_every_length(void) {
	struct buf b = {0};
	put_u32(&b, 7);
	put_str(&b, "hello");
	put_u64(&b, 9);
	for (size_t len = 0; len < b.len; len++) {
		/* A copy of that length alone, so that a sanitizer sees a byte read too many. */
		uint8_t *cut = malloc(len ? len : 1);
		if (len) memcpy(cut, b.data, len);
		struct reader r = {cut, cut + len, false};
		get_u32(&r);
		free(get_str(&r));
		get_u64(&r);
		CHECK(r.bad && !reader_done(&r));
		free(cut);
	}
	buf_free(&b);
}

static void bytes_left_over_are_not_done(void) {
	struct buf b = {0};
	put_u32(&b, 1);
	put_u8(&b, 0);
	struct reader r = reader_of(&b, b.len);
	get_u32(&r);
	CHECK(!r.bad && !reader_done(&r));
	buf_free(&b);
}

static void a_str_with_a_nul_is_bad(void) {
	struct buf b = {0};
	put_bytes(&b, "a\0b", 3);
	struct reader r = reader_of(&b, b.len);
	CHECK(get_str(&r) == NULL && r.bad);
	buf_free(&b);
}

static void lengths_and_counts_that_cannot_fit_are_bad(void) {
	struct buf b = {0};
	put_u32(&b, 0xffffffff);
	put_u64(&b, 0);
	struct reader r = reader_of(&b, b.len);
	get_bytes(&r);
	CHECK(r.bad);
	r = reader_of(&b, b.len);
	CHECK_EQ(get_count(&r, 4), 0);
	CHECK(r.bad);
	set_u32(&b, 0, 2);
	r = reader_of(&b, b.len);
	CHECK_EQ(get_count(&r, 4), 2);
	CHECK(!r.bad);
	set_u32(&b, 0, 3);
	r = reader_of(&b, b.len);
	CHECK_EQ(get_count(&r, 4), 0);
	CHECK(r.bad);
	buf_free(&b);
}

static void a_buf_stops_at_its_limit_and_stays_failed(void) {
	struct buf b = {0};
	CHECK(buf_reserve(&b, BUF_LIMIT));
	b.len = BUF_LIMIT - 3;
	put_u32(&b, 1);
	CHECK(b.failed);
	CHECK_EQ(b.len, BUF_LIMIT - 3);
	put_u8(&b, 1);
	CHECK_EQ(b.len, BUF_LIMIT - 3);
	buf_free(&b);
	put_bytes(&b, "", (size_t)BUF_LIMIT + 1);
	CHECK(b.failed);
	buf_free(&b);
}

static void set_u32_stays_inside(void) {
	struct buf b = {0};
	set_u32(&b, 0, 1);
	put_u8(&b, 1);
	set_u32(&b, 0, 0x01020304);
	CHECK_EQ(b.data[0], 1);
	buf_free(&b);
}

int main(void) {
	every_field_is_read_back();
	a_cut_payload_is_bad_at_every_length();
	bytes_left_over_are_not_done();
	a_str_with_a_nul_is_bad();
	lengths_and_counts_that_cannot_fit_are_bad();
	a_buf_stops_at_its_limit_and_stays_failed();
	set_u32_stays_inside();
	return report("wire");
}
