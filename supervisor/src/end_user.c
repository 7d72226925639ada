#include "end_user.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "tree.h"

#define INTERVAL_MS 2
#define GIVE_UP_MS 2000u
/* TASK_COMM_LEN of the kernel, and a line feed. */
#define COMM_SIZE 18

static bool read_comm(const char *path, char comm[COMM_SIZE]) {
	memset(comm, 0, COMM_SIZE);
	FILE *file = fopen(path, "re");
	if (!file) return false;
	bool ok = fgets(comm, COMM_SIZE, file);
	fclose(file);
	return ok;
}

/* kill(-1) reaches all that this uid may signal in its pid namespace. Only where PID 1 is the same program as we are it is a sandbox's own:
 * in a container of somebody else, or on the host, the processes are not ours. */
static bool in_own_sandbox(void) {
	char first[COMM_SIZE], own[COMM_SIZE];
	return getuid() != 0 && getpid() != 1 && read_comm("/proc/1/comm", first) && read_comm("/proc/self/comm", own) && strcmp(first, own) == 0;
}

/* Zombies do not count: a supervisor that is stuck does not reap them. PID 1 takes no signal from inside. */
static bool anybody_left(void) {
	struct tree t;
	if (!tree_read(&t)) return true;
	bool left = false;
	for (size_t i = 0; i < t.count && !left; i++) {
		pid_t pid = t.list[i].pid;
		left = pid != 1 && pid != getpid() && kill(pid, 0) == 0;
	}
	tree_free(&t);
	return left;
}

int run_end_user(void) {
	if (!in_own_sandbox()) {
		fprintf(stderr, "sandbox-supervisor: not the sandbox of this uid\n");
		return 1;
	}
	uint64_t give_up = monotonic_ms() + GIVE_UP_MS;
	do {
		/* Neither PID 1 nor the caller is among those that it reaches (kill(2)). */
		kill(-1, SIGKILL);
		if (!anybody_left()) return 0;
		nanosleep(&(struct timespec){.tv_nsec = INTERVAL_MS * 1000000L}, NULL);
	} while (monotonic_ms() < give_up);
	fprintf(stderr, "sandbox-supervisor: some processes do not end\n");
	return 1;
}
