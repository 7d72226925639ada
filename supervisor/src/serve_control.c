#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "activity.h"
#include "cgroup.h"
#include "command.h"
#include "dispatch.h"
#include "kill_all.h"
#include "request.h"
#include "version.h"

static struct hello_reply self;

bool serve_control_open(const char *spool_dir) {
	self = (struct hello_reply){.build = BUILD FEATURES, .spool_dir = spool_dir, .uid = (uint32_t)getuid()};
	return getrandom(self.boot_id, sizeof self.boot_id, 0) == (ssize_t)sizeof self.boot_id;
}

void serve_hello(struct conn *c) {
	struct buf *b = conn_begin(c, T_HELLO, 0);
	if (!b) return;
	encode_hello(b, &self);
	conn_end(c, 0);
}

/* True if the payload is empty, as it must be. */
static bool empty(struct conn *c, uint32_t channel, struct slice payload) {
	uint16_t code = decode_empty(payload);
	if (code != E_NONE) conn_error(c, channel, (struct fault){code, 0});
	return code == E_NONE;
}

void serve_ping(struct conn *c, uint32_t channel, struct slice payload) {
	if (empty(c, channel, payload)) conn_ok(c, channel, 0);
}

void serve_info(struct conn *c, uint32_t channel, struct slice payload) {
	if (!empty(c, channel, payload)) return;
	struct info_reply info = {
		.uptime_ms = activity_uptime_ms(),
		.idle_ms = activity_idle_ms(commands_running_all()),
		.running = commands_running().listed,
		.retained = commands_retained().listed,
		.connections = conn_count(),
		.memory_bytes = cgroup_memory(),
		.memory_limit_bytes = cgroup_memory_limit(),
		.oom_kills = cgroup_oom_kills(),
	};
	struct buf *b = conn_begin(c, T_INFO_REPLY, channel);
	if (!b) return;
	encode_info(b, &info);
	conn_end(c, channel);
}

void serve_quiesce(struct conn *c, uint32_t channel, struct slice payload) {
	struct quiesce_request r;
	uint16_t code = decode_quiesce(payload, &r);
	if (code != E_NONE) {
		conn_error(c, channel, (struct fault){code, 0});
		return;
	}
	struct quiesced_reply reply = activity_quiesce(c->id, r.min_idle_ms, r.hold_ms, commands_running_all(), conn_open_requests());
	if (!activity_held()) conn_lift_hold();
	else if (reply.ok) conn_tell_hold(c->id);
	struct buf *b = conn_begin(c, T_QUIESCED, channel);
	if (!b) return;
	encode_quiesced(b, &reply);
	conn_end(c, channel);
}

/* Whether a server has the sandbox. Nothing sets it back: only another boot is unclaimed, and after its end a sandbox does not boot again. */
static bool claimed;

void serve_claim(struct conn *c, uint32_t channel, struct slice payload) {
	if (!empty(c, channel, payload)) return;
	bool first = !claimed;
	claimed = true;
	conn_ok(c, channel, first);
}

/* KILL_ALL stays open until everything has died. */
struct kill_all_request {
	struct channel channel;
	struct kill_all kill;
};

static void killed_all(struct kill_all *k) {
	struct kill_all_request *r = OWNER(k, struct kill_all_request, kill);
	uint32_t number = r->channel.number;
	struct conn *c = channel_close(&r->channel);
	if (c) conn_ok(c, number, 0);
	free(r);
}

static void drop_kill_all(struct channel *ch) {
	struct kill_all_request *r = OWNER(ch, struct kill_all_request, channel);
	kill_all_stop(&r->kill);
	free(r);
}

void serve_kill_all(struct conn *c, uint32_t channel, struct slice payload) {
	static const struct channel_ops ops = {.drop = drop_kill_all};
	if (!empty(c, channel, payload)) return;
	struct kill_all_request *r = calloc(1, sizeof *r);
	if (!r) {
		conn_error(c, channel, (struct fault){E_RESOURCES, 0});
	} else if (!channel_open(&r->channel, c, channel, &ops)) {
		free(r);
	} else {
		kill_all_begin(&r->kill, killed_all);
	}
}
