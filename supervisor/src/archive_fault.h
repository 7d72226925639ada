/* How pack and unpack end before their time. They are programs of their own, with nothing to undo: whoever runs them drops what they made. */
#ifndef SANDBOX_ARCHIVE_FAULT_H
#define SANDBOX_ARCHIVE_FAULT_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"

_Noreturn static inline void archive_fail(enum archive_exit code, const char *what) {
	fprintf(stderr, "%s\n", what);
	exit(code);
}

/* By errno. */
_Noreturn static inline void archive_fail_errno(const char *what) {
	int err = errno;
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	exit(err == ENOSPC || err == EDQUOT ? ARCHIVE_NO_SPACE : err == EFBIG ? ARCHIVE_TOO_LARGE : ARCHIVE_FAILED);
}

#endif
