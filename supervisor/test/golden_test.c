/* The golden frames that bind the host and the supervisor: every frame of the host is understood by the decoders that serve it, every
 * frame of the supervisor is built again, byte for byte, by the encoders that answer. The values are those of the comments in the
 * fixture. File frames run against a directory whose path is as long as the fixture's "/workspace", put in its place. */
#include "check.h"
#include "frame.h"
#include "fs.h"
#include "reply.h"
#include "request.h"
#include "store.h"
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE "../test/fixtures/protocol/frames.txt"
#define WORKSPACE "/workspace"

struct golden {
	char name[32];
	uint8_t bytes[256];
	size_t len;
	bool used;
};

static struct golden all[64];
static size_t count;

static void load(void) {
	FILE *f = fopen(FIXTURE, "r");
	if (!f) {
		perror(FIXTURE);
		exit(2);
	}
	char line[2048], hex[1024];
	while (fgets(line, sizeof line, f)) {
		struct golden *g = &all[count];
		if (line[0] == '#' || sscanf(line, "%31s %1023s", g->name, hex) != 2) continue;
		for (const char *p = hex; p[0] && p[1]; p += 2) {
			unsigned byte;
			if (sscanf(p, "%2x", &byte) == 1 && g->len < sizeof g->bytes) g->bytes[g->len++] = (uint8_t)byte;
		}
		count++;
	}
	fclose(f);
}

static struct golden *golden(const char *name) {
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].name, name) != 0) continue;
		all[i].used = true;
		return &all[i];
	}
	fprintf(stderr, "no golden frame %s\n", name);
	exit(2);
}

/* The frame of that name, cut by the parser. */
static struct slice payload_of(const char *name, uint8_t type, uint32_t channel) {
	static struct frame_in in;
	struct golden *g = golden(name);
	size_t room;
	uint8_t *to = frame_in_space(&in, &room);
	memcpy(to, g->bytes, g->len);
	frame_in_filled(&in, g->len);
	struct frame f = {0};
	CHECK_EQ(frame_in_next(&in, &f), FRAME_READY);
	CHECK_EQ(f.type, type);
	CHECK_EQ(f.channel, channel);
	return f.payload;
}

static bool is(struct slice s, const char *text) { return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0; }

static bool is_key(struct slice s) {
	for (size_t i = 0; i < KEY_BYTES; i++)
		if (s.len != KEY_BYTES || s.data[i] != i) return false;
	return true;
}

static void control_requests(void) {
	struct hello_request hello;
	CHECK_EQ(decode_hello(payload_of("hello_host", T_HELLO, 0), &hello), E_NONE);
	CHECK(hello.magic == PROTO_MAGIC && hello.version == PROTO_VERSION);
	CHECK_EQ(decode_empty(payload_of("ping", T_PING, 1)), E_NONE);
	CHECK_EQ(decode_empty(payload_of("info", T_INFO, 2)), E_NONE);
	struct quiesce_request q;
	CHECK_EQ(decode_quiesce(payload_of("quiesce", T_QUIESCE, 3), &q), E_NONE);
	CHECK(q.min_idle_ms == 1800000 && q.hold_ms == 10000);
	CHECK_EQ(decode_empty(payload_of("kill_all", T_KILL_ALL, 4)), E_NONE);
	CHECK_EQ(decode_empty(payload_of("claim", T_CLAIM, 25)), E_NONE);
	struct usage_request u;
	CHECK_EQ(decode_usage(payload_of("usage", T_USAGE, 24), &u), E_NONE);
	CHECK(is(u.path, "/workspace") && u.max_entries == 100000 && u.max_ms == 5000);
	uint32_t window;
	CHECK_EQ(decode_window(payload_of("window", T_WINDOW, 15), &window), E_NONE);
	CHECK_EQ(window, 65536);
	CHECK_EQ(decode_empty(payload_of("write_end", T_WRITE_END, 18)), E_NONE);
	CHECK_EQ(decode_empty(payload_of("abort", T_ABORT, 18)), E_NONE);
}

static void start_requests(void) {
	struct start_request r;
	CHECK_EQ(decode_start(payload_of("start_shell", T_START, 5), &r), E_NONE);
	CHECK(is_key(r.key) && r.flags == START_SHELL);
	CHECK(r.timeout_ms == 300000 && r.grace_ms == 1000 && r.wait_ms == 45000);
	CHECK(r.budget.head == 3276 && r.budget.tail == 13108);
	CHECK(strcmp(r.cwd, "/workspace") == 0 && r.argc == 1 && strcmp(r.argv[0], "echo h\xc3\xa9llo") == 0 && !r.argv[1]);
	CHECK(r.envc == 2 && strcmp(r.env[0], "A=1") == 0 && strcmp(r.env[1], "PATH=/usr/bin:/bin") == 0 && !r.env[2] && !r.env[3]);
	CHECK_EQ(r.stdin_data.len, 0);
	start_request_free(&r);
	CHECK_EQ(decode_start(payload_of("start_argv", T_START, 6), &r), E_NONE);
	CHECK(is_key(r.key) && r.flags == START_KEEP_STDIN && !r.timeout_ms && !r.grace_ms && !r.wait_ms && r.budget.head == 1 && r.budget.tail == 2);
	CHECK(strcmp(r.cwd, "/tmp") == 0 && r.argc == 2 && strcmp(r.argv[0], "cat") == 0 && strcmp(r.argv[1], "-n") == 0 && r.envc == 0);
	CHECK_BYTES(r.stdin_data.data, r.stdin_data.len, "\0\xff", 2);
	start_request_free(&r);
	CHECK_EQ(decode_start(payload_of("start_private", T_START, 23), &r), E_NONE);
	CHECK(is_key(r.key) && r.flags == START_PRIVATE && r.timeout_ms == 30000 && r.grace_ms == 1000 && r.wait_ms == 35000);
	CHECK(r.budget.head == 100 && r.budget.tail == 400 && strcmp(r.cwd, "/") == 0 && r.argc == 1 && strcmp(r.argv[0], "df") == 0 && r.envc == 0);
	start_request_free(&r);
}

static void command_requests(void) {
	struct wait_request w;
	CHECK_EQ(decode_wait(payload_of("wait", T_WAIT, 7), &w), E_NONE);
	CHECK(is(w.ref, "k7q-42") && w.wait_ms == 50000 && w.budget.head == 10 && w.budget.tail == 20);
	struct output_request o;
	CHECK_EQ(decode_output(payload_of("output", T_OUTPUT, 8), &o), E_NONE);
	CHECK(is_key(o.ref) && o.flags == 3 && o.since[0] == 5 && o.since[1] == 6 && o.max_bytes == 65536 && o.wait_ms == 1000);
	CHECK_EQ(decode_output(payload_of("output_end", T_OUTPUT, 9), &o), E_NONE);
	CHECK(is(o.ref, "a-1") && o.flags == 5 && o.since[0] == 100 && o.since[1] == 0 && o.max_bytes == 100 && o.wait_ms == 0);
	struct signal_request s;
	CHECK_EQ(decode_signal(payload_of("signal", T_SIGNAL, 10), &s), E_NONE);
	CHECK(is(s.ref, "k7q-42") && s.signal == 15 && s.scope == SCOPE_ALL);
	struct stdin_request i;
	CHECK_EQ(decode_stdin(payload_of("stdin", T_STDIN, 11), &i), E_NONE);
	CHECK(is(i.ref, "k7q-42") && i.close == 1 && is(i.data, "hi\n"));
	struct cancel_request c;
	CHECK_EQ(decode_cancel(payload_of("cancel", T_CANCEL, 12), &c), E_NONE);
	CHECK(is(c.ref, "k7q-42") && c.grace_ms == 1000);
	CHECK_EQ(decode_empty(payload_of("commands", T_COMMANDS, 13)), E_NONE);
}

/* As payload_of, with the directory in place of every "/workspace". */
static struct slice payload_in(const char *dir, const char *name, uint8_t type, uint32_t channel) {
	struct slice s = payload_of(name, type, channel);
	static uint8_t copy[256];
	memcpy(copy, s.data, s.len);
	size_t n = strlen(WORKSPACE);
	for (size_t i = 0; i + n <= s.len; i++)
		if (memcmp(copy + i, WORKSPACE, n) == 0) memcpy(copy + i, dir, n);
	return (struct slice){copy, s.len};
}

static void below(char *path, const char *dir, const char *name) { snprintf(path, 64, "%s/%s", dir, name); }

static void make_file(const char *dir, const char *name, const char *text) {
	char path[64];
	below(path, dir, name);
	FILE *f = fopen(path, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static uint16_t code_in(const char *dir, const char *name, uint8_t type, uint32_t channel) {
	struct buf out = {0};
	uint8_t reply;
	struct fault f = fs_request(type, payload_in(dir, name, type, channel), &out, &reply);
	buf_free(&out);
	return f.code;
}

/* What the request asks for has been done: the values were understood. */
static void file_requests(const char *dir) {
	char path[64];
	struct stat st;
	make_file(dir, "a b", "x");
	CHECK_EQ(code_in(dir, "stat", T_STAT, 14), E_NONE);
	make_file(dir, "log", "1\n2\n");
	CHECK_EQ(code_in(dir, "read_lines", T_READ_LINES, 16), E_NONE);
	CHECK_EQ(code_in(dir, "write", T_WRITE, 17), E_NONE);
	below(path, dir, "x.sh");
	CHECK(stat(path, &st) == 0 && st.st_size == 10 && st.st_mode & 0100);
	CHECK_EQ(code_in(dir, "mkdir", T_MKDIR, 19), E_NONE);
	below(path, dir, "d/e");
	CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0755);
	CHECK_EQ(code_in(dir, "remove", T_REMOVE, 20), E_NONE);
	below(path, dir, "d");
	CHECK(stat(path, &st) < 0);
	make_file(dir, "a", "from");
	CHECK_EQ(code_in(dir, "rename", T_RENAME, 21), E_NONE);
	make_file(dir, "a", "again");
	CHECK_EQ(code_in(dir, "rename", T_RENAME, 21), E_EXISTS);
	CHECK_EQ(code_in(dir, "list", T_LIST, 22), E_NONE);
	struct fs_read *read;
	uint32_t window = 0;
	make_file(dir, "big", "");
	CHECK_EQ(fs_read_open(payload_in(dir, "read", T_READ, 15), &read, &window).code, E_NONE);
	CHECK_EQ(window, 262144);
	fs_read_close(read);
	make_file(dir, "y", "old");
	struct fs_write *write;
	CHECK_EQ(fs_write_open(payload_in(dir, "write_open", T_WRITE, 18), &write).code, E_STALE_VERSION);
	struct slice data = payload_of("write_data", T_WRITE_DATA, 18);
	CHECK_BYTES(data.data, data.len, "\0\1\2", 3);
}

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

/* A new directory whose path has the length of WORKSPACE. */
static void make_dir(char *dir) {
	for (int i = 0; i < 100000; i++) {
		snprintf(dir, 16, "/tmp/%05d", (int)(getpid() + i) % 100000);
		if (mkdir(dir, 0700) == 0) return;
	}
	exit(2);
}

int main(void) {
	char dir[16], command[64];
	load();
	make_dir(dir);
	control_requests();
	start_requests();
	command_requests();
	file_requests(dir);
	control_replies();
	command_replies();
	file_replies(dir);
	file_reply_shapes(dir);
	for (size_t i = 0; i < count; i++) {
		if (all[i].used) continue;
		fprintf(stderr, "golden frame %s is not tried\n", all[i].name);
		failures++;
	}
	frame_out_free(&lined_up);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK(system(command) == 0);
	return report("golden");
}
