/* `environments:` */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "inventory/array.h"
#include "inventory/hints.h"
#include "inventory/inherit.h"
#include "inventory/keys.h"
#include "inventory/overlay.h"
#include "inventory/problems.h"

static int read_service_names(
    struct reader *r, const struct node *value, void *field, const void *arg);
static int read_prefix(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_overrides(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct environment, field)

static const struct key environment_keys[] = {
    NEEDED("hosts", read_host_patterns, AT(hosts), "its hosts: names, globs, tag:NAME"),
    KEY("services", read_service_names, AT(services), "which services run in it"),
    KEY_ARG("environment", read_pairs, &environment_rule, AT(environment),
	"variables for every container in it"),
    KEY("name", read_prefix, AT(prefix_name), "what its names on a host begin with"),
    KEY_ARG(
	"rollout", read_table, &rollout_table, AT(rollout), "how a deploy goes from host to host"),
    KEY("max_age", read_age, AT(max_age_s), "images older than this are told by status"),
    KEY("overrides", read_overrides, 0, "what differs in it of services"),
    KEY("extends", read_elsewhere, 0, "the environment that it builds on"),
};

const struct key_table environment_table = KEY_TABLE("an environment", environment_keys);

static int report_no_service(struct reader *r, const struct node *node, const char *name)
{
	CLEANUP_STRV struct strv known = {0};
	const struct inventory *inv = r->inv;
	char shown[SHOWN_SIZE];

	/* Without any service something worse was said already. */
	if (inv->n_services == 0)
		return 0;
	if (mistake(r, node, "no service is called \"%s\"", show_text(shown, name)) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < inv->n_services && !problems_are_many(r->problems); i++)
		if (strv_add(&known, inv->services[i].name) < 0)
			return -1;
	return hint_names(r, name, "services", "", &known);
}

static int add_service_name(
    struct reader *r, const struct node *item, const char *text, void *context)
{
	struct strv *list = context;

	if (inventory_service(r->inv, text))
		return strv_has(list, text) ? 0 : strv_add(list, text);
	return report_no_service(r, item, text);
}

static int read_service_names(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind == NODE_LIST && value->n == 0)
		return mistake(r, value, "expected at least one service");
	if (value->kind == NODE_MAP)
		return mistake(r, value, "expected a list of services, found a mapping") < 0
			   ? -1
			   : mistake_hint(r, "what differs here of a service stands under "
					     "`overrides`");
	return each_text(r, value, "a list of services", add_service_name, field);
}

/* A name, or two joined by a dot. */
static bool is_prefix(const char *text)
{
	char first[64];
	const char *dot = strchr(text, '.');
	size_t len = dot ? (size_t)(dot - text) : 0;

	if (!dot)
		return text_is_name(text);
	if (len >= sizeof(first))
		return false;
	memcpy(first, text, len);
	first[len] = '\0';
	return text_is_name(first) && text_is_name(dot + 1);
}

static int read_prefix(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "a name", &text);

	if (got <= 0)
		return got;
	if (!is_prefix(text))
		return mistake_value(r, value,
		    "a name, or two joined by a dot, of lower-case letters, digits, - "
		    "and _");
	return read_string(r, value, field, arg);
}

/* ---- overrides ---- */

/* The order in which services start is one for all. */
static int refuse_depends_on(struct reader *r, const struct node *over)
{
	const struct entry *entry = node_find(over, "depends_on");

	return entry ? mistake(r, entry->key, "`depends_on` is the same in all environments") : 0;
}

/* So are the steps of building, whose names are known everywhere. */
static int refuse_steps(struct reader *r, const struct node *over)
{
	const struct entry *build = node_find(over, "build");
	const struct entry *steps =
	    build && build->value->kind == NODE_MAP ? node_find(build->value, "steps") : NULL;

	if (!steps)
		return 0;
	if (mistake(r, steps->key, "`steps` are the same in all environments") < 0)
		return -1;
	return mistake_hint(r, "put them into `builds`, and name one here: `step: NAME`");
}

static int read_override(
    struct reader *r, struct environment *environment, const struct entry *entry)
{
	const struct entry *base;
	int got;

	if (!inventory_service(r->inv, entry->key->text))
		return report_no_service(r, entry->key, entry->key->text);
	/* A mistake in what is overridden would be told twice. */
	base = r->services ? node_find(r->services, entry->key->text) : NULL;
	if (!base)
		return 0;
	got = reader_repeats(r, entry->key, base->value);
	if (got <= 0)
		return got;
	if (refuse_depends_on(r, entry->value) < 0 || refuse_steps(r, entry->value) < 0)
		return -1;
	struct entry whole = {entry->key,
	    overlay(&r->made, base->value, entry->value, base->key->text, OVERLAY_ITEM)};
	if (whole.value)
		whole.value = overlay_finish(&r->made, whole.value, "");
	return whole.value
		   ? add_service(r, &whole, &environment->overrides, &environment->n_overrides)
		   : -1;
}

static int read_overrides(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping of services");
	for (size_t i = 0; i < value->n; i++)
		if (read_override(r, field, &value->entries[i]) < 0)
			return -1;
	return 0;
}

void environment_release(struct environment *environment)
{
	free(environment->name);
	free(environment->prefix_name);
	strv_release(&environment->hosts);
	strv_release(&environment->services);
	pairs_release(&environment->environment);
	for (size_t i = 0; i < environment->n_overrides; i++)
		service_release(&environment->overrides[i]);
	free(environment->overrides);
	*environment = (struct environment){0};
}

static int read_environment(struct reader *r, const struct node *all, const struct entry *entry)
{
	struct inventory *inv = r->inv;
	struct node *whole = inherit(r, all, entry);
	char shown[SHOWN_SIZE];

	if (!whole)
		return -1;
	if (whole->kind != NODE_MAP && !whole->bad) {
		if (mistake(r, whole, "expected a mapping, found %s", node_kind_text(whole)) < 0)
			return -1;
		return mistake_hint(
		    r, "write `%s: {hosts: [web1]}`", show_text(shown, entry->key->text));
	}
	whole = overlay_finish(&r->made, whole, "overrides");
	if (!whole || check_name(r, entry->key, "an environment") < 0 ||
	    array_grow(&inv->environments, inv->n_environments, sizeof(*inv->environments)) < 0)
		return -1;
	struct environment *environment = &inv->environments[inv->n_environments++];
	*environment = (struct environment){.pos = entry->key->pos};
	if (set_string(&environment->name, entry->key->text) < 0)
		return -1;
	return schema_read(r, whole, &environment_table, environment, NULL);
}

int read_environments(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping of environments");
	if (value->n == 0)
		return mistake(r, value, "expected at least one environment");
	if (value->n > MAX_ENVIRONMENTS)
		return mistake(r, value, "more than %d environments", MAX_ENVIRONMENTS);
	for (size_t i = 0; i < value->n; i++)
		if (read_environment(r, value, &value->entries[i]) < 0)
			return -1;
	return 0;
}
