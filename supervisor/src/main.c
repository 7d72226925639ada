#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "address.h"
#include "archive.h"
#include "connect.h"
#include "end_user.h"
#include "init.h"
#include "proto.h"
#include "version.h"

#define DEFAULT_BRIDGE_UID 65532u
#define DEFAULT_SPOOL "/tmp/.sandbox"
#define DEFAULT_WORKSPACE "/workspace"

static int usage(void) {
	fprintf(stderr, "usage: sandbox-supervisor init [--bridge-uid N] [--spool DIR] [--workspace DIR] [--idle-exit SECONDS] [--socket NAME] [--attached]\n"
			"       sandbox-supervisor connect [--socket NAME] [--attached]\n"
			"       sandbox-supervisor pack DIR [--unlock]\n"
			"       sandbox-supervisor unpack DIR\n"
			"       sandbox-supervisor hold SECONDS\n"
			"       sandbox-supervisor kill\n"
			"       sandbox-supervisor --version\n");
	return 2;
}

static bool parse_number(const char *text, unsigned long *value) {
	char *end;
	*value = strtoul(text, &end, 10);
	return *text && !*end && *text != '-' && *value < UINT32_MAX;
}

static bool parse_uid(const char *text, uid_t *uid) {
	unsigned long value;
	if (!parse_number(text, &value)) return false; /* UINT32_MAX, (uid_t)-1, means "no user" to the kernel */
	*uid = (uid_t)value;
	return true;
}

static bool parse_seconds(const char *text, uint64_t *ms) {
	unsigned long value;
	if (!parse_number(text, &value)) return false;
	*ms = (uint64_t)value * 1000;
	return true;
}

static bool init_option(struct init_options *o, const char *name, const char *value) {
	if (strcmp(name, "--spool") == 0) o->spool = value;
	else if (strcmp(name, "--workspace") == 0) o->workspace = value;
	else if (strcmp(name, "--bridge-uid") == 0) return parse_uid(value, &o->bridge_uid);
	else if (strcmp(name, "--idle-exit") == 0) return parse_seconds(value, &o->idle_exit_ms);
	else return false;
	return true;
}

/* The programs of a helper container; -1 when the words are none of theirs. */
static int run_helper(int argc, char **argv) {
	unsigned long seconds;
	const char *mode = argc < 3 ? "" : argv[1];
	if (argc == 3 && strcmp(mode, "pack") == 0) return run_pack(argv[2], false);
	if (argc == 4 && strcmp(mode, "pack") == 0 && strcmp(argv[3], "--unlock") == 0) return run_pack(argv[2], true);
	if (argc == 3 && strcmp(mode, "unpack") == 0) return run_unpack(argv[2]);
	if (argc == 3 && strcmp(mode, "hold") == 0 && parse_number(argv[2], &seconds)) return run_hold((unsigned)seconds);
	return -1;
}

int main(int argc, char **argv) {
	struct init_options o = {DEFAULT_BRIDGE_UID, DEFAULT_SOCKET, DEFAULT_SPOOL, DEFAULT_WORKSPACE, 0, false};
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("sandbox-supervisor %s, protocol %u\n", BUILD, PROTO_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "kill") == 0) return run_end_user();
	if (argc < 2) return usage();
	int helped = run_helper(argc, argv);
	if (helped >= 0) return helped;
	bool init = strcmp(argv[1], "init") == 0, bridge = strcmp(argv[1], "connect") == 0;
	if (!init && !bridge) return usage();
	for (int i = 2; i < argc; i += 2) {
		if (strcmp(argv[i], "--attached") == 0) {
			o.attached = true;
			i--;
			continue;
		}
		if (i + 1 == argc) return usage();
		const char *name = argv[i], *value = argv[i + 1];
		if (strcmp(name, "--socket") == 0) o.socket = value;
		else if (!init || !init_option(&o, name, value)) return usage();
	}
	return init ? run_init(&o) : run_connect(o.socket, !o.attached);
}
