/* Who may connect now: so many for each machine and in all, in the order of coming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "transport/ssh/admission.h"

enum { LIMIT_MS = 20000 };

struct guest {
	const char *machine;
	struct cancel cancel;
	struct admission *admission;
	struct error err;
	int order; /* of coming in, from 1 */
	pthread_t thread;
	_Atomic bool done;
};

static _Atomic int admitted;

static void *come(void *context)
{
	struct guest *guest = context;

	if (admission_wait(guest->machine, guest->cancel.fd, &guest->admission, &guest->err) == 0)
		guest->order = atomic_fetch_add(&admitted, 1) + 1;
	atomic_store(&guest->done, true);
	return NULL;
}

static void start(struct guest *guest, const char *machine)
{
	*guest = (struct guest){.machine = machine, .cancel = CANCEL_INIT};
	assert_int_equal(cancel_init(&guest->cancel, NULL), 0);
	assert_int_equal(pthread_create(&guest->thread, NULL, come, guest), 0);
}

static bool is_done(struct guest *guest)
{
	int64_t limit = clock_now_ms() + LIMIT_MS;

	while (!atomic_load(&guest->done) && clock_now_ms() < limit)
		poll(NULL, 0, 1);
	return atomic_load(&guest->done);
}

/* It stands in the queue. Nothing outside tells when it does; what is lost when this comes too
 * early is only that the test finds less. */
static void settle(void)
{
	poll(NULL, 0, 20);
}

static void end(struct guest *guest)
{
	admission_end(guest->admission);
	cancel_release(&guest->cancel);
	error_release(&guest->err);
}

static void enter(struct guest *guest, const char *machine)
{
	start(guest, machine);
	assert_true(is_done(guest));
	assert_int_equal(pthread_join(guest->thread, NULL), 0);
	assert_non_null(guest->admission);
}

static void a_machine_has_so_many_places(void **state UNUSED)
{
	struct guest in[ADMISSION_MACHINE_MAX], late[3], other;

	atomic_store(&admitted, 0);
	for (int i = 0; i < ADMISSION_MACHINE_MAX; i++)
		enter(&in[i], "jump");
	for (int i = 0; i < 3; i++) {
		start(&late[i], "jump");
		settle();
	}
	/* Another machine is not held up by these. */
	enter(&other, "elsewhere");
	for (int i = 0; i < 3; i++)
		assert_false(atomic_load(&late[i].done));
	/* One ends, one comes in: the first of them. */
	for (int i = 0; i < 3; i++) {
		end(&in[i]);
		assert_true(is_done(&late[i]));
		pthread_join(late[i].thread, NULL);
		assert_int_equal(late[i].order, ADMISSION_MACHINE_MAX + 2 + i);
	}
	for (int i = 3; i < ADMISSION_MACHINE_MAX; i++)
		end(&in[i]);
	for (int i = 0; i < 3; i++)
		end(&late[i]);
	end(&other);
}

static void in_all_there_are_so_many(void **state UNUSED)
{
	struct guest in[ADMISSION_ALL_MAX], late;
	char names[ADMISSION_ALL_MAX][16];

	for (int i = 0; i < ADMISSION_ALL_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "host%d", i);
		enter(&in[i], names[i]);
	}
	start(&late, "one more");
	settle();
	assert_false(atomic_load(&late.done));
	end(&in[7]);
	assert_true(is_done(&late));
	pthread_join(late.thread, NULL);
	assert_non_null(late.admission);
	for (int i = 0; i < ADMISSION_ALL_MAX; i++)
		if (i != 7)
			end(&in[i]);
	end(&late);
}

/* Who gives up in the queue is no longer in it. */
static void waiting_can_be_given_up(void **state UNUSED)
{
	struct guest in[ADMISSION_MACHINE_MAX], gone, next;

	for (int i = 0; i < ADMISSION_MACHINE_MAX; i++)
		enter(&in[i], "jump");
	start(&gone, "jump");
	settle();
	start(&next, "jump");
	cancel_fire(&gone.cancel);
	assert_true(is_done(&gone));
	pthread_join(gone.thread, NULL);
	assert_null(gone.admission);
	assert_int_equal(gone.err.kind, ERROR_CANCELLED);
	end(&in[0]);
	assert_true(is_done(&next));
	pthread_join(next.thread, NULL);
	assert_non_null(next.admission);
	for (int i = 1; i < ADMISSION_MACHINE_MAX; i++)
		end(&in[i]);
	end(&gone);
	end(&next);
}

/* A machine that hangs up is asked by fewer at once, by one at least, as long as anybody is there.
 */
static void a_machine_that_hangs_up_has_fewer(void **state UNUSED)
{
	struct guest in[ADMISSION_MACHINE_MAX], next;
	struct error err = {0};

	for (int i = 0; i < ADMISSION_MACHINE_MAX; i++)
		enter(&in[i], "small");
	/* The deadline is over: no more tries, and nothing is waited for. */
	for (int i = 0; i < ADMISSION_MACHINE_MAX + 2; i++)
		assert_int_equal(admission_retry(in[0].admission, clock_now_ms(), &err), -1);
	assert_int_equal(err.kind, ERROR_NONE);
	start(&next, "small");
	for (int i = 1; i < ADMISSION_MACHINE_MAX; i++)
		end(&in[i]);
	settle();
	assert_false(atomic_load(&next.done));
	end(&in[0]);
	assert_true(is_done(&next));
	pthread_join(next.thread, NULL);
	end(&next);
	/* Forgotten when nobody is there. */
	for (int i = 0; i < ADMISSION_MACHINE_MAX; i++)
		enter(&in[i], "small");
	for (int i = 0; i < ADMISSION_MACHINE_MAX; i++)
		end(&in[i]);
}

static void tries_come_to_an_end(void **state UNUSED)
{
	struct guest guest;
	int tries = 0;

	enter(&guest, "busy");
	cancel_fire(&guest.cancel);
	assert_int_equal(
	    admission_retry(guest.admission, clock_now_ms() + LIMIT_MS, &guest.err), -1);
	assert_int_equal(guest.err.kind, ERROR_CANCELLED);
	end(&guest);
	enter(&guest, "busy");
	while (tries < 100 && admission_retry(guest.admission, clock_now_ms() + 1200, NULL) == 0)
		tries++;
	assert_in_range(tries, 2, 5);
	end(&guest);
}

static void what_will_not_pass(void **state UNUSED)
{
	assert_true(admission_hopeless("deploy@jump: Permission denied (publickey).\n"));
	assert_true(admission_hopeless("Host key verification failed."));
	assert_true(admission_hopeless("ssh: Could not resolve hostname jump: Name or service"));
	assert_false(admission_hopeless("kex_exchange_identification: Connection closed"));
	assert_false(admission_hopeless(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_machine_has_so_many_places),
	    cmocka_unit_test(in_all_there_are_so_many), cmocka_unit_test(waiting_can_be_given_up),
	    cmocka_unit_test(a_machine_that_hangs_up_has_fewer),
	    cmocka_unit_test(tries_come_to_an_end), cmocka_unit_test(what_will_not_pass)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
