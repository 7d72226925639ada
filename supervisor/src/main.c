#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "address.h"
#include "connect.h"
#include "init.h"
#include "proto.h"
#include "version.h"

#define DEFAULT_BRIDGE_UID 65532u
#define DEFAULT_SPOOL "/tmp/.sandbox"
#define DEFAULT_WORKSPACE "/workspace"

static int usage(void) {
	fprintf(stderr, "usage: sandbox-supervisor init [--bridge-uid N] [--spool DIR] [--workspace DIR] [--socket NAME]\n"
			"       sandbox-supervisor connect [--socket NAME]\n"
			"       sandbox-supervisor --version\n");
	return 2;
}

static bool parse_uid(const char *text, uid_t *uid) {
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	/* (uid_t)-1 means "no user" to the kernel. */
	if (!*text || *end || *text == '-' || value >= UINT32_MAX) return false;
	*uid = (uid_t)value;
	return true;
}

int main(int argc, char **argv) {
	struct init_options o = {DEFAULT_BRIDGE_UID, DEFAULT_SOCKET, DEFAULT_SPOOL, DEFAULT_WORKSPACE};
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("sandbox-supervisor %s, protocol %u\n", BUILD, PROTO_VERSION);
		return 0;
	}
	if (argc < 2) return usage();
	bool init = strcmp(argv[1], "init") == 0, bridge = strcmp(argv[1], "connect") == 0;
	if (!init && !bridge) return usage();
	for (int i = 2; i < argc; i += 2) {
		if (i + 1 == argc) return usage();
		const char *name = argv[i], *value = argv[i + 1];
		if (strcmp(name, "--socket") == 0) o.socket = value;
		else if (init && strcmp(name, "--spool") == 0) o.spool = value;
		else if (init && strcmp(name, "--workspace") == 0) o.workspace = value;
		else if (!init || strcmp(name, "--bridge-uid") != 0 || !parse_uid(value, &o.bridge_uid)) return usage();
	}
	return init ? run_init(&o) : run_connect(o.socket);
}
