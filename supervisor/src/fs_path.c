#include "fs_internal.h"

#include <stdlib.h>
#include <string.h>

struct fault fs_path(struct slice s, char **path) {
	if (s.len && memchr(s.data, 0, s.len)) return fs_fault(E_PROTOCOL);
	if (s.len == 0 || s.data[0] != '/') return fs_fault(E_INVALID);
	if (s.len >= PATH_MAX) return fs_fault(E_NAME_TOO_LONG);
	char *copy = malloc(s.len + 1);
	if (!copy) return fs_fault(E_RESOURCES);
	memcpy(copy, s.data, s.len);
	copy[s.len] = 0;
	*path = copy;
	return FS_OK;
}
