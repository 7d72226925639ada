/* A pattern and a path, separated by the first NUL byte: the match ends, and reads nothing outside of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t pattern_len = nul ? (size_t)(nul - data) : size;
	size_t path_len = nul ? size - pattern_len - 1 : 0;
	char *pattern = calloc(1, pattern_len + 1), *path = calloc(1, path_len + 1);
	if (!pattern || !path) abort();
	if (pattern_len) memcpy(pattern, data, pattern_len);
	if (path_len) memcpy(path, nul + 1, path_len);
	glob_match(pattern, path);
	free(pattern);
	free(path);
	return 0;
}
