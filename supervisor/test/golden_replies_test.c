/* Every golden frame of the supervisor is built again, byte for byte, by the encoders that answer. The values are those of the comments in the
 * fixture. */
#include "golden.h"

#include <errno.h>
#include <fcntl.h>

#include "fs.h"
#include "reply.h"
#include "store.h"
#include "usage.h"

static struct frame_out lined_up;

static struct buf *begin(uint8_t type, uint32_t channel) { return frame_out_begin(&lined_up, type, channel); }

/* The frame that was begun is the golden one. */
static void expect(const char *name) {
	struct golden *g = golden(name);
	struct iovec v[2];
	CHECK(frame_out_end(&lined_up));
	CHECK_EQ(frame_out_vectors(&lined_up, v, 2), 1);
	int before = failures;
	CHECK_BYTES(v[0].iov_base, v[0].iov_len, g->bytes, g->len);
	if (failures != before) fprintf(stderr, "  in %s\n", name);
	frame_out_sent(&lined_up, frame_out_bytes(&lined_up));
}

static void control_replies(void) {
	struct hello_reply hello = {.build = "0.1.0", .spool_dir = "/tmp/.sandbox", .uid = 1100001};
	for (uint8_t i = 0; i < BOOT_ID_BYTES; i++) hello.boot_id[i] = i;
	encode_hello(begin(T_HELLO, 0), &hello);
	expect("hello_supervisor");
	encode_ok(begin(T_OK, 1), 7);
	expect("ok");
	encode_error(begin(T_ERROR, 2), E_NO_SPACE, ENOSPC);
	expect("error");
	struct info_reply info = {60000, 1500, 2, 3, 1, 1048576, 536870912, 4};
	encode_info(begin(T_INFO_REPLY, 2), &info);
	expect("info_reply");
	struct quiesced_reply q = {true, 1900000, 0};
	encode_quiesced(begin(T_QUIESCED, 3), &q);
	expect("quiesced");
	struct usage_reply u = {USAGE_ENTRIES | USAGE_UNREADABLE, 1610612736, 4321, 53687091200, 10737418240, 3276800, 3000000};
	encode_usage(begin(T_USAGE_REPLY, 24), &u);
	expect("usage_reply");
}

static const struct summary summary = {"k7q-42", S_EXITED, 1, 0, SUMMARY_OUT_SPOOLED, 1770000000123, 1234567, 45678, 9437184, 100000, 3};

static void store_of(struct store *s, struct spool *none, size_t len, size_t at, const char *text) {
	uint8_t *data = calloc(1, len);
	memcpy(data + at, text, strlen(text));
	store_open(s, none, "x.log");
	store_append(s, data, len);
	free(data);
}

static void command_replies(void) {
	struct spool none = {.path = "/proc/nowhere", .dir = -1};
	struct store out, err;
	store_of(&out, &none, 100000, 0, "ab");
	memcpy(out.memory + 99998, "yz", 2);
	store_of(&err, &none, 3, 0, "err");
	struct buf *b = begin(T_RESULT, 5);
	encode_summary(b, &summary);
	store_put_captured(&out, b, 2, 2);
	store_put_captured(&err, b, 2, 2);
	expect("result");
	store_discard(&out);
	store_discard(&err);
	store_of(&out, &none, 9, 5, "cde");
	store_of(&err, &none, 6, 0, "");
	b = begin(T_OUTPUT_REPLY, 8);
	encode_summary(b, &summary);
	CHECK(store_put_page(&out, b, 5, 3) && store_put_page(&err, b, 6, 3));
	expect("output_reply");
	store_discard(&out);
	store_discard(&err);
	b = begin(T_COMMANDS_REPLY, 13);
	put_u32(b, 1);
	encode_summary(b, &summary);
	put_bytes(b, "sleep 1000", command_text_length("sleep 1000", 10));
	expect("commands_reply");
	buf_put(begin(T_DATA, 15), "abc", 3);
	expect("data");
}

/* The version of a real file is a hash that no golden value can be: the golden one is put in its place. */
#define VERSION_AT 21u

static void put_versioned(struct buf *b, const struct buf *reply, const char *name) {
	struct golden *g = golden(name);
	size_t frame_header = 4 + FRAME_HEADER;
	CHECK(reply->len >= VERSION_AT + 8);
	uint64_t zero = 0;
	CHECK(memcmp(reply->data + VERSION_AT, &zero, 8) != 0);
	memcpy(reply->data + VERSION_AT, g->bytes + frame_header + VERSION_AT, 8);
	buf_put(b, reply->data, reply->len);
	expect(name);
}

/* A file of 1,024 bytes that ends in "z", mode 0644, with the fixture's time. */
static void make_golden_file(const char *path) {
	char text[1024];
	memset(text, 'a', sizeof text);
	text[1023] = 'z';
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct timespec times[2] = {{1770000000, 123456789}, {1770000000, 123456789}};
	CHECK(fd >= 0 && write(fd, text, sizeof text) == sizeof text && fchmod(fd, 0644) == 0 && futimens(fd, times) == 0);
	close(fd);
}

static void file_replies(const char *dir) {
	char path[64];
	below(path, dir, "golden");
	make_golden_file(path);
	struct buf in = {0}, out = {0};
	uint8_t type;
	put_str(&in, path);
	put_u8(&in, 1);
	CHECK_EQ(fs_request(T_STAT, (struct slice){in.data, in.len}, &out, &type).code, E_NONE);
	put_versioned(begin(type, 14), &out, "stat_reply");
	in.len = out.len = 0;
	put_str(&in, path);
	put_u64(&in, 1023);
	put_u64(&in, 0);
	put_u32(&in, 100);
	struct fs_read *read;
	uint32_t window;
	bool end = false;
	CHECK_EQ(fs_read_open((struct slice){in.data, in.len}, &read, &window).code, E_NONE);
	CHECK_EQ(fs_read_next(read, &out, 100, &end).code, E_NONE);
	CHECK(end);
	fs_read_close(read);
	put_versioned(begin(T_READ_END, 15), &out, "read_end");
	buf_free(&in);
	buf_free(&out);
}

/* Replies whose golden values no real file gives: the fixture and a real reply have the same shape. */
static bool shaped_as(uint8_t type, struct slice s) {
	struct reader r = {s.data, s.data + s.len, false};
	uint32_t n;
	switch (type) {
	case T_WRITTEN: return s.len == 29 + 1;
	case T_LINES:
		r.at += s.len < 29 ? s.len : 29;
		get_u8(&r), get_u64(&r), get_u64(&r);
		for (n = get_count(&r, 8); n && !r.bad; n--) get_u32(&r), get_bytes(&r);
		return reader_done(&r);
	case T_ENTRIES:
		get_u64(&r), get_u8(&r);
		for (n = get_count(&r, 29 + 4 + 4 + 4); n && !r.bad; n--) {
			for (int i = 0; i < 29; i++) get_u8(&r);
			get_u32(&r), get_bytes(&r), get_bytes(&r);
		}
		return reader_done(&r);
	default: return false;
	}
}

static void file_reply_shapes(const char *dir) {
	make_file(dir, "log", "1\n2\n");
	static const struct {
		const char *reply, *request;
		uint8_t type, request_type;
		uint32_t channel, request_channel;
	} pairs[] = {
		{"written", "write", T_WRITTEN, T_WRITE, 17, 17},
		{"lines", "read_lines", T_LINES, T_READ_LINES, 16, 16},
		{"entries", "list", T_ENTRIES, T_LIST, 22, 22},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		CHECK(shaped_as(pairs[i].type, payload_of(pairs[i].reply, pairs[i].type, pairs[i].channel)));
		struct slice request = payload_in(dir, pairs[i].request, pairs[i].request_type, pairs[i].request_channel);
		struct buf out = {0};
		uint8_t type = 0;
		char path[64];
		below(path, dir, "x.sh");
		unlink(path);
		CHECK_EQ(fs_request(pairs[i].request_type, request, &out, &type).code, E_NONE);
		CHECK_EQ(type, pairs[i].type);
		CHECK(shaped_as(type, (struct slice){out.data, out.len}));
		buf_free(&out);
	}
}

int main(void) {
	char dir[16];
	load();
	make_dir(dir);
	control_replies();
	command_replies();
	file_replies(dir);
	file_reply_shapes(dir);
	check_all_used(true);
	frame_out_free(&lined_up);
	remove_dir(dir);
	return report("golden replies");
}
