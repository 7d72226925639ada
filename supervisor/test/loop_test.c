/* Timers fire in the order of their times, once, and may be moved and cleared by each other; a watch that is gone is not called. */
#include "check.h"
#include "clock.h"
#include "loop.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct timer timers[5];
static char fired[32];
static size_t fired_count;

static void note(struct timer *t) {
	fired[fired_count++] = (char)('0' + (t - timers));
	fired[fired_count] = 0;
}

static void note_and_clear_next(struct timer *t) {
	note(t);
	timer_clear(t + 1);
	timer_set(t, monotonic_ms() + 1);
	t->fire = note;
}

static void run_until_none_is_set(void) {
	for (bool any = true; any;) {
		loop_turn(true);
		any = false;
		for (size_t i = 0; i < 5; i++) any |= timers[i].set;
	}
}

static void timers_fire_by_time(void) {
	uint64_t now = monotonic_ms();
	static const unsigned after[] = {30, 10, 20, 10, 0};
	for (size_t i = 0; i < 5; i++) {
		timers[i] = (struct timer){.fire = note};
		timer_set(&timers[i], now + 1000);
		timer_set(&timers[i], now + after[i]);
	}
	timer_clear(&timers[2]);
	timer_clear(&timers[2]);
	run_until_none_is_set();
	CHECK(strcmp(fired, "4130") == 0);
	CHECK(monotonic_ms() >= now + 30);
}

static void a_timer_may_clear_another_that_is_due_and_set_itself_again(void) {
	fired_count = 0;
	uint64_t now = monotonic_ms();
	timers[0] = (struct timer){.fire = note_and_clear_next};
	timers[1] = timers[2] = (struct timer){.fire = note};
	for (size_t i = 0; i < 3; i++) timer_set(&timers[i], now);
	run_until_none_is_set();
	CHECK(strcmp(fired, "020") == 0);
}

static struct watch pair[2];
static int calls;

static void unwatch_both(struct watch *w, uint32_t events) {
	(void)w, (void)events;
	calls++;
	loop_unwatch(&pair[0]);
	loop_unwatch(&pair[1]);
}

/* Both are ready in the same turn; the first to be called frees both. */
static void a_watch_that_is_taken_away_is_not_called_in_the_same_turn(void) {
	int ends[2];
	CHECK(pipe(ends) == 0);
	close(ends[1]);
	for (int i = 0; i < 2; i++) {
		pair[i] = (struct watch){i ? dup(ends[0]) : ends[0], unwatch_both};
		CHECK(loop_watch(&pair[i], EPOLLIN));
	}
	loop_turn(true);
	loop_turn(false);
	CHECK_EQ(calls, 1);
	close(pair[0].fd);
	close(pair[1].fd);
}

int main(void) {
	CHECK(loop_open());
	timers_fire_by_time();
	a_timer_may_clear_another_that_is_due_and_set_itself_again();
	a_watch_that_is_taken_away_is_not_called_in_the_same_turn();
	return report("loop");
}
