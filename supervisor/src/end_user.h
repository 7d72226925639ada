/* Ends every process of the uid that runs it, without the supervisor's help: for one that does not answer. */
#ifndef SANDBOX_END_USER_H
#define SANDBOX_END_USER_H

/* Returns the exit status: 0 when none is left, 1 when some are after two seconds or it refused (with a line on stderr). */
int run_end_user(void);

#endif
