/* The abstract Unix socket (unix(7)) on which the supervisor listens: it has no file that hostile code could replace, and belongs to
 * the container's network namespace. */
#ifndef SANDBOX_ADDRESS_H
#define SANDBOX_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEFAULT_SOCKET "sandbox-mcp/supervisor"

struct address {
	struct sockaddr_un name;
	socklen_t length;
};

/* False if the name is empty or too long. */
bool address_of(const char *name, struct address *out);

/* The byte beside which the bridge passes its descriptors. */
#define BRIDGE_BYTE 'C'
/* What the supervisor answers when it has as many connections as it may. */
#define FULL_BYTE 'F'

#endif
