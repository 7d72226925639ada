/* WRITE by many at once, and beside readers. */
#include "fs_write_steps.h"

#include <pthread.h>

enum { WRITERS = 20, SIZE = 50000 };

static void *write_own(void *arg) {
	char *text = malloc(SIZE);
	memset(text, (int)(intptr_t)arg, SIZE);
	for (int i = 0; i < 5; i++) {
		struct call c = write_call(at("f"), OVERWRITE, 0, 0, text, SIZE);
		CHECK_EQ(c.f.code, E_NONE);
		call_free(&c);
	}
	free(text);
	return NULL;
}

static void concurrent_writers(void) {
	pthread_t threads[WRITERS];
	for (intptr_t i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, write_own, (void *)('a' + i)) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	struct content c = read_range(at("f"), 0, 0, DATA_CHUNK);
	CHECK_EQ(c.data.len, SIZE);
	for (size_t i = 1; i < c.data.len; i++)
		if (c.data.data[i] != c.data.data[0]) {
			CHECK(!"one writer's content");
			break;
		}
	buf_free(&c.data);
	CHECK_EQ(count_entries(dir), 1);
}

static void *append_lines(void *arg) {
	char text[3] = {(char)(intptr_t)arg, '\n', 0};
	for (int i = 0; i < 20; i++) CHECK_EQ(write_code(at("log"), APPEND, 0, 0, text), E_NONE);
	return NULL;
}

static int created;

static void *create_once(void *arg) {
	(void)arg;
	int code = write_code(at("once"), CREATE, 0, 0, "x");
	CHECK(code == E_NONE || code == E_EXISTS);
	if (code == E_NONE) __atomic_add_fetch(&created, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void concurrent_appends_and_creates(void) {
	pthread_t threads[WRITERS];
	for (intptr_t i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, append_lines, (void *)('a' + i)) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	CHECK_EQ(stat_info(at("log")).size, WRITERS * 20 * 2);
	for (int i = 0; i < WRITERS; i++) must(pthread_create(&threads[i], NULL, create_once, NULL) == 0, "thread");
	for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
	CHECK_EQ(created, 1);
	CHECK_EQ(count_entries(dir), 2);
}

enum { BIG = 5000000, REWRITES = 200 };
static bool stop;
static int reads;

static void *read_whole(void *arg) {
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct content c = read_range(at("f"), 0, 0, DATA_CHUNK);
		CHECK_EQ(c.f.code, E_NONE);
		CHECK_EQ(c.data.len, BIG);
		CHECK(c.data.len == BIG && !memcmp(c.data.data, c.data.data + 1, BIG - 1));
		buf_free(&c.data);
		reads++;
	}
	return NULL;
}

static void rewrites_are_whole(void) {
	char *text = malloc(BIG);
	memset(text, 'a', BIG);
	put_file(at("f"), text, BIG);
	pthread_t reader;
	must(pthread_create(&reader, NULL, read_whole, NULL) == 0, "thread");
	for (int i = 1; i <= REWRITES; i++) {
		memset(text, 'a' + i % 26, BIG);
		struct fs_write *w = open_write(at("f"), OVERWRITE, 0, 0, "", E_NONE);
		for (size_t n = 0; n < BIG; n += 1000000) CHECK_EQ(fs_write_data(w, (struct slice){(uint8_t *)text + n, 1000000}).code, E_NONE);
		CHECK_EQ(commit(w), E_NONE);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	printf("%d rewrites, %d reads\n", REWRITES, reads);
	CHECK(reads > 0);
	CHECK_EQ(count_entries(dir), 1);
	free(text);
}

int main(void) {
	umask(022);
	run_test("of twenty concurrent writers one wins whole", concurrent_writers);
	run_test("concurrent appends all arrive, and of concurrent creates one wins", concurrent_appends_and_creates);
	run_test("a reader sees a rewritten file whole, old or new", rewrites_are_whole);
	return failures != 0;
}
