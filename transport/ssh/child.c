#include "transport/ssh/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

enum { STOP_MS = 300, STEP_MS = 10 };

bool child_ended(pid_t pid, int within_ms)
{
	for (int waited = 0;; waited += STEP_MS) {
		pid_t got = waitpid(pid, NULL, WNOHANG);

		if (got == pid || (got < 0 && errno != EINTR))
			return true;
		if (waited >= within_ms)
			return false;
		poll(NULL, 0, STEP_MS);
	}
}

void child_stop(pid_t pid, int grace_ms)
{
	if (child_ended(pid, grace_ms))
		return;
	kill(-pid, SIGTERM);
	if (child_ended(pid, STOP_MS))
		return;
	kill(-pid, SIGKILL);
	child_ended(pid, STOP_MS);
}
