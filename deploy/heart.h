/* One thread that writes "beat" to every keeper every 2 s, whatever the hosts' threads are busy
 * with: 15 s without one and a keeper takes the laptop for gone. */
#ifndef SHIPIT_DEPLOY_HEART_H
#define SHIPIT_DEPLOY_HEART_H

#include <pthread.h>

#include "base/error.h"

struct heart;

int heart_start(struct heart **ret, struct error *err);
/* Beat into `fd` (non-blocking; a full one is passed over) while `lock` is held, until removed. */
int heart_add(struct heart *heart, int fd, pthread_mutex_t *lock, struct error *err);
void heart_remove(struct heart *heart, int fd);
void heart_stop(struct heart *heart);

#endif
