/* `depends_on:` - which services come first on a host that has both. */
#include <stdlib.h>
#include <string.h>

#include "inventory/array.h"
#include "inventory/hints.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* ---- reading it ---- */

static int add(struct reader *r, const struct node *node, const char *text, void *context)
{
	struct service *service = context;
	struct dependency *dependency;

	for (size_t i = 0; i < service->n_depends_on; i++)
		if (strcmp(service->depends_on[i].name, text) == 0)
			return 0;
	(void)r;
	if (array_grow(&service->depends_on, service->n_depends_on, sizeof(*dependency)) < 0)
		return -1;
	dependency = &service->depends_on[service->n_depends_on];
	*dependency = (struct dependency){.name = strdup(text), .pos = node->pos};
	if (dependency->name == NULL)
		return -1;
	service->n_depends_on++;
	return 0;
}

/* Everything waits until the one before it is ready, so the two that are understood mean the same.
 */
static int read_condition(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	static const char expected[] = "service_started or service_healthy";
	static const char *const conditions[] = {"service_started", "service_healthy"};
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0 || strcmp(text, "service_started") == 0 ||
	    strcmp(text, "service_healthy") == 0)
		return got < 0 ? -1 : 0;
	if (strcmp(text, "service_completed_successfully") != 0)
		return mistake_choice(r, value, expected, conditions, ARRAY_SIZE(conditions));
	if (mistake(r, value, "a service that ends cannot be waited for") < 0)
		return -1;
	return mistake_hint(r, "what is to be run once before the others is a service's `before`");
}

static const struct key dependency_keys[] = {
    KEY("condition", read_condition, 0, "what is waited for: that it is ready, in any case"),
    REFUSED("restart", "a service is replaced when it changes, and goes on when another one does"),
    REFUSED("required", "every service that is depended on runs first on the hosts that have both"),
};

const struct key_table dependency_table = KEY_TABLE("`depends_on`", dependency_keys);

int read_depends_on(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return each_text(r, value, "a list of services", add, field);
	for (size_t i = 0; i < value->n; i++) {
		const struct entry *entry = &value->entries[i];

		if (add(r, entry->key, entry->key->text, field) < 0 ||
		    (entry->value->kind != NODE_NULL &&
			schema_read(r, entry->value, &dependency_table, field, NULL) < 0))
			return -1;
	}
	return 0;
}

/* ---- what only the whole file shows ---- */

static int no_service(struct reader *r, const struct dependency *dependency)
{
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	if (problem_add(r->problems, &dependency->pos, "no service is called \"%s\"",
		show_text(shown, dependency->name)) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < r->inv->n_services && !problems_are_many(r->problems); i++)
		if (strv_add(&known, r->inv->services[i].name) < 0)
			return -1;
	return hint_names(r, dependency->name, "services", "", &known);
}

static int check_names(struct reader *r, const struct service *service)
{
	for (size_t i = 0; i < service->n_depends_on; i++)
		if (inventory_service(r->inv, service->depends_on[i].name) == NULL &&
		    no_service(r, &service->depends_on[i]) < 0)
			return -1;
	return 0;
}

/* Has `service` nothing before it among those that are not placed yet, from `at` on? */
static bool is_next(const struct inventory *inv, size_t at, const struct service *service)
{
	for (size_t i = 0; i < service->n_depends_on; i++)
		for (size_t k = at; k < inv->n_services; k++)
			if (strcmp(inv->services[k].name, service->depends_on[i].name) == 0)
				return false;
	return true;
}

/* In the order of the file as far as that goes. False: those from *ret_at on wait for each other.
 */
static bool sort_services(struct inventory *inv, size_t *ret_at)
{
	for (size_t at = 0; at < inv->n_services; at++) {
		size_t next = at;
		struct service service;

		while (next < inv->n_services && !is_next(inv, at, &inv->services[next]))
			next++;
		*ret_at = at;
		if (next == inv->n_services)
			return false;
		service = inv->services[next];
		memmove(&inv->services[at + 1], &inv->services[at],
		    (next - at) * sizeof(*inv->services));
		inv->services[at] = service;
	}
	return true;
}

/* Follow what waits until it comes back to where it was: every service from `at` on waits for one
 * of them. */
static int complain_of_circle(struct reader *r, size_t at)
{
	const struct inventory *inv = r->inv;
	const struct service *service = &inv->services[at];
	const struct dependency *dependency = NULL;

	for (size_t step = at; step < inv->n_services; step++) {
		dependency = NULL;
		for (size_t i = 0; i < service->n_depends_on && dependency == NULL; i++)
			for (size_t k = at; k < inv->n_services; k++)
				if (strcmp(inv->services[k].name, service->depends_on[i].name) == 0)
					dependency = &service->depends_on[i];
		if (dependency == NULL)
			return 0;
		service = inventory_service(inv, dependency->name);
	}
	if (dependency == NULL)
		return 0;
	if (problem_add(r->problems, &dependency->pos,
		"services wait for each other in a circle, here for \"%s\"", dependency->name) < 0)
		return -1;
	return problem_hint(r->problems, "take this one away, or another of the circle");
}

int check_depends_on(struct reader *r)
{
	size_t at = 0;

	for (size_t i = 0; i < r->inv->n_services; i++)
		if (check_names(r, &r->inv->services[i]) < 0)
			return -1;
	return sort_services(r->inv, &at) ? 0 : complain_of_circle(r, at);
}
