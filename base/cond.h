/* Waiting for another thread, until a deadline of base/clock.h. */
#ifndef SHIPIT_BASE_COND_H
#define SHIPIT_BASE_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* One that cond_wait_until can wait on; pthread_cond_destroy ends it. */
void cond_init(pthread_cond_t *cond);
/* With `lock` held, as pthread_cond_wait: what is waited for is looked at again. False: the
 * deadline (negative: none) had passed, and it did not wait. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);

#endif
