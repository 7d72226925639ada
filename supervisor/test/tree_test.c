/* The processes of a command are found however they try to leave it. Each runaway reports that it is in place through a pipe. */
#include "check.h"
#include "request.h"
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2];
static pid_t root;

/* Waits to be killed; `marked`: with the mark in its environment, which needs an execve. */
static void stay(const char *name, bool marked) {
	char mark[64];
	snprintf(mark, sizeof mark, "%s=%s", MARK_NAME, "test-1");
	char *const env[] = {marked ? mark : NULL, NULL}, *const argv[] = {"sh", "-c", "printf \"$0\" >&9; exec 9>&-; sleep 60", (char *)(size_t)name, NULL};
	dup2(ready[1], 9);
	close(ready[0]);
	close(ready[1]);
	execve("/bin/sh", argv, env);
	_exit(1);
}

static void fork_and(void (*then)(void)) {
	if (fork() == 0) {
		then();
		_exit(0);
	}
}

static void in_group(void) { stay("g", false); }
static void in_own_session(void) { setsid(), stay("s", false); } /* ancestry is left */
static void as_orphan_in_group_of_its_own(void) { setpgid(0, 0), stay("o", false); } /* the session is left */
static void as_marked_daemon(void) { setsid(), stay("m", true); }
static void double_fork_group(void) { fork_and(as_orphan_in_group_of_its_own); }
static void double_fork_daemon(void) { fork_and(as_marked_daemon); }

static void begin_root(void) {
	setsid();
	fork_and(in_group);
	fork_and(in_own_session);
	fork_and(double_fork_group);
	fork_and(double_fork_daemon);
	while (waitpid(-1, NULL, WNOHANG) > 0) continue;
	stay("r", false);
}

static void wait_for(size_t count) {
	char name;
	while (count-- && read(ready[0], &name, 1) == 1) continue;
}

static size_t members(struct tree *t, struct family f) {
	tree_free(t);
	CHECK(tree_read(t));
	return tree_select(t, &f);
}

int main(void) {
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe(ready) == 0);
	root = fork();
	if (root == 0) begin_root();
	wait_for(5);
	struct tree t = {0};
	struct family f = {"test-1", root, root};
	/* Five shells, and their sleeps, which come and go. */
	CHECK(members(&t, f) >= 5);
	CHECK(tree_children() >= 1);
	f.id = "test-2";
	size_t without_mark = members(&t, f);
	f.id = "test-1";
	CHECK(without_mark < members(&t, f));
	/* Each tie alone finds somebody; none finds a stranger. */
	CHECK(members(&t, (struct family){"test-1", 0, 0}) >= 1);
	CHECK(members(&t, (struct family){"none", 0, root}) >= 2);
	CHECK_EQ(members(&t, (struct family){"none", 0, 0}), 0);
	CHECK(!tree_group_reused(&t, 0) && tree_group_reused(&t, root));
	tree_free(&t);
	CHECK(tree_read(&t));
	size_t all = tree_select_below(&t);
	for (size_t i = 0; i < t.count; i++) CHECK(!t.list[i].member || t.list[i].pid != getpid());
	CHECK(all >= 5);
	/* Killed until none is found: then all of them were found, and what is still there is about to end. If one was missed,
	 * the alarm ends this test; runaways end by themselves after a minute. */
	while (members(&t, f)) {
		tree_signal(&t, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0) continue;
	}
	alarm(20);
	while (waitpid(-1, NULL, 0) > 0) continue;
	CHECK_EQ(errno, ECHILD);
	tree_free(&t);
	return report("tree");
}
