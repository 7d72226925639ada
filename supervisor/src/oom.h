/* Who dies first when the sandbox runs out of memory: its commands, never the supervisor. */
#ifndef SANDBOX_OOM_H
#define SANDBOX_OOM_H

/* Opens /proc/self/oom_score_adj. Without it (or when it is refused) the rest does nothing. */
void oom_prepare(void);
/* Raises our own value; a child that is created now inherits it, so there is no moment at which it is not marked. */
void oom_expose_children(void);
/* Back to the value that we were started with. */
void oom_protect_self(void);

#endif
