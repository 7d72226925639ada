/* Memory that runs out: every allocation of every request fails once, and each time the answer is E_RESOURCES with nothing changed, or
 * a whole success; nothing stays allocated. Takes the place of glibc's malloc, so it is a test for the plain build only. */
#include "fs_test.h"

#ifdef __SANITIZE_ADDRESS__

int main(void) {
	printf("skip: the sanitizer has a malloc of its own\n");
	return 0;
}

#else

/* glibc's own names of what is replaced here (its manual, "Replacing malloc"). */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static int until_failure = -1; /* allocations that still succeed; -1: all */
static long live;

static bool fails(void) {
	bool now = until_failure == 0;
	if (until_failure > 0) until_failure--;
	if (now) errno = ENOMEM;
	return now;
}

static void *counted(void *p) {
	live += p != NULL;
	return p;
}

void *malloc(size_t n) { return fails() ? NULL : counted(__libc_malloc(n)); }
void *calloc(size_t n, size_t m) { return fails() ? NULL : counted(__libc_calloc(n, m)); }
void *realloc(void *p, size_t n) {
	if (fails()) return NULL;
	void *more = __libc_realloc(p, n);
	live += !p && more;
	return more;
}
void free(void *p) {
	live -= p != NULL;
	__libc_free(p);
}

static void fill_request(uint8_t type, struct buf *in) {
	if (type == T_WRITE) {
		put_write(in, at("tree/new"), CREATE, LAST, 0, "x", 1);
		return;
	}
	put_str(in, type == T_READ_LINES || type == T_STAT ? at("tree/f") : type == T_MKDIR ? at("made/in") : at("tree"));
	if (type == T_RENAME) put_str(in, at("moved"));
	if (type == T_READ_LINES) put_i64(in, -1), put_u32(in, 9), put_u32(in, 999), put_u32(in, 999);
	else if (type == T_MKDIR) put_u32(in, 0755), put_u8(in, 1);
	else if (type == T_LIST) {
		put_u32(in, 9), put_u16(in, 0x100), put_u32(in, 100), put_u64(in, 0);
		put_u32(in, 1), put_str(in, "*"), put_u32(in, 1), put_str(in, "fold");
	} else put_u8(in, 1);
}

static void every_allocation(void) {
	static const uint8_t types[] = {T_STAT, T_READ_LINES, T_LIST, T_WRITE, T_MKDIR, T_RENAME, T_REMOVE};
	for (size_t t = 0; t < sizeof types; t++) {
		int n = 0;
		for (struct fault f = {E_RESOURCES, 0}; f.code == E_RESOURCES && n < 100; n++) {
			mkdir(at("tree"), 0755);
			mkdir(at("tree/fold"), 0755);
			put_file(at("tree/fold/f"), "x", 1);
			put_file(at("tree/f"), "a\nb\n", 4);
			struct buf in = {0}, out = {0};
			fill_request(types[t], &in);
			uint8_t reply = 0;
			int fds = count_entries("/proc/self/fd");
			long before = live;
			until_failure = n;
			f = fs_request(types[t], slice_of(&in), &out, &reply);
			until_failure = -1;
			CHECK_EQ(live - before, out.data ? 1 : 0);
			CHECK(f.code == E_NONE || f.code == E_RESOURCES);
			if (f.code && f.code != E_RESOURCES) fprintf(stderr, "type %#x, allocation %d: %d\n", types[t], n, f.code);
			if (f.code && types[t] == T_WRITE) CHECK_EQ(count_entries(at("tree")), 2);
			CHECK_EQ(count_entries("/proc/self/fd"), fds);
			buf_free(&in);
			buf_free(&out);
		}
		printf("type %#x: %d allocations\n", types[t], n - 1);
		CHECK(n > 1 && n < 100);
	}
	put_file(at("f"), "text", 4);
	for (int n = 0, code = E_RESOURCES; code == E_RESOURCES && n < 10; n++) {
		until_failure = -1;
		struct buf in = {0}, out = {0};
		put_str(&in, at("f"));
		put_u64(&in, 0), put_u64(&in, 0), put_u32(&in, 0);
		struct fs_read *r = NULL;
		uint32_t window;
		bool end = false;
		until_failure = n;
		code = fs_read_open(slice_of(&in), &r, &window).code;
		if (!code) code = fs_read_next(r, &out, 100, &end).code;
		until_failure = -1;
		CHECK(code == E_RESOURCES || (code == E_NONE && end));
		fs_read_close(r);
		buf_free(&in);
		buf_free(&out);
	}
}

int main(void) {
	void *volatile p = malloc(1); /* is it ours? */
	must(live > 0, "malloc");
	free(p);
	run_test("a request that runs out of memory says so, changes nothing and leaks nothing", every_allocation);
	return failures != 0;
}

#endif
