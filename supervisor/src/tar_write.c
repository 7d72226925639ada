#include "tar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OCTAL_MAX 077777777777ull

struct pax {
	char *text;
	size_t len;
};

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void record(struct pax *p, const char *key, const char *value) {
	size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
	for (;;) {
		size_t digits = (size_t)snprintf(NULL, 0, "%zu", len);
		if (rest + digits == len) break;
		len = rest + digits;
	}
	p->len += (size_t)sprintf(p->text + p->len, "%zu %s=%s\n", len, key, value);
}

static void number(struct pax *p, const char *key, uint64_t value) {
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	record(p, key, text);
}

/* A decimal with nine places; the fraction of a time before 1970 counts towards zero, as the sign does. */
static void time_record(struct pax *p, struct timespec t) {
	char text[40];
	long long seconds = t.tv_sec;
	long nanos = t.tv_nsec;
	bool negative = seconds < 0;
	if (negative && nanos) {
		seconds++;
		nanos = 1000000000 - nanos;
	}
	snprintf(text, sizeof text, "%s%lld.%09ld", negative && seconds == 0 ? "-" : "", seconds, nanos);
	record(p, "mtime", text);
}

static void octal(unsigned char *field, size_t width, uint64_t value) {
	char text[24];
	snprintf(text, sizeof text, "%0*llo", (int)width - 1, (unsigned long long)value);
	memcpy(field, text, width);
}

static void ustar(unsigned char *b, const struct tar_entry *e, char type, uint64_t size) {
	memset(b, 0, TAR_BLOCK);
	memcpy(b, e->path, strnlen(e->path, TAR_NAME));
	octal(b + 100, 8, type == TAR_PAX ? 0644 : e->mode & 07777);
	octal(b + 108, 8, 0);
	octal(b + 116, 8, 0);
	octal(b + 124, 12, size > OCTAL_MAX ? 0 : size);
	bool plain_time = e->mtime.tv_sec >= 0 && (uint64_t)e->mtime.tv_sec <= OCTAL_MAX;
	octal(b + 136, 12, plain_time ? (uint64_t)e->mtime.tv_sec : 0);
	b[156] = (unsigned char)type;
	if (type != TAR_PAX) memcpy(b + 157, e->target, strnlen(e->target, TAR_NAME));
	memcpy(b + 257, "ustar\0" "00", 8);
	memset(b + 148, ' ', 8);
	unsigned sum = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++) sum += b[i];
	snprintf((char *)b + 148, 8, "%06o", sum);
	b[155] = ' ';
}

static bool is_ascii(const char *text) {
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80) return false;
	return true;
}

size_t tar_header(unsigned char *out, const struct tar_entry *e) {
	struct pax p = {.text = (char *)out + TAR_BLOCK};
	bool long_path = strlen(e->path) > TAR_NAME, long_target = strlen(e->target) > TAR_NAME;
	/* Names are bytes; only readers that decode them need to be told. */
	if ((long_path || e->sparse) && !is_ascii(e->path)) record(&p, "hdrcharset", "BINARY");
	else if (long_target && !is_ascii(e->target)) record(&p, "hdrcharset", "BINARY");
	if (long_path && !e->sparse) record(&p, "path", e->path);
	if (long_target) record(&p, "linkpath", e->target);
	if (e->size > OCTAL_MAX) number(&p, "size", e->size);
	if (e->mtime.tv_nsec || e->mtime.tv_sec < 0 || (uint64_t)e->mtime.tv_sec > OCTAL_MAX) time_record(&p, e->mtime);
	if (e->sparse) {
		number(&p, "GNU.sparse.major", 1);
		number(&p, "GNU.sparse.minor", 0);
		record(&p, "GNU.sparse.name", e->path);
		number(&p, "GNU.sparse.realsize", e->realsize);
	}
	size_t len = 0;
	if (p.len) {
		ustar(out, e, TAR_PAX, p.len);
		len = TAR_BLOCK + p.len;
		size_t padding = tar_padding(p.len);
		memset(out + len, 0, padding);
		len += padding;
	}
	ustar(out + len, e, e->type, e->size);
	return len + TAR_BLOCK;
}
