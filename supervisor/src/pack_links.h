/* Files with several names: the first name has the content, the others are links to it. */
#ifndef SANDBOX_PACK_LINKS_H
#define SANDBOX_PACK_LINKS_H

#include <stdint.h>
#include <sys/types.h>

/* The path under which this inode was seen first; NULL, and the path is kept, when this is the first time. */
const char *links_first(ino_t inode, const char *path);

#endif
