/* READ_LINES, against a plain model of the same. */
#include "fs_test.h"

enum { BINARY = 1, STOPPED = 2, NO_FINAL_NEWLINE = 4 };

struct lines {
	struct call c;
	struct info info;
	uint8_t flags;
	uint64_t first, total;
	uint32_t count;
};

static struct lines lines_of(const char *path, int64_t first, uint32_t max_lines, uint32_t max_bytes, uint32_t max_line_bytes) {
	struct lines l = {0};
	put_str(&l.c.in, path);
	put_i64(&l.c.in, first);
	put_u32(&l.c.in, max_lines);
	put_u32(&l.c.in, max_bytes);
	put_u32(&l.c.in, max_line_bytes);
	call_run(&l.c, T_READ_LINES, T_LINES);
	if (l.c.f.code) return l;
	l.info = get_info(&l.c.r);
	l.flags = get_u8(&l.c.r);
	l.first = get_u64(&l.c.r);
	l.total = get_u64(&l.c.r);
	l.count = get_count(&l.c.r, 8);
	return l;
}

/* Frees; true if the lines are exactly these, joined with `|`, each cut one followed by its length in brackets. */
static bool are(struct lines *l, const char *want) {
	char got[1000] = "";
	size_t n = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t full = get_u32(&l->c.r);
		struct slice s = get_bytes(&l->c.r);
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", i ? "|" : "", (int)s.len, (const char *)s.data);
		if (s.len != full) n += (size_t)snprintf(got + n, sizeof got - n, "[%u]", full);
	}
	bool same = reader_done(&l->c.r) && !strcmp(got, want);
	if (!same) fprintf(stderr, "got %s, not %s\n", got, want);
	call_free(&l->c);
	return same;
}

static void small_files(void) {
	static const struct {
		const char *text;
		int64_t first;
		uint32_t max_lines, max_bytes, max_line;
		const char *want;
		uint64_t line, total;
		uint8_t flags;
	} table[] = {
		{"a\nb\nc\n", 1, 10, 1000, 100, "a|b|c", 1, 3, 0},
		{"a\nb\nc", 1, 10, 1000, 100, "a|b|c", 1, 3, NO_FINAL_NEWLINE},
		{"a\nb\nc", 2, 1, 1000, 100, "b", 2, 3, NO_FINAL_NEWLINE},
		{"a\nb\nc\n", 3, 10, 1000, 100, "c", 3, 3, 0},
		{"a\nb\nc\n", 4, 10, 1000, 100, "", 4, 3, 0},
		{"a\nb\nc\n", INT64_MAX, 10, 1000, 100, "", INT64_MAX, 3, 0},
		{"a\nb\nc\n", -1, 10, 1000, 100, "c", 3, 3, 0},
		{"a\nb\nc", -1, 10, 1000, 100, "c", 3, 3, NO_FINAL_NEWLINE},
		{"a\nb\nc\n", -2, 1, 1000, 100, "b", 2, 3, 0},
		{"a\nb\nc\n", -3, 10, 1000, 100, "a|b|c", 1, 3, 0},
		{"a\nb\nc\n", -4, 10, 1000, 100, "a|b|c", 1, 3, 0},
		{"a\nb\nc\n", INT64_MIN, 10, 1000, 100, "a|b|c", 1, 3, 0},
		{"", 1, 10, 1000, 100, "", 1, 0, 0},
		{"", -1, 10, 1000, 100, "", 1, 0, 0},
		{"\n", 1, 10, 1000, 100, "", 1, 1, 0}, /* one empty line: the count is checked below */
		{"\n\n\n", -2, 10, 1000, 100, "|", 2, 3, 0},
		{"a\r\nb\r\n", 1, 10, 1000, 100, "a\r|b\r", 1, 2, 0},
		{"abcdef\nb\n", 1, 10, 1000, 3, "abc[6]|b", 1, 2, 0},
		{"abcdef\nb\n", 1, 10, 1000, 0, "[6]|[1]", 1, 2, 0},
		{"abc\nabc\nabc\n", 1, 10, 8, 100, "abc|abc", 1, 3, STOPPED},
		{"abc\nabc\nabc\n", 1, 10, 7, 100, "abc", 1, 3, STOPPED},
		{"abc\nabc\nabc", 1, 10, 11, 100, "abc|abc|abc", 1, 3, NO_FINAL_NEWLINE},
		{"abcdef\nb\n", 1, 10, 2, 100, "ab[6]", 1, 2, STOPPED},
		{"abc\n", 1, 10, 0, 100, "[3]", 1, 1, 0},
		{"a\nb\n", 1, 0, 1000, 100, "", 1, 2, 0},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		put_file(at("f"), table[i].text, strlen(table[i].text));
		struct lines l = lines_of(at("f"), table[i].first, table[i].max_lines, table[i].max_bytes, table[i].max_line);
		int before = failures;
		CHECK_EQ(l.c.f.code, E_NONE);
		CHECK_EQ(l.first, table[i].line);
		CHECK_EQ(l.total, table[i].total);
		CHECK_EQ(l.flags, table[i].flags);
		CHECK_EQ(l.info.size, strlen(table[i].text));
		if (!strcmp(table[i].text, "\n")) CHECK_EQ(l.count, 1);
		CHECK(are(&l, table[i].want));
		if (failures != before) fprintf(stderr, "  in row %zu\n", i);
	}
}

/* Lines of random length over many blocks: any line from the start and from the end is where a plain scan finds it. */
static void many_blocks(void) {
	enum { SIZE = 700000 };
	char *text = malloc(SIZE);
	uint32_t x = 7, lines = 0, *starts = malloc(sizeof *starts * (SIZE + 1));
	starts[0] = 0;
	for (uint32_t i = 0; i < SIZE; i++) {
		x = x * 1664525u + 1013904223u;
		/* Dense, then sparse, so that blocks without any newline are met too. */
		text[i] = (x >> 8) % (i < 300000 ? 20 : 50000) == 0 ? '\n' : (char)('a' + (x >> 24) % 26);
		if (text[i] == '\n') starts[++lines] = i + 1;
	}
	for (int final = 0; final < 2; final++) {
		uint32_t size = final ? starts[lines] : SIZE, total = final ? lines : lines + 1;
		put_file(at("f"), text, size);
		for (int t = 0; t < 400; t++) {
			x = x * 1664525u + 1013904223u;
			uint32_t n = t < 20 ? total - 1 - (uint32_t)t : (x >> 4) % total;
			int64_t first = t % 2 ? (int64_t)n + 1 : (int64_t)n - (int64_t)total;
			struct lines l = lines_of(at("f"), first, 1, 1 << 20, 1 << 20);
			CHECK_EQ(l.total, total);
			CHECK_EQ(l.first, n + 1);
			CHECK_EQ(l.count, 1);
			uint32_t full = get_u32(&l.c.r);
			struct slice s = get_bytes(&l.c.r);
			uint32_t len = (n + 1 <= lines ? starts[n + 1] - 1 : size) - starts[n];
			CHECK_EQ(full, len);
			CHECK(s.len == len && !memcmp(s.data, text + starts[n], len));
			CHECK(reader_done(&l.c.r));
			call_free(&l.c);
		}
	}
	free(text);
	free(starts);
}

static void bounds_of_the_reply(void) {
	enum { SIZE = 3 << 20 };
	char *text = malloc(SIZE);
	memset(text, '\n', SIZE);
	put_file(at("f"), text, SIZE);
	struct lines l = lines_of(at("f"), 1, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	CHECK_EQ(l.c.f.code, E_NONE);
	CHECK_EQ(l.total, SIZE);
	CHECK_EQ(l.flags, STOPPED);
	CHECK(l.count > 100000 && l.c.out.len < FRAME_MAX - FRAME_HEADER);
	call_free(&l.c);
	memset(text, 'x', SIZE);
	put_file(at("f"), text, SIZE);
	l = lines_of(at("f"), -1, 5, UINT32_MAX, UINT32_MAX);
	CHECK_EQ(l.total, 1);
	CHECK_EQ(l.count, 1);
	CHECK_EQ(get_u32(&l.c.r), SIZE);
	CHECK_EQ(get_bytes(&l.c.r).len, 1 << 20);
	call_free(&l.c);
	free(text);
}

static void binary(void) {
	char text[9000];
	memset(text, 'x', sizeof text);
	text[8192] = 0;
	put_file(at("f"), text, sizeof text);
	struct lines l = lines_of(at("f"), 1, 0, 0, 0);
	CHECK_EQ(l.flags & BINARY, 0);
	call_free(&l.c);
	text[8191] = 0;
	put_file(at("f"), text, sizeof text);
	l = lines_of(at("f"), 1, 0, 0, 0);
	CHECK_EQ(l.flags & BINARY, BINARY);
	call_free(&l.c);
}

static int lines_code(const char *path, int64_t first) {
	struct lines l = lines_of(path, first, 10, 1000, 100);
	call_free(&l.c);
	return l.c.f.code;
}

static void faults(void) {
	must(mkfifo(at("fifo"), 0600) == 0, "mkfifo");
	put_file(at("f"), "", 0);
	CHECK_EQ(lines_code(at("f"), 0), E_INVALID);
	CHECK_EQ(lines_code(at("fifo"), 1), E_NOT_REGULAR);
	CHECK_EQ(lines_code(dir, 1), E_IS_DIRECTORY);
	CHECK_EQ(lines_code(at("none"), 1), E_NOT_FOUND);
	CHECK_EQ(lines_code("/dev/zero", 1), E_NOT_REGULAR);
	CHECK_EQ(lines_code("/proc/self/status", -1), E_NONE);
	/* A terabyte of nothing: refused, not scanned for minutes. */
	if (truncate(at("f"), 1ll << 40) == 0) CHECK_EQ(lines_code(at("f"), 1), E_TOO_LARGE);
	else printf("skip: no sparse file of this size\n");
}

int main(void) {
	run_test("READ_LINES counts from both ends and keeps to its bounds", small_files);
	run_test("READ_LINES finds any line of a file of many blocks", many_blocks);
	run_test("READ_LINES stays within a frame, whatever is asked", bounds_of_the_reply);
	run_test("READ_LINES looks for NUL in the first 8,192 bytes", binary);
	run_test("READ_LINES refuses what cannot be scanned", faults);
	return failures != 0;
}
