/* The processes of a command: found by process group, session, ancestry, and by the mark in their environment. A process may leave
 * each of these; whoever leaves all four (a double fork with setsid and a cleared environment) is reached by KILL_ALL only. */
#ifndef SANDBOX_TREE_H
#define SANDBOX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Long enough for every id, with its NUL. */
#define ID_SIZE 16

/* What holds a command's processes together. */
struct family {
	const char *id; /* their mark */
	pid_t root; /* its own process while it is not reaped, else 0 */
	pid_t group; /* its process group and session while they are known to be its own, else 0 */
};

struct process {
	pid_t pid, parent, group, session;
	bool member;
	bool mark_read;
	char mark[ID_SIZE];
};

/* The living processes that we may see, at one moment. */
struct tree {
	struct process *list; /* by pid */
	size_t count;
};

/* Reads /proc. False (and an empty tree) if that cannot be: no descriptor or memory is left. */
bool tree_read(struct tree *t);
void tree_free(struct tree *t);
/* Sets `member` of the processes of the family; returns how many they are. Never us. The environments are read only of those that
 * nothing else shows to be members. */
size_t tree_select(struct tree *t, const struct family *f);
/* The same for every process below us. */
size_t tree_select_below(struct tree *t);
/* Sends a signal to the members. */
void tree_signal(const struct tree *t, int signal);
/* How many children we have, dead ones that are not yet reaped among them; -1 if the kernel does not tell. Cheap. */
long tree_children(void);
/* True if a process other than `root` has the number of its group: the number was given anew, the group is not ours any more. */
bool tree_group_reused(const struct tree *t, pid_t group);

#endif
