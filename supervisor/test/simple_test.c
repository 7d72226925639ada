#include "../src/simple.h"

#include <string.h>

#include "check.h"

static char *none[] = {NULL};

static size_t split(const char *line) {
	static struct simple s;
	return simple_split(&s, line, none);
}

static void plain_words_need_no_shell(void) {
	struct simple s;
	CHECK(simple_split(&s, "  git log --oneline\t-n 3 ", none) == 5);
	CHECK(strcmp(s.words[0], "git") == 0 && strcmp(s.words[4], "3") == 0 && s.words[5] == NULL);
	CHECK(split("true") == 1);
	CHECK(split("./run.sh a=b %s @x +y :z") == 6);
	CHECK(split("/usr/bin/python3 main.py") == 2);
}

static void whatever_a_shell_would_look_at_needs_one(void) {
	const char *lines[] = {
		"", "   ", "a;b", "a|b", "a&", "a>b", "a<b", "$x", "`x`", "'a'", "\"a\"", "a\\ b", "*.c", "a?", "[a]", "{a,b}", "~/x", "a ~", "#c", "!x",
		"(a)", "a\nb", "true\n", "A=1 x", "=x", "caf\xc3\xa9", "a\x01",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(split(lines[i]) == 0);
}

static void builtins_and_reserved_words_belong_to_the_shell(void) {
	const char *lines[] = {"cd /tmp", "export A=1", "echo -n x", "test -f x", "time ls", "exit 3", "ulimit -n", ". x", "if", "kill 1", "printf x", "wait"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(split(lines[i]) == 0);
	CHECK(split("ls cd") == 2);
}

static void a_shell_that_is_steered_by_its_environment_is_started(void) {
	struct simple s;
	char *start_up[] = {"A=1", "BASH_ENV=/x", NULL}, *function[] = {"BASH_FUNC_ls%%=() { :; }", NULL}, *other[] = {"ENVIRONMENT=1", "PATH=/bin", NULL};
	CHECK(simple_split(&s, "ls", start_up) == 0);
	CHECK(simple_split(&s, "ls", function) == 0);
	CHECK(simple_split(&s, "ls", other) == 1);
}

static void bounds_are_kept(void) {
	char line[SIMPLE_LINE_MAX + 2];
	memset(line, 'a', sizeof line);
	line[SIMPLE_LINE_MAX] = 0;
	CHECK(split(line) == 0);
	line[SIMPLE_LINE_MAX - 1] = 0;
	CHECK(split(line) == 1);
	char words[2 * SIMPLE_WORDS_MAX + 3];
	for (size_t i = 0; i < sizeof words - 1; i++) words[i] = i % 2 ? ' ' : 'w';
	words[sizeof words - 1] = 0;
	CHECK(split(words) == 0);
	words[2 * SIMPLE_WORDS_MAX - 1] = 0;
	CHECK(split(words) == SIMPLE_WORDS_MAX);
}

int main(void) {
	plain_words_need_no_shell();
	whatever_a_shell_would_look_at_needs_one();
	builtins_and_reserved_words_belong_to_the_shell();
	a_shell_that_is_steered_by_its_environment_is_started();
	bounds_are_kept();
	return report("simple");
}
