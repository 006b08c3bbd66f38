/* What means hosts: a name, a glob over names, tag:NAME (the tag may be a glob too). */
#include <string.h>

#include "base/text.h"
#include "inventory/hints.h"
#include "inventory/keys.h"
#include "inventory/patterns.h"
#include "inventory/problems.h"

static const char tag_prefix[] = "tag:";

static const char *tag_of(const char *pattern)
{
	size_t len = strlen(tag_prefix);

	return strncmp(pattern, tag_prefix, len) == 0 ? pattern + len : NULL;
}

bool pattern_matches(const char *pattern, const struct host *host)
{
	const char *tag = tag_of(pattern);

	if (!tag)
		return text_glob(pattern, host->name);
	for (size_t i = 0; i < host->tags.n; i++)
		if (text_glob(tag, host->tags.v[i]))
			return true;
	return false;
}

bool patterns_match(const struct strv *patterns, const struct host *host)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (pattern_matches(patterns->v[i], host))
			return true;
	return false;
}

static int report_no_tag(struct reader *r, const struct node *node, const char *tag)
{
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	if (mistake(r, node, "no host has the tag \"%s\"", show_text(shown, tag)) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < r->inv->n_hosts && !problems_are_many(r->problems); i++)
		for (size_t k = 0; k < r->inv->hosts[i].tags.n; k++) {
			const char *name = r->inv->hosts[i].tags.v[k];

			if (!strv_has(&known, name) && strv_add(&known, name) < 0)
				return -1;
		}
	return hint_names(r, tag, "tags", tag_prefix, &known);
}

static int report_no_host(struct reader *r, const struct node *node, const char *pattern)
{
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	show_text(shown, pattern);
	bool glob = strpbrk(pattern, "*?[") != NULL;
	if (mistake(r, node, glob ? "no host's name matches \"%s\"" : "no host is called \"%s\"",
		shown) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < r->inv->n_hosts && !problems_are_many(r->problems); i++)
		if (strv_add(&known, r->inv->hosts[i].name) < 0)
			return -1;
	return hint_names(r, pattern, "hosts", "", &known);
}

static int add_pattern(struct reader *r, const struct node *item, const char *text, void *context)
{
	enum { PATTERN_MAX = 253 };
	const struct inventory *inv = r->inv;
	const char *tag = tag_of(text);

	if (!*text || strlen(text) > PATTERN_MAX)
		return mistake_value(r, item, "a host's name, a glob, or tag:NAME");
	for (size_t i = 0; i < inv->n_hosts; i++)
		if (pattern_matches(text, &inv->hosts[i]))
			return strv_add(context, text);
	/* Without any host something worse was said already. */
	if (r->hosts_incomplete || inv->n_hosts == 0)
		return 0;
	return tag ? report_no_tag(r, item, tag) : report_no_host(r, item, text);
}

int read_host_patterns(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind == NODE_LIST && value->n == 0)
		return mistake(r, value, "expected at least one host");
	return each_text(r, value, "a list of hosts", add_pattern, field);
}
