#include "cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "No limit" of cgroup v1 is the largest multiple of a page; nothing real comes near it. */
#define NO_LIMIT (UINT64_C(1) << 60)

static int events = -1, usage = -1, limit = -1;

static int open_in(const char *base, const char *path, const char *name) {
	char file[PATH_MAX];
	int len = snprintf(file, sizeof file, "%s%s/%s", base, path, name);
	return len < 0 || (size_t)len >= sizeof file ? -1 : open(file, O_RDONLY | O_CLOEXEC);
}

static void open_v2(const char *path) {
	events = open_in("/sys/fs/cgroup", path, "memory.events");
	usage = open_in("/sys/fs/cgroup", path, "memory.current");
	limit = open_in("/sys/fs/cgroup", path, "memory.max");
}

static void open_v1(const char *path) {
	events = open_in("/sys/fs/cgroup/memory", path, "memory.oom_control");
	usage = open_in("/sys/fs/cgroup/memory", path, "memory.usage_in_bytes");
	limit = open_in("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
}

static bool is_memory_line(const char *controllers) {
	size_t len = strcspn(controllers, ":");
	for (const char *at = controllers; at < controllers + len; at += strcspn(at, ",:") + 1)
		if (strncmp(at, "memory", 6) == 0 && (at[6] == ',' || at[6] == ':')) return true;
	return false;
}

/* Lines of cgroups(7): `hierarchy:controllers:path`, with `0::path` for v2. Where the container sees the whole hierarchy the path
 * leads to its own group; where it sees only its own, the path may name nothing and the root is its own. */
void cgroup_open(void) {
	char text[8192] = {0};
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
		close(fd);
	}
	char *rest = text;
	for (char *line; events < 0 && (line = strsep(&rest, "\n"));) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path) continue;
		if (is_memory_line(controllers + 1)) open_v1(path + 1);
		else if (strncmp(line, "0::", 3) == 0) open_v2(path + 1);
	}
	if (events < 0) open_v2("");
	if (events < 0) open_v1("");
}

static bool read_text(int fd, char *text, size_t size) {
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
	if (n <= 0) return false;
	text[n] = 0;
	return true;
}

uint64_t cgroup_oom_kills(void) {
	char text[512];
	if (!read_text(events, text, sizeof text)) return 0;
	/* At the start of a line: v2 has oom_group_kill, too. */
	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, "oom_kill ", 9) == 0) return strtoull(line + 9, NULL, 10);
	return 0;
}

static uint64_t read_bytes(int fd) {
	char text[64];
	/* "max" reads as 0. */
	uint64_t value = read_text(fd, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
	return value < NO_LIMIT ? value : 0;
}

uint64_t cgroup_memory(void) { return read_bytes(usage); }
uint64_t cgroup_memory_limit(void) { return read_bytes(limit); }
