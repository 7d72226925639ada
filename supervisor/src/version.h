/* What `--version` and HELLO say: set by the Makefile to the protocol's version and a hash of the sources, so that the same sources
 * give the same bytes. */
#ifndef SANDBOX_VERSION_H
#define SANDBOX_VERSION_H

#ifndef BUILD
#define BUILD "unversioned"
#endif

/* The requests beyond the first ones of the protocol, so that a host knows what it may send: see ../PROTOCOL.md, "Connection". */
#define FEATURES "+claim+usage"

#endif
