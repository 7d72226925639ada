#include "tar.h"

#include <string.h>

/* Octal digits, then NULs or spaces to the end of the field. */
static bool octal(const unsigned char *field, size_t width, uint64_t *value) {
	*value = 0;
	size_t i = 0;
	for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) *value = *value * 8 + (uint64_t)(field[i] - '0');
	if (i == 0) return false;
	for (; i < width; i++)
		if (field[i] != 0 && field[i] != ' ') return false;
	return true;
}

bool tar_peek(const unsigned char *b, char *type, uint64_t *size) {
	uint64_t told;
	unsigned sum = 0;
	if (!octal(b + 148, 8, &told)) return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : b[i];
	if (told != sum || memcmp(b + 257, "ustar", 6) != 0) return false;
	*type = (char)b[156];
	return octal(b + 124, 12, size);
}

/* Digits up to a limit that no value here reaches, so that nothing overflows. */
static bool decimal(const char **at, const char *end, uint64_t *value) {
	*value = 0;
	const char *start = *at;
	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		if (*value > UINT64_MAX / 100) return false;
		*value = *value * 10 + (uint64_t)(**at - '0');
	}
	return *at > start;
}

static bool whole(const char *text, size_t len, uint64_t *value) {
	const char *at = text;
	return decimal(&at, text + len, value) && at == text + len;
}

static bool time_of(const char *text, size_t len, struct timespec *t) {
	const char *at = text, *end = text + len;
	bool negative = at < end && *at == '-';
	if (negative) at++;
	uint64_t seconds;
	if (!decimal(&at, end, &seconds) || seconds > (uint64_t)INT64_MAX / 2) return false;
	long nanos = 0;
	if (at < end) {
		if (*at++ != '.' || end - at > 9) return false;
		long unit = 100000000;
		for (; at < end; at++, unit /= 10) {
			if (*at < '0' || *at > '9') return false;
			nanos += (*at - '0') * unit;
		}
	}
	t->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
	t->tv_nsec = nanos;
	if (negative && nanos) {
		t->tv_sec--;
		t->tv_nsec = 1000000000 - nanos;
	}
	return true;
}

static bool text_of(char *to, const char *value, size_t len) {
	if (len == 0 || len >= TAR_PATH || memchr(value, 0, len)) return false;
	memcpy(to, value, len);
	to[len] = 0;
	return true;
}

static bool is(const char *key, size_t len, const char *name) { return strlen(name) == len && memcmp(key, name, len) == 0; }

static bool take_record(struct tar_read *r, const char *key, size_t key_len, const char *value, size_t len) {
	struct tar_entry *e = &r->entry;
	uint64_t ignored;
	if (is(key, key_len, "path")) return text_of(r->path, value, len);
	if (is(key, key_len, "linkpath")) return text_of(r->target, value, len);
	if (is(key, key_len, "size")) return whole(value, len, &e->size);
	if (is(key, key_len, "mtime")) return time_of(value, len, &e->mtime);
	if (is(key, key_len, "hdrcharset")) return is(value, len, "BINARY");
	if (is(key, key_len, "GNU.sparse.major")) return e->sparse = is(value, len, "1");
	if (is(key, key_len, "GNU.sparse.minor")) return whole(value, len, &ignored) && ignored == 0;
	if (is(key, key_len, "GNU.sparse.name")) return text_of(r->path, value, len);
	if (is(key, key_len, "GNU.sparse.realsize")) return whole(value, len, &e->realsize);
	return false;
}

static bool take_pax(struct tar_read *r, const char *pax, size_t pax_len) {
	const char *at = pax, *end = pax + pax_len;
	while (at < end) {
		const char *start = at;
		uint64_t len;
		if (!decimal(&at, end, &len) || at == end || *at != ' ') return false;
		at++;
		if (len > (uint64_t)(end - start) || start + len <= at || start[len - 1] != '\n') return false;
		const char *last = start + len - 1;
		const char *equals = memchr(at, '=', (size_t)(last - at));
		if (!equals || !take_record(r, at, (size_t)(equals - at), equals + 1, (size_t)(last - equals - 1))) return false;
		at = start + len;
	}
	return true;
}

bool tar_path_ok(const char *path) {
	if (!*path || strlen(path) >= TAR_PATH) return false;
	for (const char *part = path;; part++) {
		size_t len = strcspn(part, "/");
		if (len == 0 || len > NAME_MAX) return false;
		if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.')) return false;
		part += len;
		if (!*part) return true;
	}
}

bool tar_parse(struct tar_read *r, const unsigned char *b, const char *pax, size_t pax_len) {
	struct tar_entry *e = &r->entry;
	uint64_t mode, seconds;
	memset(e, 0, sizeof *e);
	if (!tar_peek(b, &e->type, &e->size) || !octal(b + 100, 8, &mode) || !octal(b + 136, 12, &seconds)) return false;
	e->mode = (mode_t)mode & 07777;
	e->mtime = (struct timespec){.tv_sec = (time_t)seconds};
	memcpy(r->path, b, TAR_NAME);
	r->path[TAR_NAME] = 0;
	memcpy(r->target, b + 157, TAR_NAME);
	r->target[TAR_NAME] = 0;
	e->path = r->path;
	e->target = r->target;
	if (!take_pax(r, pax, pax_len) || !tar_path_ok(r->path)) return false;
	if (e->type == TAR_FILE) return !*r->target && (!e->sparse || e->realsize <= INT64_MAX / 2);
	if (e->size != 0 || e->sparse) return false;
	if (e->type == TAR_SYMLINK) return *r->target;
	if (e->type == TAR_HARD_LINK) return tar_path_ok(r->target);
	return e->type == TAR_DIRECTORY && !*r->target;
}
