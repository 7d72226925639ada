/* Taking connections from bridges (../PROTOCOL.md, "Connection"). */
#ifndef SANDBOX_LISTEN_H
#define SANDBOX_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

/* Binds the socket. Must come before any code of the user runs: the name belongs to who binds it first. False and errno. */
bool listen_bind(const char *name);
/* Begins to accept peers with this uid. False and errno. */
bool listen_begin(uid_t bridge_uid);

#endif
