#include "deploy/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static int set_text(char **to, const char *text)
{
	free(*to);
	*to = text != NULL ? strdup(text) : NULL;
	return text != NULL && *to == NULL ? -1 : 0;
}

static int plan_new(size_t n, struct plan *plan, struct error *err)
{
	plan->services = calloc(n > 0 ? n : 1, sizeof(*plan->services));
	plan->n = plan->services != NULL ? n : 0;
	return plan->services == NULL ? error_memory(err) : 0;
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct planned *planned = &plan->services[i];

		free(planned->why);
		free(planned->previous);
		free(planned->image);
		free(planned->image_id);
		free(planned->content);
		strv_release(&planned->changed);
		json_decref(planned->options);
	}
	free(plan->services);
	*plan = (struct plan){0};
}

bool plan_changes(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->services[i].action >= PLAN_CREATE)
			return true;
	return false;
}

/* In a network, which two containers cannot have at a time. */
static bool has_fixed_address(const json_t *options)
{
	static const char *const fixed[] = {
	    "ipv4_address", "ipv6_address", "link_local_ips", "mac_address"};
	const char *name;
	json_t *network;

	json_object_foreach(json_object_get(options, "network_options"), name, network)
	{
		for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
			if (json_object_get(network, fixed[i]) != NULL)
				return true;
	}
	return json_object_get(options, "mac_address") != NULL;
}

/* A release from before `order` was written may publish ports, or have an address of its own. */
static bool can_overlap(const struct service *service, const json_t *options)
{
	return service->order == ORDER_START_FIRST &&
	       json_array_size(json_object_get(options, "ports")) == 0 &&
	       !has_fixed_address(options);
}

/* --- deploy */

static bool is_running_so(const struct container *current, const char *image, const char *config)
{
	return current != NULL && current->running && strcmp(current->image, image) == 0 &&
	       strcmp(current->config, config) == 0 &&
	       (current->health == NULL || strcmp(current->health, "unhealthy") != 0);
}

/* An image of this service that is there already under another release's tag. */
static const char *image_there(
    const struct facts *facts, const struct image *image, const struct image_variant *variant)
{
	for (size_t i = 0; i < facts->image_ids.n; i++)
		if (image_is(image, variant, facts->image_ids.v[i]))
			return facts->image_ids.v[i];
	return NULL;
}

/* Where none fits, plan_preflight() says so. */
static const struct image_variant *variant_for(const struct image *image, const struct facts *facts)
{
	const struct image_variant *variant = image_for(image, facts->arch);

	return variant != NULL ? variant : &image->variants[0];
}

/* What somebody ran by hand has to be there when the new one does not work, and to stay stopped
 * when it does. */
static int check_by_hand(
    const struct facts *facts, const struct container *container, struct error *err)
{
	if (!container->by_hand)
		return 0;
	if (container->auto_remove) {
		error_set(err, ERROR_CONFLICT,
		    "%s was run by hand, with --rm: once it is stopped it is gone, and could not "
		    "be put back",
		    container->name);
		return error_hint(
		    err, "remove it when it may be away: docker rm -f %s", container->name);
	}
	if (!facts->fixed_policies || strcmp(container->policy, "no") == 0)
		return 0;
	error_set(err, ERROR_CONFLICT,
	    "%s was run by hand, with a restart policy that this engine cannot change: it would be "
	    "started "
	    "with the host, beside the new one",
	    container->name);
	return error_hint(err, "remove it when it may be away: podman rm -f %s", container->name);
}

/* What runs is as it is wanted, but for the image's times. */
static int keep_same(const struct planned *planned, bool *ret, struct error *err)
{
	char config[CONFIG_HASH_SIZE];

	if (options_hash(planned->options, planned->old->image, config, err) < 0)
		return -1;
	*ret = strcmp(config, planned->old->config) == 0;
	return 0;
}

/* A refresh puts newer images in the place of what runs, and nothing else. */
static int refresh_one(const struct plan_input *input, size_t i,
    const struct image_variant *variant, struct planned *planned, struct error *err)
{
	struct plan_refreshed what = {0};
	bool same = false;

	if (input->refresh(input->refresh_context, i, variant, planned->old, &what, err) < 0)
		return -1;
	planned->content = what.content;
	planned->why = what.why;
	if (what.verdict == PLAN_REFRESH_SAME && planned->old != NULL &&
	    keep_same(planned, &same, err) < 0)
		return -1;
	if (same && set_text(&planned->why, "unchanged, but for the times in its image") < 0)
		return error_memory(err);
	if (same || what.verdict == PLAN_REFRESH_LEAVE)
		planned->action = PLAN_KEEP;
	planned->same = same;
	return 0;
}

static int deploy_one(const struct plan_input *input, size_t i, const struct image *image,
    const char *release, bool force, struct planned *planned, struct error *err)
{
	const struct service *service = input->services[i];
	const struct container *current = input->found[i].current;
	const struct image_variant *variant = variant_for(image, input->facts);

	planned->service = service;
	if (!inventory_runs_on(input->inventory, input->environment, service, input->host))
		return 0;
	if (options_make(input->inventory, input->environment, service, input->host,
		&planned->options, err) < 0 ||
	    secrets_seal(input->secrets, input->key, planned->options, NULL, err) < 0 ||
	    options_hash(planned->options, variant->config, planned->config, err) < 0)
		return -1;
	planned->from = image;
	planned->old = current;
	memcpy(planned->release, release, RELEASE_SIZE);
	planned->healthy = service->ready.healthy;
	if (set_text(&planned->image, variant->config) < 0 ||
	    set_text(&planned->image_id, image_there(input->facts, image, variant)) < 0 ||
	    (current != NULL && set_text(&planned->previous, current->release) < 0))
		return error_memory(err);
	if (input->refresh != NULL && refresh_one(input, i, variant, planned, err) < 0)
		return -1;
	if (planned->action == PLAN_KEEP)
		return 0;
	if (!force && is_running_so(current, variant->config, planned->config)) {
		planned->action = PLAN_KEEP;
		return set_text(&planned->why, "unchanged") < 0 ? error_memory(err) : 0;
	}
	if (current != NULL && check_by_hand(input->facts, current, err) < 0)
		return -1;
	planned->action = PLAN_CREATE;
	planned->overlap = can_overlap(service, planned->options);
	return 0;
}

int plan_deploy(const struct plan_input *input, const struct image *images,
    char (*releases)[RELEASE_SIZE], bool force, struct plan *ret, struct error *err)
{
	struct plan plan;

	if (plan_new(input->n_services, &plan, err) < 0)
		return -1;
	for (size_t i = 0; i < plan.n; i++)
		if (deploy_one(input, i, &images[i], releases[i], force, &plan.services[i], err) <
		    0) {
			plan_release(&plan);
			return -1;
		}
	*ret = plan;
	return 0;
}

/* --- rollback */

static int keep(struct planned *planned, char *why, struct error *err)
{
	planned->action = PLAN_KEEP;
	planned->why = why;
	return why == NULL ? error_memory(err) : 0;
}

/* Which releases of a service can be returned to: those of retained containers, and those whose
 * image and ledger entry are there. */
static int list_there(
    const struct plan_input *input, const char *service, struct strv *ret, struct error *err)
{
	const struct facts *facts = input->facts;

	for (size_t i = 0; i < facts->ledger.n; i++) {
		const struct ledger_entry *entry = &facts->ledger.v[i];
		CLEANUP_FREE char *tag = name_image_tag(input->prefix, service, entry->release);

		if (tag == NULL)
			return error_memory(err);
		if (strcmp(entry->service, service) != 0 || entry->result != LEDGER_COMMITTED ||
		    strv_has(ret, entry->release) ||
		    (facts_container(facts, service, entry->release) == NULL &&
			(facts_image_id(facts, tag) == NULL || entry->options == NULL)))
			continue;
		if (strv_add(ret, entry->release) < 0)
			return error_memory(err);
	}
	return 0;
}

static int gone(
    const struct plan_input *input, const char *service, const char *release, struct error *err)
{
	CLEANUP_STRV struct strv there = {0};
	CLEANUP_BUF struct buf text = BUF_INIT(64 * 1024);

	if (list_there(input, service, &there, err) < 0)
		return -1;
	for (size_t i = 0; i < there.n; i++)
		buf_addf(&text, "%s%s", i > 0 ? ", " : "", there.v[i]);
	error_set(err, ERROR_NOT_FOUND, "release %s of %s is not on this host; there %s %s",
	    release, service, there.n == 1 ? "is" : "are", there.n > 0 ? text.data : "none");
	/* A deploy knows it best; a rollback only what the ledger says. */
	return ledger_release_entry(&input->facts->ledger, service, release) == NULL
		   ? -1
		   : error_hint(err,
			 "its image was removed there and is not in the store of this machine, "
			 "either: "
			 "roll back from the machine that deployed it, or deploy it anew");
}

/* Of a container that no ledger entry describes, what a swap has to know. */
static json_t *options_of(const struct container *container)
{
	json_t *options = json_pack("{s:s, s:I}", "restart", container->restart, "stop_grace_ms",
	    (json_int_t)container->stop_grace_s * 1000);

	if (options == NULL || options_check(options, NULL) == 0)
		return options;
	json_decref(options);
	return json_object();
}

/* The ledger's, when they are fit to be used; a container that is there can do without. */
static int take_options(
    const struct ledger_entry *entry, struct planned *planned, struct error *err)
{
	bool fit = entry != NULL && entry->options != NULL;

	if (fit && options_check(entry->options, err) < 0) {
		if (planned->target == NULL)
			return error_wrap(err,
			    "release %s of %s cannot be made again from the ledger",
			    planned->release, planned->service->name);
		error_release(err);
		fit = false;
	}
	planned->options = fit ? json_incref(entry->options) : options_of(planned->target);
	return planned->options == NULL ? error_memory(err) : 0;
}

/* The rollout that had the image delivered is that of the deploy, whatever rollbacks came after. */
static const struct image *find_image(const struct plan_input *input, const struct service *service,
    const struct ledger_entry *release)
{
	const struct ledger *ledger = &input->facts->ledger;
	const struct image *image = NULL;

	if (input->find_image == NULL)
		return NULL;
	for (size_t i = ledger->n; i > 0 && image == NULL; i--) {
		const struct ledger_entry *entry = &ledger->v[i - 1];

		if (entry->kind == LEDGER_DEPLOY && strcmp(entry->service, service->name) == 0 &&
		    strcmp(entry->release, release->release) == 0)
			image = input->find_image(input->find_context, service, input->facts->arch,
			    entry->rollout, release->image);
	}
	return image;
}

/* A container that is made again gets the secrets as they are now, which need not be what they
 * were: its options are no longer the ledger's. */
static int seal_anew(const struct plan_input *input, struct planned *planned, struct error *err)
{
	json_t *options = json_copy(planned->options);

	if (options == NULL)
		return error_memory(err);
	json_decref(planned->options);
	planned->options = options;
	if (secrets_seal(input->secrets, input->key, options, &planned->changed, err) < 0)
		return error_wrap(err, "release %s of %s cannot be made again", planned->release,
		    planned->service->name);
	return options_hash(options, planned->image, planned->config, err);
}

/* Return to `release`: by its retained container, else by its image and the ledger's options. */
static int return_to(
    const struct plan_input *input, const char *release, struct planned *planned, struct error *err)
{
	const char *service = planned->service->name;
	const struct ledger_entry *entry =
	    ledger_release_entry(&input->facts->ledger, service, release);
	CLEANUP_FREE char *tag = name_image_tag(input->prefix, service, release);
	const char *image_id;

	if (tag == NULL)
		return error_memory(err);
	if (!name_is_release(release))
		return gone(input, service, release, err);
	if (planned->old != NULL && strcmp(planned->old->release, release) == 0)
		return keep(planned,
		    string_printf(planned->old->running ? "runs %s already"
							: "%s is current already, and is stopped",
			release),
		    err);
	memcpy(planned->release, release, RELEASE_SIZE);
	planned->target = facts_container(input->facts, service, release);
	/* Where it crashed in a loop nothing but removing it would stop it. */
	if (planned->target != NULL && planned->target->by_hand && input->facts->fixed_policies)
		return gone(input, service, release, err);
	planned->action = planned->target != NULL ? PLAN_RETURN : PLAN_CREATE;
	image_id = facts_image_id(input->facts, tag);
	if (planned->target == NULL && image_id == NULL && entry != NULL)
		planned->from = find_image(input, planned->service, entry);
	if (planned->target == NULL && (entry == NULL || entry->options == NULL ||
					   (image_id == NULL && planned->from == NULL)))
		return gone(input, service, release, err);
	if (take_options(entry, planned, err) < 0)
		return -1;
	planned->overlap = can_overlap(planned->service, planned->options);
	if (entry != NULL && set_text(&planned->content, entry->content) < 0)
		return error_memory(err);
	if (set_text(&planned->image, entry != NULL ? entry->image : planned->target->image) < 0 ||
	    set_text(&planned->image_id, image_id) < 0)
		return error_memory(err);
	if (planned->action == PLAN_CREATE)
		return seal_anew(input, planned, err);
	memcpy(planned->config, "", 1);
	strncat(planned->config, entry != NULL ? entry->config : planned->target->config,
	    CONFIG_HASH_SIZE - 1);
	return 0;
}

static int rollback_one(const struct plan_input *input, size_t i, const char *to, const char *undo,
    struct planned *planned, struct error *err)
{
	const struct service *service = input->services[i];
	const struct container *current = input->found[i].current;
	const struct ledger_entry *entry = ledger_current(&input->facts->ledger, service->name);

	planned->service = service;
	planned->old = current;
	planned->healthy = service->ready.healthy;
	if (entry == NULL && current == NULL)
		return 0;
	if (current != NULL && set_text(&planned->previous, current->release) < 0)
		return error_memory(err);
	if (to != NULL)
		return return_to(input, to, planned, err);
	if (entry == NULL || undo == NULL || strcmp(ledger_rollout(entry), undo) != 0)
		return keep(planned,
		    string_printf("left alone on %s: it took no part in that rollout",
			current != NULL ? current->release : entry->release),
		    err);
	if (entry->previous == NULL) {
		error_set(err, ERROR_NOT_FOUND, "there is no release of %s before %s to go back to",
		    service->name, entry->release);
		return error_hint(
		    err, "name the services that have one, or take their hosts with --limit");
	}
	return return_to(input, entry->previous, planned, err);
}

/* A release belongs to one service: with --to, services that never had it are left alone, as long
 * as one of this host did. */
static int only_those_with(
    const struct plan_input *input, const char *to, struct plan *plan, struct error *err)
{
	size_t had = 0, first = plan->n;

	for (size_t i = 0; i < plan->n; i++) {
		const char *service = input->services[i]->name;

		if (ledger_release_entry(&input->facts->ledger, service, to) != NULL ||
		    facts_container(input->facts, service, to) != NULL)
			had++;
		else if (first == plan->n)
			first = i;
	}
	if (had > 0 || first == plan->n)
		return 0;
	return gone(input, input->services[first]->name, to, err);
}

int plan_rollback(const struct plan_input *input, const char *to, const char *undo,
    struct plan *ret, struct error *err)
{
	struct plan plan;
	int rc;

	if (plan_new(input->n_services, &plan, err) < 0)
		return -1;
	rc = to != NULL ? only_those_with(input, to, &plan, err) : 0;
	for (size_t i = 0; i < plan.n && rc == 0; i++) {
		const char *service = input->services[i]->name;

		if (to != NULL &&
		    ledger_release_entry(&input->facts->ledger, service, to) == NULL &&
		    facts_container(input->facts, service, to) == NULL)
			plan.services[i].service = input->services[i];
		else
			rc = rollback_one(input, i, to, undo, &plan.services[i], err);
	}
	if (rc < 0) {
		plan_release(&plan);
		return -1;
	}
	*ret = plan;
	return 0;
}

int plan_words(const struct plan *plan, struct strv *ret, struct error *err)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct planned *planned = &plan->services[i];
		const char *name = planned->service != NULL ? planned->service->name : "?";
		const char *old = planned->previous;
		int rc = 0;

		if (planned->action == PLAN_KEEP)
			rc = strv_addf(ret, "%s: %s", name, planned->why);
		else if (planned->action == PLAN_CREATE)
			rc = strv_addf(ret, "%s: %s%s%s %s%s", name,
			    old != NULL ? "replace " : "create", old != NULL ? old : "",
			    old != NULL ? " by" : "", planned->release,
			    planned->image_id != NULL ? "" : ", after delivering its image");
		else if (planned->action == PLAN_RETURN)
			rc = strv_addf(ret, "%s: return from %s to %s, whose container is there",
			    name, old != NULL ? old : "nothing", planned->release);
		if (rc < 0)
			return error_memory(err);
	}
	return 0;
}
