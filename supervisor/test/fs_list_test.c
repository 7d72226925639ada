/* LIST. */
#include "fs_test.h"


enum { CAPPED = 1, MORE = 2, NAME = 1, MTIME = 2, SIZE = 3 };

struct query {
	const char *path;
	uint32_t depth;
	uint8_t hidden, sort;
	uint32_t limit;
	uint64_t skip;
	const char *globs[5], *folds[5];
};

struct page {
	struct call c;
	uint64_t total;
	uint8_t flags;
	uint32_t count;
};

static void put_strings(struct buf *in, const char *const *s) {
	uint32_t n = 0;
	while (n < 5 && s[n]) n++;
	put_u32(in, n);
	for (uint32_t i = 0; i < n; i++) put_str(in, s[i]);
}

static struct page list(struct query q) {
	struct page p = {0};
	put_str(&p.c.in, q.path ? q.path : dir);
	put_u32(&p.c.in, q.depth);
	put_u8(&p.c.in, q.hidden);
	put_u8(&p.c.in, q.sort ? q.sort : NAME);
	put_u32(&p.c.in, q.limit ? q.limit : UINT32_MAX);
	put_u64(&p.c.in, q.skip);
	put_strings(&p.c.in, q.globs);
	put_strings(&p.c.in, q.folds);
	call_run(&p.c, T_LIST, T_ENTRIES);
	if (p.c.f.code) return p;
	p.total = get_u64(&p.c.r);
	p.flags = get_u8(&p.c.r);
	p.count = get_count(&p.c.r, 41);
	return p;
}

/* True if the page is exactly: names joined with ` `; a link with `>target`, a directory with `/`, what is folded with `+count`. */
static bool gives(struct query q, const char *want) {
	struct page p = list(q);
	CHECK_EQ(p.c.f.code, E_NONE);
	char got[4000] = "";
	size_t n = 0;
	for (uint32_t i = 0; i < p.count; i++) {
		struct info info = get_info(&p.c.r);
		uint32_t folded = get_u32(&p.c.r);
		struct slice path = get_bytes(&p.c.r), target = get_bytes(&p.c.r);
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", i ? " " : "", (int)path.len, (const char *)path.data);
		if (info.type == F_DIRECTORY) n += (size_t)snprintf(got + n, sizeof got - n, "/");
		if (info.type == F_SYMLINK) n += (size_t)snprintf(got + n, sizeof got - n, ">%.*s", (int)target.len, (const char *)target.data);
		if (folded) n += (size_t)snprintf(got + n, sizeof got - n, "+%u", folded);
	}
	bool same = reader_done(&p.c.r) && !strcmp(got, want);
	if (!same) fprintf(stderr, "got  %s\nwant %s\n", got, want);
	call_free(&p.c);
	return same;
}

static void tree(void) {
	static const char *const dirs[] = {"src", "src/deep", "src/deep/er", "node_modules", "node_modules/p", ".git", ".git/objects", "empty"};
	static const char *const files[] = {"a.c", "b.h", ".hidden", "src/c.c", "src/deep/d.c", "src/deep/er/e.c", "node_modules/p/x.c", "node_modules/p/y", ".git/HEAD"};
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) must(mkdir(at("%s", dirs[i]), 0755) == 0, dirs[i]);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) put_file(at("%s", files[i]), "12345678", i);
	must(symlink("src", at("link")) == 0, "symlink");
}

static void what_is_listed(void) {
	tree();
	CHECK(gives((struct query){.depth = 0}, ""));
	CHECK(gives((struct query){.depth = 1}, "a.c b.h empty/ link>src node_modules/ src/"));
	CHECK(gives((struct query){.depth = 1, .hidden = 1}, ".git/ .hidden a.c b.h empty/ link>src node_modules/ src/"));
	CHECK(gives((struct query){.depth = 2}, "a.c b.h empty/ link>src node_modules/ node_modules/p/ src/ src/c.c src/deep/"));
	CHECK(gives((struct query){.depth = 9, .globs = {"*.c"}},
	            "a.c node_modules/p/x.c src/c.c src/deep/d.c src/deep/er/e.c"));
	CHECK(gives((struct query){.depth = 9, .globs = {"*.c"}, .folds = {"node_modules", "er"}}, "a.c src/c.c src/deep/d.c"));
	CHECK(gives((struct query){.depth = 9, .hidden = 1, .folds = {".git", "node_modules", "src", "empty", "a.c"}},
	            ".git/+2 .hidden a.c b.h empty/ link>src node_modules/+3 src/+5"));
	CHECK(gives((struct query){.depth = 9, .globs = {"src/*", "b.h"}}, "b.h src/c.c src/deep/"));
	CHECK(gives((struct query){.depth = 2, .globs = {"src/**"}}, "src/ src/c.c src/deep/"));
	CHECK(gives((struct query){.depth = 9, .globs = {"**/d*"}}, "src/deep/ src/deep/d.c"));
	CHECK(gives((struct query){.depth = 9, .globs = {"none"}}, ""));
	CHECK(gives((struct query){.path = at("link"), .depth = 1}, "c.c deep/"));
	CHECK(gives((struct query){.path = at("src/deep/"), .depth = 1}, "d.c er/"));
	CHECK(gives((struct query){.path = at("src/c.c"), .depth = 1}, "c.c"));
	CHECK(gives((struct query){.path = at("src/c.c"), .depth = 1, .skip = 1}, ""));
	must(symlink("none", at("dangling")) == 0, "symlink");
	CHECK(gives((struct query){.path = at("dangling"), .depth = 1}, "dangling>none"));
	CHECK(gives((struct query){.path = at("empty"), .depth = 9}, ""));
}

static void order_and_pages(void) {
	for (int i = 0; i < 5; i++) {
		char text[8] = "xxxxxxx";
		put_file(at("%c", "cabed"[i]), text, (size_t)(i < 2 ? 3 : i));
		struct timespec times[2] = {{0, UTIME_OMIT}, {1000 + (i > 2 ? 2 : i), 0}};
		must(utimensat(AT_FDCWD, at("%c", "cabed"[i]), times, 0) == 0, "utimensat");
	}
	CHECK(gives((struct query){.depth = 1}, "a b c d e"));
	CHECK(gives((struct query){.depth = 1, .sort = MTIME}, "b d e a c"));
	CHECK(gives((struct query){.depth = 1, .sort = SIZE}, "d a c e b"));
	static const struct {
		uint32_t limit;
		uint64_t skip;
		const char *want;
		uint8_t flags;
	} pages[] = {
		{2, 0, "a b", MORE}, {2, 2, "c d", MORE}, {2, 4, "e", 0}, {2, 5, "", 0}, {2, 99, "", 0}, {5, 0, "a b c d e", 0}, {4, 1, "b c d e", 0}, {9, UINT64_MAX, "", 0},
	};
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct query q = {.depth = 1, .limit = pages[i].limit, .skip = pages[i].skip};
		struct page p = list(q);
		CHECK_EQ(p.total, 5);
		CHECK_EQ(p.flags, pages[i].flags);
		call_free(&p.c);
		CHECK(gives(q, pages[i].want));
	}
}

static int list_code(struct query q) {
	struct page p = list(q);
	call_free(&p.c);
	return p.c.f.code;
}

static void faults(void) {
	put_file(at("f"), "", 0);
	must(symlink("loop", at("loop")) == 0, "symlink");
	CHECK_EQ(list_code((struct query){.path = at("none"), .depth = 1}), E_NOT_FOUND);
	CHECK_EQ(list_code((struct query){.path = at("f/x"), .depth = 1}), E_NOT_A_DIRECTORY);
	CHECK_EQ(list_code((struct query){.path = at("f/"), .depth = 1}), E_NOT_A_DIRECTORY);
	CHECK_EQ(list_code((struct query){.path = at("loop/x"), .depth = 1}), E_LOOP);
	CHECK_EQ(list_code((struct query){.depth = 1, .sort = 4}), E_INVALID);
	CHECK_EQ(list_code((struct query){.depth = 1, .globs = {""}}), E_INVALID);
	char pattern[1026];
	memset(pattern, '*', 1025);
	pattern[1025] = 0;
	CHECK_EQ(list_code((struct query){.depth = 1, .globs = {pattern}}), E_INVALID);
	pattern[1024] = 0;
	CHECK_EQ(list_code((struct query){.depth = 1, .globs = {pattern}}), E_NONE);
	CHECK(gives((struct query){.path = at("loop"), .depth = 1}, "loop>loop"));
}

static void names(void) {
	static const char *const all[] = {"\x1b[31m", "\n", " ", "*", "-rf", "a\nb", "quo\"te'", "\xff\xfe"};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) put_file(at("%s", all[i]), "", 0);
	struct page p = list((struct query){.depth = 1});
	CHECK_EQ(p.count, sizeof all / sizeof *all);
	unsigned seen = 0;
	for (uint32_t i = 0; i < p.count; i++) {
		get_info(&p.c.r);
		get_u32(&p.c.r);
		struct slice s = get_bytes(&p.c.r);
		get_bytes(&p.c.r);
		for (size_t k = 0; k < sizeof all / sizeof *all; k++)
			if (strlen(all[k]) == s.len && !memcmp(all[k], s.data, s.len)) seen |= 1u << k;
	}
	CHECK_EQ(seen, 0xff);
	call_free(&p.c);
}

static void ten_thousand(void) {
	for (int i = 0; i < 10000; i++) put_file(at("file-%05d", i), "", 0);
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		double start = now_ms();
		struct page p = list((struct query){.depth = 1});
		double ms = now_ms() - start;
		if (ms < best) best = ms;
		CHECK_EQ(p.total, 10000);
		CHECK_EQ(p.count, 10000);
		call_free(&p.c);
	}
	printf("10,000 entries: %.1f ms\n", best);
}

/* Pages of long names end before a megabyte and together give every entry once, in order. */
static void pages_fit_frames(void) {
	enum { N = 6000 };
	for (int i = 0; i < N; i++) put_file(at("%0240d", i), "", 0);
	uint64_t skip = 0;
	int pages = 0;
	for (bool more = true; more; pages++) {
		struct page p = list((struct query){.depth = 1, .skip = skip});
		CHECK_EQ(p.total, N);
		CHECK(p.c.out.len < (1u << 20) + 10000);
		for (uint32_t i = 0; i < p.count; i++) {
			get_info(&p.c.r);
			get_u32(&p.c.r);
			struct slice s = get_bytes(&p.c.r);
			get_bytes(&p.c.r);
			char want[256];
			snprintf(want, sizeof want, "%0240d", (int)(skip + i));
			CHECK(s.len == 240 && !memcmp(s.data, want, 240));
		}
		skip += p.count;
		more = p.flags & MORE;
		CHECK(p.count > 0);
		call_free(&p.c);
	}
	CHECK_EQ(skip, N);
	CHECK_EQ(pages, 2);
}

/* Deeper than a path can tell: what can be told is listed, and the page says that it is not all. */
static void deep(void) {
	char name[100];
	memset(name, 'd', 99);
	name[99] = 0;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 100; i++) {
		must(mkdirat(fd, name, 0755) == 0, "mkdirat");
		int next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		must(next >= 0, "openat");
		close(fd);
		fd = next;
	}
	close(fd);
	struct page p = list((struct query){.depth = UINT32_MAX});
	CHECK_EQ(p.c.f.code, E_NONE);
	CHECK_EQ(p.total, 40);
	CHECK_EQ(p.flags, CAPPED);
	call_free(&p.c);
	p = list((struct query){.depth = 3});
	CHECK_EQ(p.total, 3);
	CHECK_EQ(p.flags, 0);
	call_free(&p.c);
	p = list((struct query){.depth = 1, .folds = {name}});
	CHECK_EQ(p.total, 1);
	get_info(&p.c.r);
	CHECK_EQ(get_u32(&p.c.r), 40);
	CHECK_EQ(p.flags, CAPPED);
	call_free(&p.c);
	CHECK_EQ(remove_code(at("%s", name), 1), E_NONE);
}

int main(void) {
	umask(022);
	run_test("LIST keeps to depth, hidden names, globs and folds", what_is_listed);
	run_test("LIST sorts by name, time and size, and pages", order_and_pages);
	run_test("LIST refuses bad paths, orders and patterns", faults);
	run_test("LIST gives every name exactly, also one with a newline", names);
	run_test("LIST of 10,000 entries", ten_thousand);
	run_test("LIST cuts pages before a frame is full", pages_fit_frames);
	run_test("LIST of a tree deeper than a path can tell", deep);
	return failures != 0;
}
