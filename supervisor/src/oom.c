#include "oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RAISE_BY 300
#define HIGHEST 1000

/* Lowering it again needs no privilege as long as it does not go below oom_score_adj_min, which is what we were started with
 * (proc_pid_oom_score_adj(5)). The file is kept open because a process that is not dumpable may not open it for writing. */
static int file = -1;
static char base[8], raised[8];
static int base_len, raised_len;

void oom_prepare(void) {
	file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (file < 0) return;
	char text[16] = {0};
	if (pread(file, text, sizeof text - 1, 0) <= 0) {
		close(file);
		file = -1;
		return;
	}
	int value = atoi(text);
	int higher = value + RAISE_BY > HIGHEST ? HIGHEST : value + RAISE_BY;
	base_len = snprintf(base, sizeof base, "%d", value);
	raised_len = snprintf(raised, sizeof raised, "%d", higher);
}

static void stop(void) {
	close(file);
	file = -1;
}

void oom_expose_children(void) {
	if (file >= 0 && pwrite(file, raised, (size_t)raised_len, 0) < 0) stop();
}

void oom_protect_self(void) {
	if (file >= 0 && pwrite(file, base, (size_t)base_len, 0) < 0) stop();
}
