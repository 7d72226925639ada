/* What is remembered of ended commands: the user's and the host's own (private) ones, each within its bounds. Real commands, reaped by the
 * test in the place of init.c; the time to forget comes when the test says so. */
#include "check.h"
#include "clock.h"
#include "command.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t key_counter;

static struct command *start(uint8_t flags, const char *line) {
	static char key[KEY_BYTES];
	key[0] = (char)++key_counter;
	char *argv[] = {(char *)line, NULL};
	char *env[] = {"PATH=/usr/bin:/bin", NULL, NULL};
	struct start_request r = {
		.key = {(uint8_t *)key, KEY_BYTES}, .flags = flags | START_SHELL, .cwd = "/", .argv = argv, .env = env, .argc = 1, .envc = 1};
	struct command *c = NULL;
	CHECK_EQ(command_start(&r, &c).code, E_NONE);
	return c;
}

/* Waits for the end of one child, as init.c does. False when there is none. */
static bool reap(void) {
	struct rusage usage;
	int status;
	pid_t pid = wait4(-1, &status, 0, &usage);
	if (pid < 0) return false;
	command_reaped(pid, status, &usage);
	commands_settle(false);
	return true;
}

static struct command *run(uint8_t flags, const char *line) {
	struct command *c = start(flags, line);
	while (!c->settled && reap()) {}
	CHECK(c->settled);
	return c;
}

static void forget_all(void) {
	while (command_first()) command_free(command_first());
	CHECK_EQ(commands_retained().listed + commands_retained().private, 0);
}

static struct command *find(const uint8_t *key) { return command_find((struct slice){key, KEY_BYTES}); }

static size_t spooled(const struct command *c) { return store_spool_bytes(&c->out.store) + store_spool_bytes(&c->err.store); }

static void private_ones_are_counted_apart(void) {
	struct command *mine = start(START_PRIVATE, "exec sleep 60");
	CHECK(commands_running().listed == 0 && commands_running().private == 1 && commands_running_all() == 1);
	kill(mine->pid, SIGKILL);
	while (!mine->settled && reap()) {}
	run(0, "true");
	CHECK(commands_running_all() == 0 && commands_retained().listed == 1 && commands_retained().private == 1);
	forget_all();
}

static void a_private_one_is_found_by_its_key_until_it_is_forgotten(void) {
	uint64_t before = monotonic_ms();
	struct command *mine = run(START_PRIVATE, "echo kept");
	struct command *other = run(0, "echo other");
	CHECK(mine->forget.set && mine->forget.at_ms >= before + PRIVATE_FORGET_MS && mine->forget.at_ms <= monotonic_ms() + PRIVATE_FORGET_MS);
	CHECK(!other->forget.set);
	uint8_t key[KEY_BYTES];
	memcpy(key, mine->key, sizeof key);
	loop_turn(false);
	commands_trim();
	CHECK(find(key) == mine && mine->out.store.total == 5);
	timer_set(&mine->forget, monotonic_ms());
	loop_turn(true);
	CHECK(!find(key));
	CHECK(command_first() == other && commands_retained().private == 0 && commands_retained().listed == 1);
	forget_all();
}

static void a_private_one_that_is_being_ended_is_forgotten_later(void) {
	struct command *mine = run(START_PRIVATE, "true");
	mine->ending = true;
	timer_set(&mine->forget, monotonic_ms());
	loop_turn(true);
	CHECK(command_first() == mine && mine->forget.set && mine->forget.at_ms > monotonic_ms());
	mine->ending = false;
	forget_all();
}

static void many_private_ones_push_out_none_of_the_users(void) {
	struct command *users = run(0, "echo users");
	uint8_t oldest[KEY_BYTES];
	for (uint32_t i = 0; i <= PRIVATE_MAX; i++) {
		struct command *c = run(START_PRIVATE, "true");
		if (i == 0) memcpy(oldest, c->key, sizeof oldest);
		commands_trim();
	}
	CHECK_EQ(commands_retained().private, PRIVATE_MAX);
	CHECK(!find(oldest));
	CHECK(command_first() == users && users->out.store.total == 6);
	for (uint32_t i = 0; i < RETAINED_MAX; i++) {
		run(0, "true");
		commands_trim();
	}
	CHECK_EQ(commands_retained().listed, RETAINED_MAX);
	CHECK_EQ(commands_retained().private, PRIVATE_MAX);
	forget_all();
}

/* Fills the spool of a command that has ended, without the time that a real flood takes. */
static struct command *flooded(uint8_t flags) {
	static uint8_t block[1024 * 1024];
	struct command *c = run(flags, "true");
	for (int i = 0; i < 16; i++) store_append(&c->out.store, block, sizeof block);
	CHECK_EQ(spooled(c), 2u * STORE_KEEP);
	return c;
}

static void floods_of_private_ones_go_before_the_users(void) {
	struct command *users = flooded(0), *small = run(START_PRIVATE, "echo small"), *old = flooded(START_PRIVATE);
	uint8_t old_key[KEY_BYTES], small_key[KEY_BYTES];
	memcpy(old_key, old->key, sizeof old_key);
	memcpy(small_key, small->key, sizeof small_key);
	struct command *other = flooded(0);
	commands_trim();
	CHECK(find(old_key) == old);
	struct command *newest = flooded(START_PRIVATE);
	commands_trim();
	CHECK(!find(old_key));
	/* One without a spool would not help. */
	CHECK(find(small_key) == small);
	CHECK(spooled(users) && spooled(other) && spooled(newest));
	/* Once nothing else would help, the oldest of the user's goes, as without private ones. */
	uint8_t users_key[KEY_BYTES];
	memcpy(users_key, users->key, sizeof users_key);
	flooded(0);
	struct command *last = run(START_PRIVATE, "true");
	commands_trim();
	CHECK(find(users_key) == users);
	CHECK(find(last->key) == last);
	flooded(0);
	commands_trim();
	CHECK(!find(users_key));
	forget_all();
}

int main(void) {
	char dir[] = "/tmp/retain_test_XXXXXX";
	if (!mkdtemp(dir) || !loop_open() || !commands_open(dir)) {
		perror("retain_test");
		return 2;
	}
	private_ones_are_counted_apart();
	a_private_one_is_found_by_its_key_until_it_is_forgotten();
	a_private_one_that_is_being_ended_is_forgotten_later();
	many_private_ones_push_out_none_of_the_users();
	floods_of_private_ones_go_before_the_users();
	CHECK(rmdir(dir) == 0);
	return report("retain");
}
