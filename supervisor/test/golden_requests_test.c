/* Every golden frame of the host is understood by the decoders that serve it. The values are those of the comments in the fixture. */
#include "golden.h"

#include "fs.h"
#include "request.h"

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

int main(void) {
	char dir[16];
	load();
	make_dir(dir);
	control_requests();
	start_requests();
	command_requests();
	file_requests(dir);
	check_all_used(false);
	remove_dir(dir);
	return report("golden requests");
}
