#include "base/cond.h"

#include <time.h>

#include "base/clock.h"

enum { MS_IN_S = 1000, NS_IN_MS = 1000000, NS_IN_S = 1000000000 };

void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
#ifndef __APPLE__
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* Not by the clock of deadlines, which no condition knows: what is woken too early looks again. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms)
{
	struct timespec until = {0};
	int left = clock_left_ms(deadline_ms);

	if (left == 0)
		return false;
	if (left < 0) {
		pthread_cond_wait(cond, lock);
		return true;
	}
#ifdef __APPLE__
	until.tv_sec = left / MS_IN_S;
	until.tv_nsec = (long)(left % MS_IN_S) * NS_IN_MS;
	pthread_cond_timedwait_relative_np(cond, lock, &until);
#else
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += left / MS_IN_S;
	until.tv_nsec += (long)(left % MS_IN_S) * NS_IN_MS;
	if (until.tv_nsec >= NS_IN_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_IN_S;
	}
	pthread_cond_timedwait(cond, lock, &until);
#endif
	return true;
}
