/* Patterns of LIST. Within a name: `*` any characters, `?` one character, `[a-z]` one of a set, `[!a-z]` (or `[^a-z]`) one of the rest,
 * `\` takes the next character as it is. Across names: `**` as a whole segment stands for any number of directories, also none.
 * A character is a UTF-8 sequence, or one byte where the bytes are not UTF-8. A bracket that is not closed stands for itself. */
#ifndef SANDBOX_GLOB_H
#define SANDBOX_GLOB_H

#include <stdbool.h>

/* A pattern without `/` is matched against the last name of `path`, one with `/` against all of it; a leading `/` or `./` only
 * says the latter. No pattern takes exponential time: only the last `*` (or `**`) is ever reconsidered. */
bool glob_match(const char *pattern, const char *path);

#endif
