/* A ustar block, and after it the records of a pax header: what is accepted is a path below the root, and writes to the same header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct tar_read first, second;
	static unsigned char block[TAR_BLOCK], out[TAR_HEADER_MAX];
	if (size < TAR_BLOCK || size - TAR_BLOCK > TAR_PAX_MAX) return 0;
	/* With a right checksum, which no mutation would find. */
	memcpy(block, data, TAR_BLOCK);
	memcpy(block + 257, "ustar", 6);
	memset(block + 148, ' ', 8);
	unsigned sum = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++) sum += block[i];
	for (int i = 5; i >= 0; i--, sum >>= 3) block[148 + i] = (unsigned char)('0' + (sum & 7));
	block[154] = 0;
	char *pax = malloc(size - TAR_BLOCK + 1);
	if (!pax) abort();
	memcpy(pax, data + TAR_BLOCK, size - TAR_BLOCK);
	if (tar_parse(&first, block, pax, size - TAR_BLOCK)) {
		if (!tar_path_ok(first.path)) abort();
		size_t len = tar_header(out, &first.entry);
		size_t pax_len = 0;
		if (len > TAR_BLOCK) {
			char type;
			uint64_t told;
			if (!tar_peek(out, &type, &told) || type != TAR_PAX) abort();
			pax_len = (size_t)told;
		}
		if (!tar_parse(&second, out + len - TAR_BLOCK, (char *)out + TAR_BLOCK, pax_len)) abort();
		if (strcmp(first.path, second.path) || strcmp(first.target, second.target) || first.entry.size != second.entry.size) abort();
		if (first.entry.mtime.tv_sec != second.entry.mtime.tv_sec || first.entry.mtime.tv_nsec != second.entry.mtime.tv_nsec) abort();
	}
	free(pax);
	return 0;
}
