/* A user interface that writes into memory, and the story it is told: times are milliseconds since
 * the beginning, which was 2026-11-22T17:54:32Z. */
#ifndef TESTS_UNIT_CMD_UI_HELP_H
#define TESTS_UNIT_CMD_UI_HELP_H

#include "tests/unit/cmd_golden.h"

#include "cmd/ui/ui.h"

#define WALL_MS INT64_C(1795370072000)

enum { FLEET_MAX = 300 };

static char host_text[FLEET_MAX][32];
static const char *host_names[FLEET_MAX];

static inline void name_hosts(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		snprintf(host_text[i], sizeof(host_text[i]), "web%zu.example.com", i + 1);
		host_names[i] = host_text[i];
	}
}

static inline struct ui_options memory_options(struct memory *out, struct memory *err)
{
	return (struct ui_options){.out = out->file,
	    .err = err->file,
	    .columns = 80,
	    .rows = 24,
	    .wall_offset_ms = WALL_MS,
	    .cancel_fd = -1};
}

static inline void begin(struct ui *ui, size_t n)
{
	const struct ui_start start = {.command = "deploy",
	    .project = "shop",
	    .environment = "prod",
	    .hosts = host_names,
	    .n_hosts = n};

	name_hosts(n);
	assert_int_equal(ui_begin(ui, &start, NULL), 0);
}

/* Events as the rooms below make them; what they own is copied. */
struct say {
	int64_t at;
	enum event_kind kind;
	const char *host, *service;
	enum step step;
	enum state state;
	int level;
	int64_t ms; /* 0: not known */
	uint64_t bytes, total;
	const char *release, *text, *error, *hint;
};

static inline char *copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static inline void tell(struct ui *ui, const struct say *say)
{
	struct event event = {
	    .kind = say->kind,
	    .at_ms = say->at,
	    .host = say->host,
	    .service = say->service,
	    .step = say->step,
	    .state = say->state,
	    .level = say->level,
	    .ms = say->ms != 0 ? say->ms : -1,
	    .bytes = say->bytes,
	    .total = say->total,
	    .release = copy(say->release),
	    .text = copy(say->text),
	    .error = copy(say->error),
	    .hint = copy(say->hint),
	};

	ui_event(ui, &event);
	event_release(&event);
}

#define STEP(time, who, what, how)                                                                 \
	.at = (time), .kind = EVENT_STEP, .host = (who), .step = (what), .state = (how)

/* Three hosts: the first is done, the second goes back, the third is not reached. */
static inline void tell_story(struct ui *ui)
{
	const char *h1 = host_names[0], *h2 = host_names[1], *h3 = host_names[2];
	const struct say story[] = {
	    {.at = 0,
		.kind = EVENT_ROLLOUT,
		.release = "20261122-175432-r04be2c",
		.text = "deploy shop.prod on 3 hosts"},
	    {STEP(10, NULL, STEP_BUILD, STATE_START), .service = "web"},
	    {.at = 500,
		.kind = EVENT_LOG,
		.service = "web",
		.text = "Step 1/3 : FROM \033[31mscratch\033[0m"},
	    {STEP(2300, NULL, STEP_BUILD, STATE_OK), .service = "web", .ms = 2290},
	    {STEP(2300, NULL, STEP_IMPORT, STATE_START), .service = "web"},
	    {STEP(3300, NULL, STEP_IMPORT, STATE_OK), .service = "web", .ms = 1000},
	    {STEP(3300, h1, STEP_CONNECT, STATE_START)},
	    {STEP(3300, h2, STEP_CONNECT, STATE_START)},
	    {STEP(3300, h3, STEP_CONNECT, STATE_START)},
	    {.at = 3400, .kind = EVENT_LOG, .host = h1, .level = 1, .text = "key exchange done"},
	    {.at = 3450, .kind = EVENT_LOG, .host = h1, .level = 2, .text = "GET /info"},
	    {STEP(3700, h1, STEP_CONNECT, STATE_OK), .ms = 400},
	    {STEP(3800, h2, STEP_CONNECT, STATE_OK), .ms = 500},
	    {STEP(5300, h3, STEP_CONNECT, STATE_FAILED), .ms = 2000,
		.error = "no answer from 10.0.0.9 port 22", .hint = "is it up?"},
	    {.at = 5300,
		.kind = EVENT_HOST,
		.host = h3,
		.state = STATE_FAILED,
		.error = "no answer from 10.0.0.9 port 22",
		.hint = "is it up?"},
	    {STEP(5400, h1, STEP_DELIVER, STATE_START), .service = "web"},
	    {STEP(5400, h2, STEP_DELIVER, STATE_START), .service = "web"},
	    {STEP(5900, h1, STEP_DELIVER, STATE_PROGRESS), .service = "web", .bytes = 1000000,
		.total = 120000000},
	    {STEP(6900, h1, STEP_DELIVER, STATE_PROGRESS), .service = "web", .bytes = 13000000,
		.total = 120000000},
	    {STEP(15400, h1, STEP_DELIVER, STATE_OK), .service = "web", .ms = 10000,
		.bytes = 120000000},
	    {STEP(15500, h2, STEP_DELIVER, STATE_OK), .service = "web", .ms = 10100,
		.bytes = 120000000},
	    {.at = 15600,
		.kind = EVENT_NOTE,
		.host = h2,
		.text = "an interrupted rollout was set right: web runs 20261120-091201-77aa001"},
	    {STEP(15700, h1, STEP_SWAP, STATE_START), .service = "web"},
	    {STEP(15700, h2, STEP_SWAP, STATE_START), .service = "web"},
	    {STEP(15900, h1, STEP_SWAP, STATE_OK), .service = "web", .ms = 200},
	    {STEP(15900, h1, STEP_READY, STATE_START), .service = "web"},
	    {STEP(15900, h2, STEP_SWAP, STATE_OK), .service = "web", .ms = 200},
	    {STEP(15900, h2, STEP_READY, STATE_START), .service = "web"},
	    {STEP(18900, h1, STEP_READY, STATE_OK), .service = "web", .ms = 3000},
	    {STEP(18950, h2, STEP_READY, STATE_FAILED), .service = "web", .ms = 3050,
		.error = "the container exited 3\nlast lines:\n\tno DATABASE_URL"},
	    {STEP(19000, h2, STEP_READY, STATE_REVERTED), .service = "web", .ms = 50,
		.text = "it failed"},
	    {STEP(19000, h1, STEP_COMMIT, STATE_START), .service = "web"},
	    {STEP(19100, h1, STEP_COMMIT, STATE_OK), .service = "web", .ms = 100},
	    {STEP(19200, h1, STEP_PRUNE, STATE_SKIPPED)},
	    {.at = 19300, .kind = EVENT_HOST, .host = h1, .state = STATE_OK, .bytes = 120000000},
	    {.at = 19400,
		.kind = EVENT_HOST,
		.host = h2,
		.state = STATE_REVERTED,
		.bytes = 120000000,
		.error = "the container exited 3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(story); i++)
		tell(ui, &story[i]);
}

/* What that rollout came to. */
static inline void story_result(struct rollout_result *result, struct host_result hosts[3])
{
	static char id[] = "20261122-175432-r04be2c";

	memset(hosts, 0, 3 * sizeof(*hosts));
	for (size_t i = 0; i < 3; i++) {
		hosts[i].host = host_names[i];
		for (size_t step = 0; step < N_STEPS; step++)
			hosts[i].step_ms[step] = -1;
	}
	hosts[0].outcome = HOST_DONE;
	hosts[1].outcome = HOST_REVERTED;
	hosts[2].outcome = HOST_UNREACHABLE;
	hosts[0].bytes = hosts[1].bytes = 120000000;
	hosts[0].step_ms[STEP_CONNECT] = 400;
	hosts[0].step_ms[STEP_DELIVER] = 10000;
	hosts[0].step_ms[STEP_READY] = 3000;
	hosts[0].step_ms[STEP_COMMIT] = 50;
	error_set(&hosts[1].error, ERROR_FAILED,
	    "the container exited 3\nlast lines:\n\tno DATABASE_URL \033]0;x\a");
	error_set(&hosts[2].error, ERROR_UNREACHABLE, "no answer from 10.0.0.9 port 22");
	error_hint(&hosts[2].error, "is it up?");
	*result = (struct rollout_result){.rollout = id, .hosts = hosts, .n_hosts = 3};
}

static inline void story_release(struct host_result hosts[3])
{
	for (size_t i = 0; i < 3; i++) {
		error_release(&hosts[i].error);
		strv_release(&hosts[i].plan);
	}
}

#endif
