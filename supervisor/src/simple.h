/* Shell lines that need no shell. */
#ifndef SANDBOX_SIMPLE_H
#define SANDBOX_SIMPLE_H

#include <stddef.h>

#define SIMPLE_LINE_MAX 2048u
#define SIMPLE_WORDS_MAX 64u

/* Buffers for one line: its words, which end in NULL and point into `text`. */
struct simple {
	char text[SIMPLE_LINE_MAX];
	char *words[SIMPLE_WORDS_MAX + 1];
};

/* Splits a line that is plain words, the first of which names a program: a shell would find, expand and redirect nothing in it and
 * execute the program itself, so that executing it at once is the same and saves the start of the shell. Returns the number of
 * words, or 0 when the line needs a shell (or may: bash's start-up can be told to do things by variables of `env`). */
size_t simple_split(struct simple *to, const char *line, char *const *env);

#endif
