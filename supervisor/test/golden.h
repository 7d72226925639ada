/* What the tests of the golden frames share: the fixture that binds the host and the supervisor. File frames run against a directory whose path is
 * as long as the fixture's "/workspace", put in its place. */
#ifndef SANDBOX_GOLDEN_H
#define SANDBOX_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"

#define FIXTURE "../test/fixtures/protocol/frames.txt"
#define WORKSPACE "/workspace"

struct golden {
	char name[32];
	uint8_t bytes[256];
	size_t len;
	bool used;
};

static struct golden all[64];
static size_t count;

static inline void load(void) {
	FILE *f = fopen(FIXTURE, "r");
	if (!f) {
		perror(FIXTURE);
		exit(2);
	}
	char line[2048], hex[1024];
	while (fgets(line, sizeof line, f)) {
		struct golden *g = &all[count];
		if (line[0] == '#' || sscanf(line, "%31s %1023s", g->name, hex) != 2) continue;
		for (const char *p = hex; p[0] && p[1]; p += 2) {
			unsigned byte;
			if (sscanf(p, "%2x", &byte) == 1 && g->len < sizeof g->bytes) g->bytes[g->len++] = (uint8_t)byte;
		}
		count++;
	}
	fclose(f);
}

static inline struct golden *golden(const char *name) {
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].name, name) != 0) continue;
		all[i].used = true;
		return &all[i];
	}
	fprintf(stderr, "no golden frame %s\n", name);
	exit(2);
}

/* The frame of that name, cut by the parser. */
static inline struct slice payload_of(const char *name, uint8_t type, uint32_t channel) {
	static struct frame_in in;
	struct golden *g = golden(name);
	size_t room;
	uint8_t *to = frame_in_space(&in, &room);
	memcpy(to, g->bytes, g->len);
	frame_in_filled(&in, g->len);
	struct frame f = {0};
	CHECK_EQ(frame_in_next(&in, &f), FRAME_READY);
	CHECK_EQ(f.type, type);
	CHECK_EQ(f.channel, channel);
	return f.payload;
}

/* As payload_of, with the directory in place of every "/workspace". */
static inline struct slice payload_in(const char *dir, const char *name, uint8_t type, uint32_t channel) {
	struct slice s = payload_of(name, type, channel);
	static uint8_t copy[256];
	memcpy(copy, s.data, s.len);
	size_t n = strlen(WORKSPACE);
	for (size_t i = 0; i + n <= s.len; i++)
		if (memcmp(copy + i, WORKSPACE, n) == 0) memcpy(copy + i, dir, n);
	return (struct slice){copy, s.len};
}

static inline void below(char *path, const char *dir, const char *name) { snprintf(path, 64, "%s/%s", dir, name); }

static inline void make_file(const char *dir, const char *name, const char *text) {
	char path[64];
	below(path, dir, name);
	FILE *f = fopen(path, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Whether it is the host or the supervisor who sends it: replies are numbered from 0x80 on, and HELLO goes both ways. */
static inline bool is_reply(const struct golden *g) { return g->bytes[4] >= T_OK || strcmp(g->name, "hello_supervisor") == 0; }

/* Every frame of one direction has to be tried. */
static inline void check_all_used(bool replies) {
	for (size_t i = 0; i < count; i++) {
		if (all[i].used || is_reply(&all[i]) != replies) continue;
		fprintf(stderr, "golden frame %s is not tried\n", all[i].name);
		failures++;
	}
}

/* A new directory whose path has the length of WORKSPACE. */
static inline void make_dir(char *dir) {
	for (int i = 0; i < 100000; i++) {
		snprintf(dir, 16, "/tmp/%05d", (int)(getpid() + i) % 100000);
		if (mkdir(dir, 0700) == 0) return;
	}
	exit(2);
}

static inline void remove_dir(const char *dir) {
	char command[64];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK(system(command) == 0);
}

#endif
