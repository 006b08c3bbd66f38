/* The queue of events: bounded, in order, nothing lost but progress. */
#include <pthread.h>

#include "base/clock.h"
#include "deploy/event.h"
#include "tests/unit/deploy_check.h"

static struct event_source source_of(struct events *events)
{
	return (struct event_source){.events = events, .host = "web1", .service = "web"};
}

static void they_come_out_in_order(void **state UNUSED)
{
	struct event event;
	struct events *events;
	struct event_source source;
	struct error why = {0};

	assert_int_equal(events_new(8, &events, NULL), 0);
	source = source_of(events);
	error_set(&why, ERROR_FAILED, "exited 1");
	error_hint(&why, "look");
	emit_step(&source, STEP_DELIVER, STATE_START, -1, NULL);
	emit_progress(&source, STEP_DELIVER, 5, 10, "pulling");
	emit_failed(&source, STEP_SWAP, 17, &why);
	emit_note(&source, "%s %d", "note", 1);
	emit_log(&source, 2, "line");
	error_release(&why);

	assert_true(events_take(events, 0, &event));
	assert_int_equal(event.kind, EVENT_STEP);
	assert_int_equal(event.step, STEP_DELIVER);
	assert_int_equal(event.state, STATE_START);
	assert_int_equal(event.ms, -1);
	assert_true(event.at_ms > 0 && event.at_ms <= clock_now_ms());
	assert_string_equal(event.host, "web1");
	assert_string_equal(event.service, "web");
	assert_null(event.text);
	event_release(&event);
	assert_true(events_take(events, 0, &event));
	assert_int_equal(event.state, STATE_PROGRESS);
	assert_int_equal(event.bytes, 5);
	assert_int_equal(event.total, 10);
	assert_string_equal(event.text, "pulling");
	event_release(&event);
	assert_true(events_take(events, 0, &event));
	assert_int_equal(event.state, STATE_FAILED);
	assert_string_equal(event.error, "exited 1");
	assert_string_equal(event.hint, "look");
	assert_int_equal(event.ms, 17);
	event_release(&event);
	assert_true(events_take(events, 0, &event));
	assert_int_equal(event.kind, EVENT_NOTE);
	assert_string_equal(event.text, "note 1");
	event_release(&event);
	assert_true(events_take(events, 0, &event));
	assert_int_equal(event.kind, EVENT_LOG);
	assert_int_equal(event.level, 2);
	event_release(&event);
	assert_false(events_take(events, 0, &event));
	assert_false(events_done(events));
	events_free(events);
}

static void a_full_queue_drops_progress_only(void **state UNUSED)
{
	struct events *events;
	struct event_source source;
	struct event event;

	assert_int_equal(events_new(2, &events, NULL), 0);
	source = source_of(events);
	emit_progress(&source, STEP_DELIVER, 1, 0, "first");
	emit_note(&source, "second");
	for (int i = 0; i < 100; i++) /* does not block */
		emit_progress(&source, STEP_DELIVER, 1, 0, "dropped");
	assert_true(events_take(events, -1, &event));
	assert_string_equal(event.text, "first");
	event_release(&event);
	emit_progress(&source, STEP_DELIVER, 1, 0, "third");
	assert_true(events_take(events, -1, &event));
	assert_string_equal(event.text, "second");
	event_release(&event);
	assert_true(events_take(events, -1, &event));
	assert_string_equal(event.text, "third");
	event_release(&event);
	events_free(events);
}

static void taking_waits_until_its_deadline(void **state UNUSED)
{
	struct events *events;
	struct event event;
	int64_t start_ms = clock_now_ms();

	assert_int_equal(events_new(1, &events, NULL), 0);
	assert_false(events_take(events, start_ms + 60, &event));
	assert_in_range(clock_now_ms() - start_ms, 50, 30000);
	events_free(events);
}

static void closing_ends_it_for_all(void **state UNUSED)
{
	struct events *events;
	struct event_source source;
	struct event event;

	assert_int_equal(events_new(4, &events, NULL), 0);
	source = source_of(events);
	emit_note(&source, "before");
	events_close(events);
	emit_note(&source, "after"); /* dropped */
	assert_false(events_done(events));
	assert_true(events_take(events, -1, &event));
	assert_string_equal(event.text, "before");
	event_release(&event);
	assert_true(events_done(events));
	assert_false(events_take(events, -1, &event));
	events_free(events);
	events_free(NULL);
	events_close(NULL);
}

static void what_nobody_took_is_freed(void **state UNUSED)
{
	struct events *events;
	struct event_source source;
	struct event event;

	assert_int_equal(events_new(3, &events, NULL), 0);
	source = source_of(events);
	emit_note(&source, "1");
	emit_note(&source, "2");
	assert_true(events_take(events, -1, &event));
	event_release(&event);
	emit_note(&source, "3");
	emit_note(&source, "4"); /* around the ring's end */
	events_free(events);
}

static void nobody_has_to_listen(void **state UNUSED)
{
	struct event_source source = source_of(NULL);
	struct error why = {0};

	emit_step(&source, STEP_LOCK, STATE_OK, 1, "%s", "x");
	emit_progress(&source, STEP_LOCK, 1, 1, NULL);
	emit_failed(&source, STEP_LOCK, 1, &why);
	emit_note(&source, "x");
	emit_log(&source, 1, "x");
}

static void names_are_the_contract(void **state UNUSED)
{
	assert_string_equal(step_name(STEP_NONE), "-");
	assert_string_equal(step_name(STEP_CONNECT), "connect");
	assert_string_equal(step_name(STEP_PRUNE), "prune");
	assert_string_equal(step_name(N_STEPS), "-");
	assert_string_equal(state_name(STATE_START), "start");
	assert_string_equal(state_name(STATE_UNKNOWN), "unknown");
	assert_string_equal(event_kind_name(EVENT_ROLLOUT), "rollout");
	assert_string_equal(event_kind_name(EVENT_SUMMARY), "summary");
}

/* --- threads */

enum { WRITERS = 4, EACH = 2000 };

struct writer {
	pthread_t thread;
	struct events *events;
	int number;
};

static void *write_many(void *context)
{
	const struct writer *writer = context;
	struct event_source source = source_of(writer->events);

	for (int i = 0; i < EACH; i++) {
		emit_note(&source, "%d %d", writer->number, i);
		emit_progress(&source, STEP_DELIVER, (uint64_t)i, EACH, NULL);
	}
	return NULL;
}

/* Through a small queue: each writer's notes all arrive, in its order. */
static void nothing_that_matters_is_lost(void **state UNUSED)
{
	struct writer writers[WRITERS];
	int next[WRITERS] = {0}, left = WRITERS * EACH;
	struct events *events;
	struct event event;

	assert_int_equal(events_new(3, &events, NULL), 0);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.events = events, .number = i};
		assert_int_equal(
		    pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
	}
	while (left > 0) {
		int number, i;

		assert_true(events_take(events, clock_now_ms() + 60000, &event));
		if (event.kind == EVENT_NOTE) {
			assert_int_equal(sscanf(event.text, "%d %d", &number, &i), 2);
			assert_int_equal(i, next[number]);
			next[number]++;
			left--;
		}
		event_release(&event);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	events_free(events);
}

static void *close_later(void *context)
{
	clock_now_ms();
	events_close(context);
	return NULL;
}

static void *write_into_full(void *context)
{
	struct event_source source = source_of(context);

	emit_note(&source, "fits");
	emit_note(&source, "waits for room, or for the end");
	return NULL;
}

static void closing_wakes_who_waits(void **state UNUSED)
{
	for (int i = 0; i < 200; i++) {
		pthread_t closer, writer;
		struct events *events;
		struct event event;

		assert_int_equal(events_new(1, &events, NULL), 0);
		assert_int_equal(pthread_create(&writer, NULL, write_into_full, events), 0);
		assert_int_equal(pthread_create(&closer, NULL, close_later, events), 0);
		pthread_join(closer, NULL);
		pthread_join(writer, NULL);
		while (events_take(events, -1, &event))
			event_release(&event);
		assert_true(events_done(events));
		events_free(events);
		/* and the taker, who waits without a deadline */
		assert_int_equal(events_new(1, &events, NULL), 0);
		assert_int_equal(pthread_create(&closer, NULL, close_later, events), 0);
		assert_false(events_take(events, -1, &event));
		pthread_join(closer, NULL);
		events_free(events);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(they_come_out_in_order),
	    cmocka_unit_test(a_full_queue_drops_progress_only),
	    cmocka_unit_test(taking_waits_until_its_deadline),
	    cmocka_unit_test(closing_ends_it_for_all),
	    cmocka_unit_test(what_nobody_took_is_freed),
	    cmocka_unit_test(nobody_has_to_listen),
	    cmocka_unit_test(names_are_the_contract),
	    cmocka_unit_test(nothing_that_matters_is_lost),
	    cmocka_unit_test(closing_wakes_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
