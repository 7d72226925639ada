#include <stdlib.h>
#include <string.h>

#include "request.h"

/* Where the strings of a START are copied to, each with a NUL behind it. One allocation for all: a string's length field in the
 * payload is four bytes, so the copies never need more than the payload has. */
struct arena {
	char *at;
};

static char *copy_str(struct reader *r, struct arena *a) {
	struct slice s = get_bytes(r);
	if (r->bad || (s.len && memchr(s.data, 0, s.len))) {
		r->bad = true;
		return NULL;
	}
	char *copy = a->at;
	if (s.len) memcpy(copy, s.data, s.len);
	copy[s.len] = 0;
	a->at += s.len + 1;
	return copy;
}

/* A str[] as a NULL-terminated array with `spare` free entries. NULL and r->bad, or NULL alone when memory ran out. */
static char **copy_list(struct reader *r, struct arena *a, size_t spare, size_t *count) {
	*count = get_count(r, 4);
	if (r->bad) return NULL;
	char **list = calloc(*count + spare + 1, sizeof *list);
	for (size_t i = 0; list && i < *count; i++) list[i] = copy_str(r, a);
	return list;
}

static bool is_mark(const char *entry) { return strncmp(entry, MARK_NAME "=", sizeof MARK_NAME) == 0; }

static void drop_marks(struct start_request *r) {
	size_t kept = 0;
	for (size_t i = 0; i < r->envc; i++)
		if (!is_mark(r->env[i])) r->env[kept++] = r->env[i];
	for (size_t i = kept; i < r->envc; i++) r->env[i] = NULL;
	r->envc = kept;
}

static uint16_t check(const struct start_request *r) {
	if (r->key.len != KEY_BYTES || r->flags & ~(START_SHELL | START_KEEP_STDIN | START_PRIVATE)) return E_INVALID;
	if (r->argc == 0 || (r->flags & START_SHELL && r->argc != 1)) return E_INVALID;
	if (r->cwd[0] != '/') return E_INVALID;
	return (uint64_t)r->budget.head + r->budget.tail <= CAPTURE_MAX ? E_NONE : E_TOO_LARGE;
}

uint16_t decode_start(struct slice in, struct start_request *out) {
	*out = (struct start_request){0};
	struct reader r = {in.data, in.data + in.len, false};
	out->key = get_bytes(&r);
	out->flags = get_u8(&r);
	out->timeout_ms = get_u32(&r);
	out->grace_ms = get_u32(&r);
	out->wait_ms = get_u32(&r);
	out->budget.head = get_u32(&r);
	out->budget.tail = get_u32(&r);
	if (r.bad) return E_PROTOCOL;
	out->memory = malloc(in.len);
	if (!out->memory) return E_RESOURCES;
	struct arena a = {out->memory};
	out->cwd = copy_str(&r, &a);
	out->argv = copy_list(&r, &a, 0, &out->argc);
	out->env = out->argv ? copy_list(&r, &a, 1, &out->envc) : NULL;
	out->stdin_data = get_bytes(&r);
	uint16_t code = E_NONE;
	if (!r.bad && (!out->argv || !out->env)) code = E_RESOURCES;
	else if (!reader_done(&r)) code = E_PROTOCOL;
	else code = check(out);
	if (code != E_NONE) {
		start_request_free(out);
		return code;
	}
	drop_marks(out);
	return E_NONE;
}

void start_request_free(struct start_request *r) {
	free(r->memory);
	free(r->argv);
	free(r->env);
	r->memory = NULL;
	r->argv = r->env = NULL;
}
