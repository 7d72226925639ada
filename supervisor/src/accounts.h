/* /etc/passwd and /etc/group of the sandbox, so that programs that ask for the user's name or home get an answer (whoami, ssh, git). */
#ifndef SANDBOX_ACCOUNTS_H
#define SANDBOX_ACCOUNTS_H

/* Writes them, unless that was done since the container began. `supervisor` is the connection to it: the kernel says whose it is. An
 * image without templates has none of this. A failure is not told: commands run without a name as well. */
void accounts_write(int supervisor);

#endif
