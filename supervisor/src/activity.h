/* When the sandbox was last used, and whether an eviction may begin (../PROTOCOL.md, "Activity"). */
#ifndef SANDBOX_ACTIVITY_H
#define SANDBOX_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#include "reply.h"

/* Begins to count, at the start of the supervisor. */
void activity_open(void);
uint64_t activity_uptime_ms(void);
/* A request that counts as use, or the end of a command. */
void activity_touch(void);
/* Requests of this type count as use. */
bool activity_counts(uint8_t type);
/* 0 while a command runs. */
uint64_t activity_idle_ms(uint32_t running);
/* QUIESCE of the connection `asker`. `open` = requests that are open, this one not counted. */
struct quiesced_reply activity_quiesce(uint32_t asker, uint64_t min_idle_ms, uint32_t hold_ms, uint32_t running, uint32_t open);
/* Requests that count as use are refused now. */
bool activity_held(void);

#endif
