#include "simple.h"

#include <stdbool.h>
#include <string.h>

/* Characters that mean themselves anywhere in a line (POSIX.1-2017, Shell Command Language, 2.2 and 2.6; bash(1)): no quotes, no
 * expansions (also of braces, tilde, history and globs), no operators, no comments. */
static bool is_plain(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_@%+=:,./-", c));
}

/* Names that a shell takes as its own: builtins and reserved words of bash 5 and dash, but for those whose program of the same name
 * does the same (true, false). Sorted by nothing: it is read only for the first word of a plain line. */
static const char *const own[] = {
	".", ":", "[", "[[", "]]", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command", "compgen", "complete", "compopt",
	"continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable", "esac", "eval", "exec", "exit", "export",
	"fc", "fg", "fi", "for", "function", "getopts", "hash", "help", "history", "if", "in", "jobs", "kill", "let", "local", "logout", "mapfile", "popd",
	"printf", "pushd", "pwd", "read", "readarray", "readonly", "return", "select", "set", "shift", "shopt", "source", "suspend", "test", "then", "time",
	"times", "trap", "type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
};

static bool is_own(const char *word) {
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(own[i], word) == 0) return true;
	return false;
}

/* Variables by which bash's start-up or its search for commands is changed (bash(1): BASH_ENV, SHELLOPTS, BASHOPTS, exported functions). */
static bool steers_shell(char *const *env) {
	static const char *const names[] = {"BASH_ENV=", "SHELLOPTS=", "BASHOPTS=", "BASH_FUNC_", "ENV=", "POSIXLY_CORRECT", "EXECIGNORE="};
	for (; *env; env++)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (strncmp(*env, names[i], strlen(names[i])) == 0) return true;
	return false;
}

size_t simple_split(struct simple *to, const char *line, char *const *env) {
	size_t len = strlen(line), count = 0;
	if (len >= sizeof to->text) return 0;
	memcpy(to->text, line, len + 1);
	for (char *at = to->text;;) {
		while (*at == ' ' || *at == '\t') *at++ = 0;
		if (!*at) break;
		if (count == SIMPLE_WORDS_MAX) return 0;
		to->words[count++] = at;
		while (is_plain(*at)) at++;
		if (*at && *at != ' ' && *at != '\t') return 0;
	}
	to->words[count] = NULL;
	/* A first word with `=` is an assignment. */
	if (!count || strchr(to->words[0], '=') || is_own(to->words[0]) || steers_shell(env)) return 0;
	return count;
}
