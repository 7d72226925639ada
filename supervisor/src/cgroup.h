/* The memory figures of this container, from cgroup v2 or v1. */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* Finds and opens the files. What is missing reads as 0. */
void cgroup_open(void);
/* Processes of this container that the kernel ended for want of memory, so far. */
uint64_t cgroup_oom_kills(void);
/* In bytes; 0 unknown. */
uint64_t cgroup_memory(void);
/* In bytes; 0 unknown or none. */
uint64_t cgroup_memory_limit(void);

#endif
