#include "transport/ssh/retry.h"

#include <openssl/rand.h>
#include <poll.h>

#include "base/clock.h"

enum { ATTEMPTS = 6, BACKOFF_MS = 250 };

/* Between half of the step and all of it, so that a hundred sessions do not come back together. */
int retry_wait(int attempt, int cancel_fd, int64_t deadline_ms, struct error *err)
{
	int step = BACKOFF_MS << attempt, wait;
	unsigned short dice = 0;
	struct pollfd slot = {.fd = cancel_fd, .events = POLLIN};

	if (attempt + 1 >= ATTEMPTS)
		return -1;
	RAND_bytes((unsigned char *)&dice, sizeof(dice));
	wait = step / 2 + dice % (step / 2);
	if (clock_left_ms(deadline_ms) <= wait)
		return -1;
	if (poll(&slot, 1, wait) > 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	return 0;
}
