/* `healthcheck:` */
#include <stddef.h>
#include <string.h>

#include "inventory/keys.h"
#include "inventory/problems.h"

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
    KEY("start_interval", read_duration, AT(start_interval_ms),
	"time from one check to the next during start_period"),
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
	if (mistake(r, value,
		"expected [\"CMD\", PROGRAM, ...], [\"CMD-SHELL\", TEXT] or [\"NONE\"]") < 0)
		return -1;
	return *first && strncmp(first, "CMD", 3) != 0
		   ? mistake_hint(r, "write \"CMD\" before the program")
		   : 0;
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
