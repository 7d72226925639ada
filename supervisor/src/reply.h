/* Encoding the payloads of replies about commands and about the supervisor itself (file replies: fs.h). */
#ifndef SANDBOX_REPLY_H
#define SANDBOX_REPLY_H

#include "proto.h"
#include "wire.h"

enum summary_flags { SUMMARY_STDIN_OPEN = 1, SUMMARY_OTHERS_LIVE = 2, SUMMARY_OUT_SPOOLED = 4, SUMMARY_ERR_SPOOLED = 8 };

struct hello_reply {
	uint8_t boot_id[BOOT_ID_BYTES];
	const char *build, *spool_dir;
	uint32_t uid;
};

struct info_reply {
	uint64_t uptime_ms, idle_ms;
	uint32_t running, retained, connections;
	uint64_t memory_bytes, memory_limit_bytes, oom_kills; /* the first two: 0 unknown */
};

struct quiesced_reply {
	bool ok;
	uint64_t idle_ms;
	uint32_t running;
};

struct summary {
	const char *id;
	uint8_t status; /* enum command_status */
	int32_t exit_code, signal; /* -1 none, 0 none */
	uint8_t flags; /* enum summary_flags */
	int64_t started_ms;
	uint64_t duration_us, cpu_us, max_rss_bytes, total_out, total_err;
};

void encode_hello(struct buf *b, const struct hello_reply *r);
void encode_ok(struct buf *b, uint64_t value);
void encode_error(struct buf *b, uint16_t code, int32_t err);
void encode_info(struct buf *b, const struct info_reply *r);
void encode_quiesced(struct buf *b, const struct quiesced_reply *r);
void encode_summary(struct buf *b, const struct summary *s);

/* The command line in a CommandInfo: at most its first 256 bytes, cut before a UTF-8 character that would be cut apart. */
#define COMMAND_TEXT_MAX 256u
size_t command_text_length(const char *text, size_t len);

#endif
