#include "reply.h"

void encode_hello(struct buf *b, const struct hello_reply *r) {
	put_u32(b, PROTO_MAGIC);
	put_u16(b, PROTO_VERSION);
	put_bytes(b, r->boot_id, BOOT_ID_BYTES);
	put_str(b, r->build);
	put_str(b, r->spool_dir);
	put_u32(b, r->uid);
}

void encode_ok(struct buf *b, uint64_t value) { put_u64(b, value); }

void encode_error(struct buf *b, uint16_t code, int32_t err) {
	put_u16(b, code);
	put_i32(b, err);
}

void encode_info(struct buf *b, const struct info_reply *r) {
	put_u64(b, r->uptime_ms);
	put_u64(b, r->idle_ms);
	put_u32(b, r->running);
	put_u32(b, r->retained);
	put_u32(b, r->connections);
	put_u64(b, r->memory_bytes);
	put_u64(b, r->memory_limit_bytes);
	put_u64(b, r->oom_kills);
}

void encode_quiesced(struct buf *b, const struct quiesced_reply *r) {
	put_u8(b, r->ok);
	put_u64(b, r->idle_ms);
	put_u32(b, r->running);
}

void encode_summary(struct buf *b, const struct summary *s) {
	put_str(b, s->id);
	put_u8(b, s->status);
	put_i32(b, s->exit_code);
	put_i32(b, s->signal);
	put_u8(b, s->flags);
	put_i64(b, s->started_ms);
	put_u64(b, s->duration_us);
	put_u64(b, s->cpu_us);
	put_u64(b, s->max_rss_bytes);
	put_u64(b, s->total_out);
	put_u64(b, s->total_err);
}

size_t command_text_length(const char *text, size_t len) {
	if (len <= COMMAND_TEXT_MAX) return len;
	len = COMMAND_TEXT_MAX;
	/* 10xxxxxx continues a character: text[len] would be the first byte left out. At most three such bytes belong to one. */
	for (int i = 0; i < 3 && len && ((uint8_t)text[len] & 0xc0) == 0x80; i++) len--;
	return len;
}
