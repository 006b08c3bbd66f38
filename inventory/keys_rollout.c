/* `rollout:` of an environment: how a deploy goes from host to host. */
#include <stddef.h>
#include <string.h>

#include "inventory/keys.h"

static int read_batch(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_pause(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_failures(struct reader *r, const struct node *value, void *field, const void *arg);

static const char *const failure_names[] = {
    [ON_FAILURE_ROLLBACK] = "rollback",
    [ON_FAILURE_STOP] = "stop",
    [ON_FAILURE_CONTINUE] = "continue",
};
static const struct choices failures = {
    "rollback, stop or continue", failure_names, ARRAY_SIZE(failure_names)};
static const struct range canary_range = {0, MAX_HOSTS};

#define AT(field) offsetof(struct rollout_policy, field)

static const struct key rollout_keys[] = {
    KEY("batch", read_batch, AT(batch), "how many hosts at a time: N, or N%"),
    KEY_ARG("canary", read_count, &canary_range, AT(canary), "so many hosts alone, first"),
    KEY("pause", read_pause, 0, "between batches: a time, or `confirm`"),
    KEY("max_failures", read_failures, AT(max_failures), "on how many hosts it may fail: N, or N%"),
    KEY_ARG("on_failure", read_choice, &failures, AT(on_failure), "what then"),
};

const struct key_table rollout_table = KEY_TABLE("`rollout`", rollout_keys);

bool share_parse(const char *text, int least, struct share *ret)
{
	size_t len = strlen(text);
	CLEANUP_FREE char *number = NULL;
	bool percent = len > 0 && text[len - 1] == '%';
	int n;

	while (percent && len > 1 && text[len - 2] == ' ')
		len--;
	number = strndup(text, percent ? len - 1 : len);
	if (!number || parse_int(number, least, percent ? 100 : MAX_HOSTS, &n) < 0)
		return false;
	*ret = (struct share){.n = n, .percent = percent};
	return true;
}

static int read_share(struct reader *r, const struct node *value, int least, struct share *field,
    const char *expected)
{
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return share_parse(text, least, field) ? 0 : mistake_value(r, value, expected);
}

static int read_batch(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_share(r, value, 1, field, "a number of hosts such as 3, or a part such as 25%");
}

static int read_failures(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_share(r, value, 0, field, "a number of hosts such as 0, or a part such as 10%");
}

static int read_pause(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "a duration such as 30s, or confirm";
	struct rollout_policy *policy = field;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	policy->confirm = strcmp(text, "confirm") == 0;
	if (policy->confirm || parse_duration(text, &policy->pause_ms) == 0)
		return 0;
	return mistake_value(r, value, expected);
}
