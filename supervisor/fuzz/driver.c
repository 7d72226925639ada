/* Where the compiler has no fuzzer: runs the corpus, then mutations of it for a number of seconds. The same corpus gives the same
 * sequence of inputs. The input under way lies in a file, so that it is there after a crash.
 *
 *   driver SECONDS LAST_INPUT_FILE CORPUS_FILE... */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 8192u
#define CORPUS_MAX 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint32_t size; /* in the file, too, before the bytes */
	uint8_t bytes[INPUT_MAX];
};

static struct input *corpus[CORPUS_MAX];
static size_t corpus_count;
static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? (uint32_t)(state >> 11) % n : 0;
}

static void load(const char *path) {
	FILE *f = fopen(path, "rb");
	struct input *in = calloc(1, sizeof *in);
	if (!f || !in || corpus_count == CORPUS_MAX) {
		perror(path);
		exit(2);
	}
	in->size = (uint32_t)fread(in->bytes, 1, sizeof in->bytes, f);
	fclose(f);
	corpus[corpus_count++] = in;
}

static void insert(struct input *in, const struct input *from) {
	uint32_t at = below(in->size + 1), start = below(from->size), n = below(from->size - start + 1);
	if (n > INPUT_MAX - in->size) n = INPUT_MAX - in->size;
	memmove(in->bytes + at + n, in->bytes + at, in->size - at);
	memmove(in->bytes + at, from->bytes + start, n);
	in->size += n;
}

static void erase(struct input *in) {
	if (!in->size) return;
	uint32_t at = below(in->size), n = below(in->size - at + 1);
	memmove(in->bytes + at, in->bytes + at + n, in->size - at - n);
	in->size -= n;
}

static void mutate(struct input *in) {
	static const uint32_t edges[] = {0, 1, 4, 5, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x200000, 0x200001, 0x7fffffff, 0x80000000, 0xffffffff};
	for (uint32_t i = 1 + below(4); i; i--) {
		uint32_t at = below(in->size);
		switch (below(6)) {
		case 0: in->bytes[at] ^= (uint8_t)(1u << below(8)); break;
		case 1: in->bytes[at] = (uint8_t)below(256); break;
		case 2: insert(in, corpus[below((uint32_t)corpus_count)]); break;
		case 3: erase(in); break;
		case 4: in->bytes[at] = (uint8_t)(in->bytes[at] + below(33) - 16); break;
		default:
			if (in->size >= 4) memcpy(in->bytes + below(in->size - 3), &edges[below(sizeof edges / sizeof *edges)], 4);
		}
	}
}

static void run(const struct input *in) {
	/* A copy of just that size, so that a sanitizer sees a byte read beyond it. */
	uint8_t *copy = malloc(in->size ? in->size : 1);
	if (!copy) abort();
	memcpy(copy, in->bytes, in->size);
	LLVMFuzzerTestOneInput(copy, in->size);
	free(copy);
}

int main(int argc, char **argv) {
	if (argc < 4) return 2;
	for (int i = 3; i < argc; i++) load(argv[i]);
	int fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(struct input)) < 0) return 2;
	struct input *last = mmap(NULL, sizeof *last, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (last == MAP_FAILED) return 2;
	for (size_t i = 0; i < corpus_count; i++) {
		*last = *corpus[i];
		run(last);
	}
	unsigned long runs = corpus_count;
	for (time_t end = time(NULL) + atoi(argv[1]); time(NULL) < end; runs++) {
		*last = *corpus[below((uint32_t)corpus_count)];
		mutate(last);
		run(last);
	}
	printf("%lu runs\n", runs);
	munmap(last, sizeof *last);
	unlink(argv[2]);
	return 0;
}
