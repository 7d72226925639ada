/* The directory in which large outputs are kept as files that the user can read, too. It lies where hostile code of the same uid may
 * write: names are opened new (O_EXCL | O_NOFOLLOW), the descriptor is kept, and a file is never opened by name again. */
#ifndef SANDBOX_SPOOL_H
#define SANDBOX_SPOOL_H

struct spool {
	const char *path;
	int dir; /* -1: could not be opened (yet) */
};

/* Makes the directory (mode 0700) if it is missing, and opens it, unless it is somebody else's or others may write in it. A failure shows
 * only in spool_create. */
void spool_open(struct spool *s, const char *path);
/* A new, empty file for reading and writing, mode 0600. -1 and errno on failure. */
int spool_create(struct spool *s, const char *name);
/* Removes the name; whatever a hostile process put there instead goes with it, unless it is a directory. */
void spool_remove(struct spool *s, const char *name);
/* Removes the directory with its files, when nothing is to be spooled any more. One that was put in it as a directory keeps it. */
void spool_forget(struct spool *s);

#endif
