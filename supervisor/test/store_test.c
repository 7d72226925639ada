/* The store against a plain model: all bytes ever appended, and the rule which of them are held. */
#include "check.h"
#include "store.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/store-test-XXXXXX";
static struct spool spool;

/* The byte at an offset, so that no model has to be kept. */
static uint8_t byte_at(uint64_t at) { return (uint8_t)((at * 2654435761u) >> 13); }

static void append(struct store *s, size_t len) {
	uint8_t *data = malloc(len ? len : 1);
	for (size_t i = 0; i < len; i++) data[i] = byte_at(s->total + i);
	store_append(s, data, len);
	free(data);
}

static bool right(const uint8_t *data, uint64_t from, size_t len) {
	for (size_t i = 0; i < len; i++)
		if (data[i] != byte_at(from + i)) return false;
	return true;
}

/* Every offset in turn: held bytes are right, and exactly those of the first and the newest `keep` are held. */
static void check_held(const struct store *s, uint64_t keep) {
	uint64_t at = 0, gone = 0;
	uint8_t *data = malloc(1 << 20);
	while (at < s->total) {
		uint64_t first = store_first(s, at);
		gone += first - at;
		at = first;
		size_t n = store_read(s, at, data, 100003);
		CHECK((at == s->total) == (n == 0));
		CHECK(right(data, at, n));
		at += n;
	}
	CHECK_EQ(at, s->total);
	CHECK_EQ(gone, s->total > 2 * keep ? s->total - 2 * keep : 0);
	free(data);
}

static int files(void) {
	int count = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.';
	if (d) closedir(d);
	return count;
}

static void small_output_stays_in_memory(void) {
	struct store s;
	store_open(&s, &spool, "a.log");
	append(&s, 1);
	append(&s, 0);
	append(&s, STORE_SPILL - 1);
	CHECK_EQ(s.place, STORE_MEMORY);
	check_held(&s, STORE_SPILL);
	CHECK_EQ(files(), 0);
	CHECK_EQ(store_spool_bytes(&s), 0);
	CHECK(store_memory_bytes(&s) >= STORE_SPILL);
	store_discard(&s);
}

static void large_output_moves_to_a_file_and_wraps_around(void) {
	struct store s;
	store_open(&s, &spool, "a.log");
	append(&s, STORE_SPILL);
	append(&s, 1);
	CHECK_EQ(s.place, STORE_FILE);
	CHECK_EQ(files(), 1);
	CHECK_EQ(store_memory_bytes(&s), 0);
	uint64_t random = 42;
	while (s.total < 2 * STORE_KEEP - 100) append(&s, next_random(&random) % 300000);
	check_held(&s, STORE_KEEP);
	while (s.total < 5 * (uint64_t)STORE_KEEP) append(&s, next_random(&random) % 300000);
	check_held(&s, STORE_KEEP);
	CHECK_EQ(store_spool_bytes(&s), 2 * STORE_KEEP);
	struct stat st;
	CHECK(fstat(s.fd, &st) == 0 && st.st_size <= (off_t)(2 * STORE_KEEP) && (st.st_mode & 0777) == 0600);
	store_discard(&s);
	CHECK_EQ(files(), 0);
	CHECK_EQ(store_first(&s, 0), s.total);
	append(&s, 5);
	CHECK_EQ(store_memory_bytes(&s), 0);
}

static void without_a_spool_directory_a_ring_of_memory_is_kept(void) {
	struct spool none = {.path = "/proc/nowhere", .dir = -1};
	struct store s;
	store_open(&s, &none, "a.log");
	for (uint64_t until = 1000; until < 10u * STORE_SPILL; until += 7919) {
		append(&s, (size_t)(until - s.total));
		check_held(&s, STORE_SPILL);
	}
	CHECK_EQ(s.place, STORE_RING);
	append(&s, 5 * STORE_SPILL + 3);
	check_held(&s, STORE_SPILL);
	store_discard(&s);
}

/* What was in the file is carried over, wherever its ring stood. */
static void a_file_that_cannot_be_written_any_more_is_carried_over(void) {
	static const uint64_t totals[] = {STORE_SPILL + 1, 2 * STORE_SPILL, 2 * STORE_SPILL + 1, 1000000, 2 * STORE_KEEP + 12345};
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		struct store s;
		store_open(&s, &spool, "a.log");
		while (s.total < totals[i]) append(&s, (size_t)(totals[i] - s.total < 200000 ? totals[i] - s.total : 200000));
		CHECK_EQ(s.place, STORE_FILE);
		/* Reading goes on, writing fails: as on a full disk. */
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", s.fd);
		FILE *reader = fopen(path, "r");
		CHECK(reader && dup2(fileno(reader), s.fd) == s.fd);
		if (reader) fclose(reader);
		append(&s, 10);
		CHECK_EQ(s.place, STORE_RING);
		CHECK_EQ(files(), 0);
		check_held(&s, STORE_SPILL);
		append(&s, 100000);
		check_held(&s, STORE_SPILL);
		store_discard(&s);
	}
}

static void hostile_names_in_the_spool_directory_are_not_followed(void) {
	char victim[64], link[64];
	snprintf(victim, sizeof victim, "%s/victim", dir);
	snprintf(link, sizeof link, "%s/a.log", dir);
	FILE *f = fopen(victim, "w");
	CHECK(f && fputs("precious", f) >= 0 && fclose(f) == 0);
	CHECK(symlink(victim, link) == 0);
	struct store s;
	store_open(&s, &spool, "a.log");
	append(&s, STORE_SPILL + 1);
	CHECK_EQ(s.place, STORE_FILE);
	struct stat st;
	CHECK(stat(victim, &st) == 0 && st.st_size == 8);
	CHECK(lstat(link, &st) == 0 && S_ISREG(st.st_mode));
	store_discard(&s);
	unlink(victim);
	/* A directory of that name cannot be removed: the memory ring takes over. */
	CHECK(mkdir(link, 0700) == 0);
	store_open(&s, &spool, "a.log");
	append(&s, STORE_SPILL + 1);
	CHECK_EQ(s.place, STORE_RING);
	check_held(&s, STORE_SPILL);
	store_discard(&s);
	rmdir(link);
}

static void a_removed_spool_directory_is_made_again(void) {
	CHECK(rmdir(dir) == 0);
	struct store s;
	store_open(&s, &spool, "a.log");
	append(&s, STORE_SPILL + 1);
	CHECK_EQ(s.place, STORE_FILE);
	CHECK_EQ(files(), 1);
	store_discard(&s);
}

static void a_truncated_spool_file_reads_as_gone(void) {
	struct store s;
	store_open(&s, &spool, "a.log");
	append(&s, 200000);
	CHECK(ftruncate(s.fd, 100000) == 0);
	uint8_t *data = malloc(200000);
	CHECK_EQ(store_read(&s, 0, data, 200000), 100000);
	CHECK_EQ(store_read(&s, 150000, data, 200000), 0);
	free(data);
	struct buf out = {0};
	CHECK(!store_put_page(&s, &out, 150000, 1000));
	out.len = 0;
	CHECK(store_put_page(&s, &out, 99999, 1000));
	CHECK_EQ(out.len, 8 + 8 + 4 + 1);
	out.len = 0;
	CHECK(store_put_page(&s, &out, 200000, 1000));
	out.len = 0;
	store_put_captured(&s, &out, 10, 10);
	CHECK_EQ(out.len, 4 + 10 + 4);
	buf_free(&out);
	store_discard(&s);
}

struct captured {
	struct slice head, tail;
};

static struct captured captured_of(const struct store *s, struct buf *out, uint32_t head, uint32_t tail) {
	out->len = 0;
	store_put_captured(s, out, head, tail);
	struct reader r = {out->data, out->data + out->len, false};
	struct captured c = {get_bytes(&r), get_bytes(&r)};
	CHECK(reader_done(&r));
	return c;
}

static void what_is_captured_is_the_first_and_the_last_bytes(void) {
	static const size_t totals[] = {0, 1, 99, 100, 101, 5000, 100000, 300000};
	static const uint32_t budgets[][2] = {{0, 0}, {100, 0}, {0, 100}, {50, 50}, {70000, 90000}, {1000, 200000}, {200000, 1000}};
	struct spool none = {.path = "/proc/nowhere", .dir = -1};
	struct buf out = {0};
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		for (int spooled = 0; spooled < 2; spooled++) {
			struct store s;
			store_open(&s, spooled ? &spool : &none, "a.log");
			append(&s, totals[i]);
			/* Of a memory ring, only so much is there. */
			size_t hole = !spooled && totals[i] > 2 * STORE_SPILL ? STORE_SPILL : 0;
			for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
				uint32_t head = budgets[b][0], tail = budgets[b][1];
				struct captured c = captured_of(&s, &out, head, tail);
				if (!hole && totals[i] <= (size_t)head + tail) {
					CHECK_EQ(c.head.len, totals[i]);
					CHECK_EQ(c.tail.len, 0);
				} else {
					CHECK_EQ(c.head.len, hole && head > hole ? hole : head);
					CHECK_EQ(c.tail.len, hole && tail > hole ? hole : tail);
				}
				CHECK(right(c.head.data, 0, c.head.len));
				CHECK(right(c.tail.data, totals[i] - c.tail.len, c.tail.len));
			}
			store_discard(&s);
		}
	}
	buf_free(&out);
}

static void pages_follow_each_other_over_the_gap(void) {
	struct store s;
	store_open(&s, &spool, "a.log");
	while (s.total < 3u * STORE_KEEP) append(&s, 250000);
	struct buf out = {0};
	uint64_t since = 0, seen = 0;
	while (since < s.total) {
		out.len = 0;
		CHECK(store_put_page(&s, &out, since, 100000));
		struct reader r = {out.data, out.data + out.len, false};
		uint64_t first = get_u64(&r), next = get_u64(&r);
		struct slice data = get_bytes(&r);
		CHECK(reader_done(&r) && first >= since && next == first + data.len && data.len > 0);
		CHECK(right(data.data, first, data.len));
		seen += data.len;
		since = next;
	}
	CHECK_EQ(seen, 2 * STORE_KEEP);
	buf_free(&out);
	store_discard(&s);
}

int main(void) {
	if (!mkdtemp(dir)) return 2;
	spool_open(&spool, dir);
	small_output_stays_in_memory();
	large_output_moves_to_a_file_and_wraps_around();
	without_a_spool_directory_a_ring_of_memory_is_kept();
	a_file_that_cannot_be_written_any_more_is_carried_over();
	hostile_names_in_the_spool_directory_are_not_followed();
	a_removed_spool_directory_is_made_again();
	a_truncated_spool_file_reads_as_gone();
	what_is_captured_is_the_first_and_the_last_bytes();
	pages_follow_each_other_over_the_gap();
	close(spool.dir);
	rmdir(dir);
	return report("store");
}
