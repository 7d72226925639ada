#include "conn.h"

#include <stddef.h>

/* Open requests of one connection: far beyond what a host needs, and a bound on what they hold. */
#define CHANNELS_MAX 512u

struct channel *channel_find(const struct conn *c, uint32_t number) {
	struct channel *ch = c->channels;
	while (ch && ch->number != number) ch = ch->next;
	return ch;
}

bool channel_open(struct channel *ch, struct conn *c, uint32_t number, const struct channel_ops *ops) {
	if (c->channel_count >= CHANNELS_MAX) {
		conn_error(c, number, (struct fault){E_TOO_MANY, 0});
		return false;
	}
	*ch = (struct channel){.conn = c, .number = number, .ops = ops, .next = c->channels, .prev = &c->channels};
	if (ch->next) ch->next->prev = &ch->next;
	c->channels = ch;
	c->channel_count++;
	return true;
}

struct conn *channel_close(struct channel *ch) {
	struct conn *c = ch->conn;
	if (!c) return NULL;
	if (c->turn == ch) c->turn = ch->next;
	*ch->prev = ch->next;
	if (ch->next) ch->next->prev = ch->prev;
	ch->conn = NULL;
	c->channel_count--;
	return c;
}
