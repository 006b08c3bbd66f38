/* `healthcheck:` and `ready:` */
#include <stddef.h>
#include <string.h>

#include "inventory/keys.h"
#include "inventory/problems.h"

/* ---- healthcheck ---- */

static int read_test(struct reader *r, const struct node *value, void *field, const void *arg);

static const struct range retries_range = {0, 1000000};

#define AT(field) offsetof(struct healthcheck, field)

static const struct key healthcheck_keys[] = {
    KEY("test", read_test, 0, "the command; a text is run by a shell"),
    KEY("interval", read_duration, AT(interval_ms), "time from one check to the next"),
    KEY("timeout", read_duration, AT(timeout_ms), "how long a check may take"),
    KEY("start_period", read_delay, AT(start_period_ms), "time in which failures do not count"),
    KEY_ARG("retries", read_count, &retries_range, AT(retries), "failures in a row that count"),
    KEY("disable", read_bool, AT(disable), "no healthcheck, also not the image's"),
    LATER("start_interval"),
};

const struct key_table healthcheck_table = KEY_TABLE("`healthcheck`", healthcheck_keys);

static int check_test_list(
    struct reader *r, const struct node *value, struct healthcheck *healthcheck)
{
	struct strv *test = &healthcheck->test;
	const char *first = test->n > 0 ? test->v[0] : "";

	if (strcmp(first, "NONE") == 0 && test->n == 1) {
		healthcheck->disable = true;
		strv_release(test);
		return 0;
	}
	if ((strcmp(first, "CMD") == 0 && test->n > 1) ||
	    (strcmp(first, "CMD-SHELL") == 0 && test->n == 2))
		return 0;
	return mistake(
	    r, value, "expected [\"CMD\", PROGRAM, ...], [\"CMD-SHELL\", TEXT] or [\"NONE\"]");
}

static int read_test(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct healthcheck *healthcheck = field;
	size_t before = r->problems->n;

	if (value->kind == NODE_LIST) {
		if (read_list(r, value, &healthcheck->test, NULL) < 0)
			return -1;
		return r->problems->n > before ? 0 : check_test_list(r, value, healthcheck);
	}
	if (value->kind != NODE_SCALAR || value->bad)
		return mistake_kind(r, value, "a command, as a text or a list");
	if (!*value->text)
		return mistake_value(r, value, "a command");
	if (strv_add(&healthcheck->test, "CMD-SHELL") < 0)
		return -1;
	return strv_add(&healthcheck->test, value->text);
}

int read_healthcheck(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct healthcheck *healthcheck = field;

	healthcheck->set = true;
	if (schema_read(r, value, &healthcheck_table, healthcheck, NULL) < 0)
		return -1;
	if (healthcheck->disable && healthcheck->test.n > 0)
		return mistake(r, value, "a healthcheck cannot have a `test` and be disabled");
	return 0;
}

/* ---- ready ---- */

static int read_healthy(struct reader *r, const struct node *value, void *field, const void *arg);

#undef AT
#define AT(field) offsetof(struct ready, field)

static const struct key ready_keys[] = {
    KEY("running", read_delay, AT(running_ms), "it must have stayed up for so long"),
    KEY("healthy", read_healthy, 0, "its healthcheck must say healthy"),
    KEY("timeout", read_duration, AT(timeout_ms), "how long all of this may take"),
    LATER("http"),
    LATER("tcp"),
    LATER("exec"),
};

const struct key_table ready_table = KEY_TABLE("`ready`", ready_keys);

static int read_healthy(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct ready *ready = field;

	ready->healthy_set = true;
	return read_bool(r, value, &ready->healthy, arg);
}

static int read_ready_item(struct reader *r, const struct node *item, struct ready *ready)
{
	static const char expected[] = "running, healthy, or a mapping";
	const char *text;

	if (item->kind == NODE_MAP)
		return schema_read(r, item, &ready_table, ready, NULL);
	int got = scalar_text(r, item, expected, &text);
	if (got <= 0 || strcmp(text, "running") == 0)
		return got < 0 ? -1 : 0;
	if (strcmp(text, "http") == 0 || strcmp(text, "tcp") == 0 || strcmp(text, "exec") == 0)
		return mistake(r, item, "`%s` is not supported by this version of shipit", text);
	if (strcmp(text, "healthy") != 0)
		return mistake_value(r, item, expected);
	ready->healthy = ready->healthy_set = true;
	return 0;
}

int read_ready(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct ready *ready = field;
	int result = 0;

	if (value->kind != NODE_LIST)
		result = read_ready_item(r, value, ready);
	for (size_t i = 0; value->kind == NODE_LIST && i < value->n && result == 0; i++)
		result = read_ready_item(r, value->items[i], ready);
	if (result == 0 && ready->timeout_ms <= ready->running_ms)
		result = mistake(r, value,
		    "`timeout` has to be longer than `running`, or it never becomes ready");
	return result;
}
