/* Patterns of LIST, as a table. */
#include "../src/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *pattern, *path;
	bool match;
} table[] = {
	/* within a name */
	{"a", "a", true}, {"a", "b", false}, {"a", "ab", false}, {"ab", "a", false},
	{"*", "a", true}, {"*", ".a", true}, {"*.c", "x.c", true}, {"*.c", ".c", true}, {"*.c", "x.cc", false}, {"*.c", "x.c.c", true},
	{"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "ab", false}, {"*a*b*", "xaybz", true}, {"*a*b*", "xbya", false},
	{"a**b", "axxb", true}, {"***", "x", true}, {"?", "a", true}, {"?", "", false}, {"??", "a", false}, {"a?c", "abc", true},
	{"a?", "a", false}, {"*?", "a", true}, {"?*?", "a", false}, {"?*?", "ab", true},
	/* the last name of a path */
	{"*.c", "d/x.c", true}, {"d", "d/x", false}, {"x", "d/e/x", true}, {"**", "d/e/x", true}, {"*", "d/x", true},
	/* sets */
	{"[abc]", "b", true}, {"[abc]", "d", false}, {"[a-c]", "b", true}, {"[a-c]", "d", false}, {"[!a-c]", "d", true}, {"[!a-c]", "b", false},
	{"[^a]", "b", true}, {"[]]", "]", true}, {"[]a]", "a", true}, {"[!]]", "a", true}, {"[!]]", "]", false}, {"[a-]", "-", true},
	{"[-a]", "-", true}, {"[a-]", "b", false}, {"[c-a]", "b", false}, {"[\\]]", "]", true}, {"[\\]]", "\\", false}, {"[a\\-c]", "b", false},
	{"[a\\-c]", "-", true}, {"[*]", "*", true}, {"[*]", "a", false}, {"[?]", "x", false}, {"[[]", "[", true}, {"x[0-9]y", "x5y", true},
	{"x[0-9]y", "xay", false}, {"*[0-9]", "ab7", true}, {"[a]*[b]", "axxb", true},
	/* brackets that are none */
	{"[", "[", true}, {"[a", "[a", true}, {"[a", "a", false}, {"a[", "a[", true}, {"[]", "[]", true}, {"[!]", "[!]", true}, {"[!", "[!", true},
	{"[a\\]", "[a]", true}, {"[[[[", "[[[[", true}, {"*[", "x[", true},
	/* escapes */
	{"\\*", "*", true}, {"\\*", "a", false}, {"\\?", "?", true}, {"\\[a]", "[a]", true}, {"\\\\", "\\", true}, {"\\", "\\", true}, {"a\\", "a\\", true},
	{"\\a", "a", true},
	/* characters are UTF-8, or bytes */
	{"?", "\xc3\xa9", true}, {"??", "\xc3\xa9", false}, {"?", "\xe2\x82\xac", true}, {"*??", "\xe2\x82\xac", false}, {"?", "\xf0\x9f\x98\x80", true},
	{"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true}, {"[!a]", "\xc3\xa9", true}, {"?", "\xff", true}, {"??", "\xff\xfe", true}, {"?", "\xff\xfe", false},
	{"?", "\xc3", true}, {"a\xff*", "a\xff z", true}, {"\xff", "\xfe", false}, {"?", "\xe2\x82", false}, {"*", "\xe2\x82", true},
	{"-*", "-rf", true}, {"a\nb", "a\nb", true}, {"?", "\n", true},
	/* paths */
	{"a/b", "a/b", true}, {"a/b", "b", false}, {"a/b", "x/a/b", false}, {"a/*", "a/b", true}, {"a/*", "a/b/c", false}, {"*/b", "a/b", true},
	{"*/b", "b", false}, {"/a", "a", true}, {"/a", "x/a", false}, {"./a", "a", true}, {"a/", "a", true}, {"a//b", "a/b", true}, {"a/./b", "a/b", true},
	{"a/?/c", "a/b/c", true}, {"a?c", "a/c", false}, {"a/[!x]/c", "a/b/c", true}, {"[a/b]", "a", false},
	/* any number of directories */
	{"**/x", "x", true}, {"**/x", "a/x", true}, {"**/x", "a/b/x", true}, {"**/x", "a/xy", false}, {"a/**", "a", true}, {"a/**", "a/b", true},
	{"a/**", "a/b/c", true}, {"a/**", "ab", false}, {"a/**", "b/a", false}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/b", true},
	{"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/x", false}, {"a/**/b", "a/b/c", false}, {"**/a/**", "a", true}, {"**/a/**", "x/a/y", true},
	{"**/a/**/b", "x/a/y/a/z/b", true}, {"**/*.c", "x.c", true}, {"**/*.c", "a/b/x.c", true}, {"**/**", "a", true}, {"**/**/x", "x", true},
	{"a/**/b/**/c", "a/b/b/c/c", true}, {"a/**/b/**/c", "a/c/b", false}, {"a**/b", "axx/b", true}, {"a**/b", "a/x/b", false},
	{"**/b/c", "b/x/b/c", true}, {"/**", "a/b", true}, {"**/", "a/b", true}, {"a/***", "a/b", true}, {"a/***", "a/b/c", false},
	{"/", "a", false}, {"", "a", false},
};

static char *repeat(const char *s, size_t n) {
	char *out = calloc(n, strlen(s) + 1);
	for (size_t i = 0; i < n; i++) strcat(out, s);
	return out;
}

/* Exponential matchers take years over these; the bound is generous for a sanitizer on a busy machine. */
static int hostile(const char *what, const char *pattern, const char *path, bool want) {
	clock_t start = clock();
	bool got = glob_match(pattern, path);
	double ms = (double)(clock() - start) * 1000.0 / CLOCKS_PER_SEC;
	printf("%s: %.1f ms\n", what, ms);
	if (got == want && ms < 5000) return 0;
	fprintf(stderr, "hostile %s: %d\n", what, got);
	return 1;
}

int main(void) {
	int failed = 0;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (glob_match(table[i].pattern, table[i].path) == table[i].match) continue;
		fprintf(stderr, "glob_match(\"%s\", \"%s\") is not %d\n", table[i].pattern, table[i].path, table[i].match);
		failed++;
	}
	char *stars = repeat("a*", 120), *as = repeat("a", 255), *deep = repeat("**/a/", 200), *dirs = repeat("a/", 2000), *open = repeat("*[", 400);
	strcat(stars, "b");
	dirs[3999] = 'a';
	strcat(deep, "b");
	failed += hostile("many stars", stars, as, false);
	failed += hostile("many deep stars", deep, dirs, false);
	strcat(open, "\\]x");
	failed += hostile("many open brackets", open, as, false);
	free(stars), free(as), free(deep), free(dirs), free(open);
	printf("%zu patterns, %d failed\n", sizeof table / sizeof *table, failed);
	return failed != 0;
}
