#include "address.h"

#include <stddef.h>
#include <string.h>

bool address_of(const char *name, struct address *out) {
	size_t len = strlen(name);
	*out = (struct address){.name = {.sun_family = AF_UNIX}};
	/* A leading NUL makes it abstract; all `length` bytes count, there is none at the end. */
	if (!len || len >= sizeof out->name.sun_path) return false;
	memcpy(out->name.sun_path + 1, name, len);
	out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
	return true;
}
