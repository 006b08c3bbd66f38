/* How many logins may be on their way at once.
 *
 * sshd hangs up on strangers when too many stand at its door (MaxStartups, 10 by default), and a
 * jump host is the door to every host behind it. So the attempts of this process are bounded for
 * each first machine and in all; who comes later waits, in the order of coming. Where a machine
 * hangs up nevertheless, it is asked again after a while, and fewer at once. */
#ifndef SHIPIT_TRANSPORT_SSH_ADMISSION_H
#define SHIPIT_TRANSPORT_SSH_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { ADMISSION_MACHINE_MAX = 8, ADMISSION_ALL_MAX = 64 };

struct admission;

/* Wait for a place. `machine`: any name for the one that the first connection goes to. There is no
 * deadline: whoever has a place has one. ERROR_CANCELLED when `cancel_fd` is readable (-1: none).
 */
int admission_wait(const char *machine, int cancel_fd, struct admission **ret, struct error *err);

/* The machine hung up on us: wait before the next try, longer each time. -1: no more tries; `err`
 * is left as it is, or is ERROR_CANCELLED. */
int admission_retry(struct admission *admission, int64_t deadline_ms, struct error *err);

/* What an ssh that stands between (a jump) said at its end: will it say the same the next time? */
bool admission_hopeless(const char *words);

/* Logged in, or given up. Takes NULL. */
void admission_end(struct admission *admission);

#endif
