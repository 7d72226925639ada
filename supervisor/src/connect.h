/* The bridge: passes its stdin and stdout to the supervisor, and stays until the supervisor closes the connection. */
#ifndef SANDBOX_CONNECT_H
#define SANDBOX_CONNECT_H

#include <stdbool.h>

/* `accounts`: writes the account files, see accounts.h. Returns the exit status: 0 when the connection ended, 1 when there was none (with a line on stderr). */
int run_connect(const char *socket_name, bool accounts);

#endif
