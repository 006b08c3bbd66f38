/* `notify:` - who is told of rollouts. */
#include <stddef.h>
#include <string.h>

#include "inventory/keys.h"
#include "inventory/problems.h"

static int read_url(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_occasions(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct notify, field)

static const struct key notify_keys[] = {
    NEEDED("url", read_url, AT(url), "where JSON is posted to; empty: nobody is told"),
    KEY("on", read_occasions, 0, "of what: start, success, failure"),
};

const struct key_table notify_table = KEY_TABLE("`notify`", notify_keys);

/* An empty one is what a variable that is not set leaves. */
static int read_url(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "a URL that begins with https:// or http://";
	const char *text, *rest;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0 || *text == '\0')
		return got < 0 ? -1 : 0;
	rest = strncmp(text, "https://", 8) == 0  ? text + 8
	       : strncmp(text, "http://", 7) == 0 ? text + 7
						  : "";
	/* It is as good as a password: it is not shown. */
	if (*rest == '\0' || *rest == '/' || strpbrk(text, " \t\r\n") != NULL) {
		if (mistake(r, value, "expected %s", expected) < 0)
			return -1;
		problem_hide(r->problems);
		return 0;
	}
	return read_string(r, value, field, arg);
}

static int add_occasion(struct reader *r, const struct node *item, const char *text, void *context)
{
	struct notify *notify = context;

	if (strcmp(text, "start") == 0)
		notify->start = true;
	else if (strcmp(text, "success") == 0)
		notify->success = true;
	else if (strcmp(text, "failure") == 0)
		notify->failure = true;
	else
		return mistake_value(r, item, "start, success or failure");
	return 0;
}

static int read_occasions(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct notify *notify = field;

	notify->start = notify->success = notify->failure = false;
	return each_text(r, value, "a list of start, success and failure", add_occasion, field);
}

int read_notify(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct notify *notify = field;

	notify->success = notify->failure = true;
	return schema_read(r, value, &notify_table, field, NULL);
}
