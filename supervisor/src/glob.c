#include "glob.h"

#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *at, *end;
};

/* Takes one character. Bytes that are not UTF-8 become numbers beyond Unicode, one each. */
static uint32_t take(struct span *s) {
	const uint8_t *p = s->at;
	uint32_t c = *p;
	size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 4;
	if (more == 0 || more > 3 || (size_t)(s->end - p) <= more) {
		s->at++;
		return c < 0x80 ? c : 0x110000u + c;
	}
	uint32_t u = c & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			s->at++;
			return 0x110000u + c;
		}
		u = u << 6 | (p[i] & 0x3fu);
	}
	s->at += more + 1;
	return u;
}

static uint32_t take_escaped(struct span *p) {
	if (*p->at == '\\' && p->end - p->at > 1) p->at++;
	return take(p);
}

/* `p` stands behind a `[`. False if the bracket is never closed; else `p` is moved behind it and *in tells whether `c` is in it. */
static bool bracket(struct span *p, uint32_t c, bool *in) {
	struct span s = *p;
	/* Spares a long look for each of many `[` in a row. */
	if (!memchr(s.at, ']', (size_t)(s.end - s.at))) return false;
	bool negated = *s.at == '!' || *s.at == '^', hit = false;
	if (negated) s.at++;
	for (bool first = true; s.at < s.end; first = false) {
		if (*s.at == ']' && !first) {
			p->at = s.at + 1;
			*in = hit != negated;
			return true;
		}
		uint32_t low = take_escaped(&s), high = low;
		if (s.end - s.at > 1 && *s.at == '-' && s.at[1] != ']') {
			s.at++;
			high = take_escaped(&s);
		}
		hit |= low <= c && c <= high;
	}
	return false;
}

/* Takes one element of the pattern, which is no `*`, and one character of the name; false if they differ. */
static bool step(struct span *pattern, struct span *name) {
	uint32_t c = take(name);
	if (*pattern->at == '?') {
		pattern->at++;
		return true;
	}
	if (*pattern->at == '[') {
		struct span inner = {pattern->at + 1, pattern->end};
		bool in;
		if (bracket(&inner, c, &in)) {
			pattern->at = inner.at;
			return in;
		}
	}
	return take_escaped(pattern) == c;
}

static bool match_name(struct span pattern, struct span name) {
	struct span star_pattern = {0}, star_name = {0};
	bool star = false;
	while (name.at < name.end) {
		if (pattern.at < pattern.end && *pattern.at == '*') {
			pattern.at++;
			star = true;
			star_pattern = pattern;
			star_name = name;
		} else if (pattern.at == pattern.end || !step(&pattern, &name)) {
			if (!star) return false;
			/* The last `*` takes one character more. An earlier one need not: what it would give up, this one can take. */
			take(&star_name);
			pattern = star_pattern;
			name = star_name;
		}
	}
	while (pattern.at < pattern.end && *pattern.at == '*') pattern.at++;
	return pattern.at == pattern.end;
}

/* The segment at the front of `s`, which is moved behind it; false at the end. Empty segments and `.` are passed over. */
static bool segment(struct span *s, struct span *out) {
	while (s->at < s->end) {
		const uint8_t *slash = memchr(s->at, '/', (size_t)(s->end - s->at));
		*out = (struct span){s->at, slash ? slash : s->end};
		s->at = slash ? slash + 1 : s->end;
		if (out->end - out->at > 1 || (out->end > out->at && *out->at != '.')) return true;
	}
	return false;
}

static bool is_deep(struct span s) { return s.end - s.at == 2 && s.at[0] == '*' && s.at[1] == '*'; }

/* The same walk as match_name, with segments for characters and `**` for `*`. */
static bool match_path(struct span pattern, struct span path) {
	struct span deep_pattern = {0}, deep_path = {0}, p, s;
	bool deep = false;
	for (struct span rest = path; segment(&rest, &s);) {
		struct span after = pattern;
		bool some = segment(&after, &p);
		if (some && is_deep(p)) {
			deep = true;
			deep_pattern = pattern = after;
			deep_path = rest = path;
		} else if (some && match_name(p, s)) {
			pattern = after;
			path = rest;
		} else {
			if (!deep) return false;
			segment(&deep_path, &s);
			pattern = deep_pattern;
			path = rest = deep_path;
		}
	}
	while (segment(&pattern, &p))
		if (!is_deep(p)) return false;
	return true;
}

static struct span span_of(const char *s) { return (struct span){(const uint8_t *)s, (const uint8_t *)s + strlen(s)}; }

bool glob_match(const char *pattern, const char *path) {
	if (strchr(pattern, '/')) return match_path(span_of(pattern), span_of(path));
	const char *slash = strrchr(path, '/');
	return match_name(span_of(pattern), span_of(slash ? slash + 1 : path));
}
