#include "deploy/act.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/names.h"

static int add(struct acts *acts, enum act_kind kind, const char *service,
    const struct container *container, const char *name, const char *value)
{
	struct act *v = reallocarray(acts->v, acts->n + 1, sizeof(*v));
	struct act act = {.kind = kind, .container = container};

	if (v == NULL)
		return -1;
	acts->v = v;
	act.service = service != NULL ? strdup(service) : NULL;
	act.name = name != NULL ? strdup(name) : NULL;
	act.value = value != NULL ? strdup(value) : NULL;
	v[acts->n++] = act;
	return (service != NULL && act.service == NULL) || (name != NULL && act.name == NULL) ||
		       (value != NULL && act.value == NULL)
		   ? -1
		   : 0;
}

static int add_for(
    struct acts *acts, enum act_kind kind, const struct container *c, const char *value)
{
	return add(acts, kind, c->service, c, c->name, value);
}

void acts_release(struct acts *acts)
{
	for (size_t i = 0; i < acts->n; i++) {
		free(acts->v[i].service);
		free(acts->v[i].name);
		free(acts->v[i].value);
	}
	free(acts->v);
	strv_release(&acts->notes);
	*acts = (struct acts){0};
}

char *act_words(const struct act *act)
{
	const char *service = act->service != NULL ? act->service : "";
	const char *colon = act->service != NULL ? ": " : "";

	switch (act->kind) {
	case ACT_POLICY:
		return string_printf("%s%srestart policy %s", service, colon, act->value);
	case ACT_START:
		return string_printf("%s%sstart %s", service, colon, act->name);
	case ACT_STOP:
		return string_printf("%s%sstop %s", service, colon, act->name);
	case ACT_RESTART:
		return string_printf("%s%srestart %s", service, colon, act->name);
	case ACT_REMOVE:
		return string_printf("%s%sremove the container %s", service, colon, act->name);
	case ACT_UNTAG:
		return string_printf("%s%sremove the image %s", service, colon, act->name);
	case ACT_DOWN:
		return string_printf("%s%swrite into the ledger that it is gone", service, colon);
	case ACT_NETWORK:
		return string_printf("remove the network %s", act->name);
	case ACT_LEDGER:
		return string_printf("remove the container %s; its volume stays", act->name);
	}
	return NULL;
}

/* --- start, stop, restart */

static int start(struct acts *acts, const struct container *c)
{
	if (strcmp(c->policy, c->restart) != 0 && add_for(acts, ACT_POLICY, c, c->restart) < 0)
		return -1;
	return add_for(acts, ACT_START, c, NULL);
}

/* With its policy an engine that starts again would start it, too. */
static int stop(struct acts *acts, const struct container *c)
{
	if (strcmp(c->policy, "no") != 0 && add_for(acts, ACT_POLICY, c, "no") < 0)
		return -1;
	return add_for(acts, ACT_STOP, c, NULL);
}

static int one(struct acts *acts, enum rollout_kind kind, const struct service *service,
    const struct container *c)
{
	if (c == NULL)
		return strv_addf(
		    &acts->notes, "%s: there is no container of it here: deploy it", service->name);
	if (kind == ROLLOUT_STOP)
		return c->running ? stop(acts, c) : 0;
	if (kind == ROLLOUT_START)
		return c->running ? 0 : start(acts, c);
	return c->running ? add_for(acts, ACT_RESTART, c, NULL) : start(acts, c);
}

static bool runs_here(const struct plan_input *input, const struct service *service)
{
	return inventory_runs_on(input->inventory, input->environment, service, input->host);
}

/* What others depend on is started before them, and stopped after them. */
static int each(enum rollout_kind kind, const struct plan_input *input, struct acts *acts)
{
	for (size_t k = 0; k < input->n_services; k++) {
		size_t i = kind == ROLLOUT_STOP ? input->n_services - 1 - k : k;

		if (runs_here(input, input->services[i]) &&
		    one(acts, kind, input->services[i], input->found[i].current) < 0)
			return -1;
	}
	return 0;
}

/* --- down, and services that are no longer in the inventory */

/* All that is here of a service, but what somebody ran by hand and may want. */
static int take_down(struct acts *acts, const struct plan_input *input, const char *service)
{
	const struct facts *facts = input->facts;
	const struct ledger_entry *current = ledger_current(&facts->ledger, service);
	CLEANUP_FREE char *start = name_image_tag(input->prefix, service, "");

	if (start == NULL)
		return -1;
	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *c = &facts->containers[i];

		if (strcmp(c->service, service) != 0)
			continue;
		if (c->by_hand) {
			if (strv_addf(&acts->notes, "%s: %s was run by hand, and stays", service,
				c->name) < 0)
				return -1;
			continue;
		}
		if ((c->running && add_for(acts, ACT_STOP, c, NULL) < 0) ||
		    add_for(acts, ACT_REMOVE, c, NULL) < 0)
			return -1;
	}
	for (size_t i = 0; i < facts->images.n; i++)
		if (strncmp(facts->images.v[i], start, strlen(start)) == 0 &&
		    add(acts, ACT_UNTAG, service, NULL, facts->images.v[i], NULL) < 0)
			return -1;
	return current != NULL
		   ? add(acts, ACT_DOWN, service, NULL, current->release, current->release)
		   : 0;
}

static bool is_chosen(const struct plan_input *input, const char *service)
{
	for (size_t i = 0; i < input->n_services; i++)
		if (strcmp(input->services[i]->name, service) == 0)
			return true;
	return false;
}

static int left_services(const struct plan_input *input, struct strv *ret)
{
	const struct facts *facts = input->facts;

	for (size_t i = 0; i < facts->n_containers; i++) {
		const char *name = facts->containers[i].service;
		const struct service *service = inventory_service(input->inventory, name);

		if (facts->containers[i].by_hand || strv_has(ret, name) ||
		    (service != NULL &&
			runs_here(input, inventory_service_in(input->environment, service))))
			continue;
		if (strv_add(ret, name) < 0)
			return -1;
	}
	return 0;
}

int act_left_services(const struct plan_input *input, struct strv *ret, struct error *err)
{
	return left_services(input, ret) < 0 ? error_memory(err) : 0;
}

static int prune(struct acts *acts, const struct plan_input *input)
{
	CLEANUP_STRV struct strv left = {0};

	if (left_services(input, &left) < 0)
		return -1;
	for (size_t i = 0; i < left.n; i++)
		if (take_down(acts, input, left.v[i]) < 0)
			return -1;
	return 0;
}

static int take_networks(struct acts *acts, const struct plan_input *input)
{
	const struct inventory *inv = input->inventory;
	CLEANUP_FREE char *standard = name_default_network(input->prefix);

	if (standard == NULL || add(acts, ACT_NETWORK, NULL, NULL, standard, NULL) < 0)
		return -1;
	for (size_t i = 0; i < inv->n_networks; i++) {
		const struct resource *network = &inv->networks[i];
		CLEANUP_FREE char *name = network->name != NULL
					      ? strdup(network->name)
					      : string_printf("%s.%s", input->prefix, network->key);

		if (name == NULL)
			return -1;
		if (network->external || strcmp(name, standard) == 0)
			continue;
		if (add(acts, ACT_NETWORK, NULL, NULL, name, NULL) < 0)
			return -1;
	}
	return 0;
}

static int down(struct acts *acts, const struct plan_input *input)
{
	CLEANUP_FREE char *ledger = name_ledger(input->prefix);
	CLEANUP_STRV struct strv left = {0};

	for (size_t i = input->n_services; i > 0; i--)
		if (take_down(acts, input, input->services[i - 1]->name) < 0)
			return -1;
	if (left_services(input, &left) < 0)
		return -1;
	for (size_t i = 0; i < left.n; i++)
		if (!is_chosen(input, left.v[i]) && take_down(acts, input, left.v[i]) < 0)
			return -1;
	if (acts->n == 0 && !input->facts->has_ledger)
		return 0;
	return take_networks(acts, input) < 0 || add(acts, ACT_LEDGER, NULL, NULL, ledger, NULL) < 0
		   ? -1
		   : 0;
}

int acts_make(
    enum rollout_kind kind, const struct plan_input *input, struct acts *ret, struct error *err)
{
	struct acts acts = {0};
	int rc;

	if (kind == ROLLOUT_DOWN)
		rc = down(&acts, input);
	else if (kind == ROLLOUT_PRUNE)
		rc = prune(&acts, input);
	else
		rc = each(kind, input, &acts);
	if (rc < 0) {
		acts_release(&acts);
		return error_memory(err);
	}
	*ret = acts;
	return 0;
}
