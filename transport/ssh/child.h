/* Ending children that lead a process group of their own. */
#ifndef SHIPIT_TRANSPORT_SSH_CHILD_H
#define SHIPIT_TRANSPORT_SSH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Has it ended, or does it within so many milliseconds? Then it is reaped. */
bool child_ended(pid_t pid, int within_ms);
/* Give it `grace_ms` to end by itself, then TERM to its group, after 300 ms KILL. Reaps it. */
void child_stop(pid_t pid, int grace_ms);

#endif
