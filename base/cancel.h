/* One wake-up descriptor for "stop now". `fd` becomes readable when cancel_fire() was called and
 * stays so; poll it beside whatever you wait for, with POLLIN, and never read from it. Firing is
 * safe in a signal handler and from any thread. */
#ifndef SHIPIT_BASE_CANCEL_H
#define SHIPIT_BASE_CANCEL_H

#include <stdbool.h>

#include "base/error.h"

struct cancel {
	int fd;
	int write_fd;
};

#define CANCEL_INIT                                                                                \
	{                                                                                          \
		-1, -1                                                                             \
	}

int cancel_init(struct cancel *cancel, struct error *err);
void cancel_fire(const struct cancel *cancel);
bool cancel_fired(const struct cancel *cancel);
void cancel_release(struct cancel *cancel);

/* The same question for a bare descriptor; false for -1. */
bool cancel_fd_fired(int fd);

#endif
