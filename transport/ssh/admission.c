#include "transport/ssh/admission.h"

#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/cancel.h"
#include "base/clock.h"

enum { TRIES = 6, BACKOFF_MS = 250 };

/* There is one for as long as anybody is or waits there. */
struct machine {
	struct machine *next;
	char *name;
	unsigned limit, inside, users;
};

struct admission {
	struct admission *next; /* in the queue */
	struct machine *machine;
	struct cancel granted;
	bool inside;
	int cancel_fd;
	int tries;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct machine *machines;
static struct admission *queue;
static unsigned inside;

/* --- with `lock` held */

static struct machine *machine_use(const char *name)
{
	struct machine *machine = machines;

	while (machine != NULL && strcmp(machine->name, name) != 0)
		machine = machine->next;
	if (machine == NULL) {
		machine = calloc(1, sizeof(*machine));
		if (machine == NULL || (machine->name = strdup(name)) == NULL) {
			free(machine);
			return NULL;
		}
		machine->limit = ADMISSION_MACHINE_MAX;
		machine->next = machines;
		machines = machine;
	}
	machine->users++;
	return machine;
}

static void machine_unuse(struct machine *machine)
{
	struct machine **at = &machines;

	if (--machine->users > 0)
		return;
	while (*at != machine)
		at = &(*at)->next;
	*at = machine->next;
	free(machine->name);
	free(machine);
}

/* A machine that is full does not hold up those that want to another one. */
static void let_in(void)
{
	struct admission **at = &queue;

	while (*at != NULL && inside < ADMISSION_ALL_MAX) {
		struct admission *admission = *at;

		if (admission->machine->inside >= admission->machine->limit) {
			at = &admission->next;
			continue;
		}
		*at = admission->next;
		admission->inside = true;
		admission->machine->inside++;
		inside++;
		cancel_fire(&admission->granted);
	}
}

static void leave(struct admission *admission)
{
	struct admission **at = &queue;

	if (admission->inside) {
		admission->machine->inside--;
		inside--;
	} else {
		while (*at != admission)
			at = &(*at)->next;
		*at = admission->next;
	}
	machine_unuse(admission->machine);
	let_in();
}

/* --- without */

static int line_up(struct admission *admission, const char *machine, struct error *err)
{
	struct admission **end = &queue;
	int rc = 0;

	pthread_mutex_lock(&lock);
	admission->machine = machine_use(machine);
	if (admission->machine == NULL) {
		rc = error_memory(err);
	} else {
		while (*end != NULL)
			end = &(*end)->next;
		*end = admission;
		let_in();
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static void discard(struct admission *admission)
{
	cancel_release(&admission->granted);
	free(admission);
}

void admission_end(struct admission *admission)
{
	if (admission == NULL)
		return;
	pthread_mutex_lock(&lock);
	leave(admission);
	pthread_mutex_unlock(&lock);
	discard(admission);
}

int admission_wait(const char *machine, int cancel_fd, struct admission **ret, struct error *err)
{
	struct admission *admission = calloc(1, sizeof(*admission));
	struct pollfd slots[2] = {{.events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};

	if (admission == NULL)
		return error_memory(err);
	admission->cancel_fd = cancel_fd;
	admission->granted = (struct cancel)CANCEL_INIT;
	if (cancel_init(&admission->granted, err) < 0 || line_up(admission, machine, err) < 0) {
		discard(admission);
		return -1;
	}
	slots[0].fd = admission->granted.fd;
	while (slots[0].revents == 0 && slots[1].revents == 0)
		poll(slots, 2, -1);
	if (slots[1].revents != 0) {
		admission_end(admission);
		return error_set(err, ERROR_CANCELLED, "cancelled");
	}
	*ret = admission;
	return 0;
}

bool admission_hopeless(const char *words)
{
	static const char *const lasting[] = {"Permission denied", "Host key verification failed",
	    "Too many authentication failures", "Could not resolve"};

	for (size_t i = 0; i < ARRAY_SIZE(lasting); i++)
		if (strstr(words, lasting[i]) != NULL)
			return true;
	return false;
}

static void expect_less(struct machine *machine)
{
	pthread_mutex_lock(&lock);
	if (machine->limit > 1)
		machine->limit--;
	pthread_mutex_unlock(&lock);
}

/* Between half of the step and all of it, so that a hundred do not come back together. */
int admission_retry(struct admission *admission, int64_t deadline_ms, struct error *err)
{
	int step = BACKOFF_MS << admission->tries, wait;
	unsigned short dice = 0;
	struct pollfd slot = {.fd = admission->cancel_fd, .events = POLLIN};

	expect_less(admission->machine);
	if (++admission->tries >= TRIES)
		return -1;
	RAND_bytes((unsigned char *)&dice, sizeof(dice));
	wait = step / 2 + dice % (step / 2);
	if (clock_left_ms(deadline_ms) <= wait)
		return -1;
	if (poll(&slot, 1, wait) > 0)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	return 0;
}
