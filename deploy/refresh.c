#include "deploy/refresh.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/refresh_internal.h"

int refresh_begin(struct rollout *rollout, struct error *err)
{
	struct refresh *refresh;

	if (!rollout->options.refresh)
		return 0;
	refresh = calloc(1, sizeof(*refresh));
	if (refresh != NULL)
		refresh->services = calloc(rollout->n_services, sizeof(*refresh->services));
	if (refresh == NULL || refresh->services == NULL) {
		free(refresh);
		return error_memory(err);
	}
	refresh->n_services = rollout->n_services;
	refresh->external = rollout->options.inventory->registry != NULL;
	pthread_mutex_init(&refresh->lock, NULL);
	rollout->refresh = refresh;
	if (refresh->external && local_registry_open(&refresh->aside, false, err) < 0)
		return -1;
	refresh->store = refresh->external ? refresh->aside.store : rollout->registry.store;
	return 0;
}

void refresh_free(struct rollout *rollout)
{
	struct refresh *refresh = steal_ptr(rollout->refresh);

	if (refresh == NULL)
		return;
	local_registry_close(&refresh->aside);
	for (size_t i = 0; i < refresh->n_services; i++) {
		free(refresh->services[i].had);
		strv_release(&refresh->services[i].taken_back);
		strv_release(&refresh->services[i].compared);
	}
	for (size_t i = 0; i < refresh->n_images; i++)
		known_image_free(refresh->images[i]);
	free(refresh->services);
	free(refresh->images);
	strv_release(&refresh->told);
	pthread_mutex_destroy(&refresh->lock);
	free(refresh);
}

int refresh_images(struct rollout *rollout, struct error *err)
{
	return refresh_make(rollout, err);
}

const struct strv *refresh_told(const struct rollout *rollout)
{
	return rollout->refresh != NULL ? &rollout->refresh->told : NULL;
}

/* --- what was taken back */

bool refresh_look(struct rollout *rollout)
{
	struct refresh *refresh = rollout->refresh;

	for (size_t i = 0; refresh != NULL && i < rollout->n_runs; i++)
		for (size_t k = 0; k < rollout->n_services && rollout->runs[i].connected; k++)
			if (ledger_taken_back(&rollout->runs[i].facts.ledger,
				rollout->services[k]->name, &refresh->services[k].taken_back,
				&rollout->result.error) < 0)
				return false;
	return true;
}

/* --- what changed */

/* "openssl 3.0.14 → 3.0.15", "new: curl 8.1", "gone: wget 1.21" */
static char *words_of(const struct package_change *change)
{
	if (change->from == NULL)
		return string_printf("new: %s %s", change->name, change->to);
	if (change->to == NULL)
		return string_printf("gone: %s %s", change->name, change->from);
	return string_printf("%s %s → %s", change->name, change->from, change->to);
}

static char *copy_of(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static void tell_package(
    struct rollout *rollout, const char *service, const struct package_change *change)
{
	struct event event = {
	    .kind = EVENT_PACKAGE,
	    .service = service,
	    .ms = -1,
	    .text = words_of(change),
	    .package = strdup(change->name),
	    .from = copy_of(change->from),
	    .to = copy_of(change->to),
	};

	/* For the message of `notify`; losing one loses a line of it. */
	if (event.text != NULL)
		(void)strv_addf(&rollout->refresh->told, "%s: %s", service, event.text);
	events_emit(rollout->options.events, &event);
}

/* Once for each image that runs somewhere. */
static int tell_changes(struct rollout *rollout, size_t service, const struct known_image *from,
    const struct known_image *to, struct error *err)
{
	struct refreshed_service *refreshed = &rollout->refresh->services[service];
	const char *name = rollout->services[service]->name;
	const struct event_source source = {.events = rollout->options.events, .service = name};
	CLEANUP_FREE struct package_change *changes = NULL;
	size_t n = 0;

	if (strv_has(&refreshed->compared, from->config))
		return 0;
	if (strv_add(&refreshed->compared, from->config) < 0)
		return error_memory(err);
	if (from->packages.known && to->packages.known &&
	    packages_compare(&from->packages, &to->packages, &changes, &n, err) < 0)
		return -1;
	if (n == 0)
		emit_note(&source, "its files changed, %s",
		    to->packages.known ? "and no package did"
				       : "and it has no list of packages that could be read");
	else
		emit_note(&source, "packages that changed: %zu", n);
	for (size_t i = 0; i < n; i++)
		tell_package(rollout, name, &changes[i]);
	return 0;
}

/* --- what to do on a host */

static int leave(struct plan_refreshed *ret, const char *why, struct error *err)
{
	ret->verdict = PLAN_REFRESH_LEAVE;
	ret->why = strdup(why);
	return ret->why != NULL ? 0 : error_memory(err);
}

/* Does the ledger know what is in it? */
static bool is_known_same(
    const struct host_run *run, const struct container *current, const char *fingerprint)
{
	const struct ledger_entry *entry =
	    ledger_release_entry(&run->facts.ledger, current->service, current->release);

	return entry != NULL && entry->content != NULL && strcmp(entry->content, fingerprint) == 0;
}

/* What cannot be compared is taken for another one: it is tried, and goes back if it is no good. */
static int not_comparable(struct host_run *run, size_t service, struct error *why,
    struct plan_refreshed *ret, struct error *err)
{
	const struct event_source source = host_source(run, run->rollout->services[service]->name);

	if (why->kind == ERROR_CANCELLED || why->kind == ERROR_MEMORY) {
		error_move(err, why);
		return -1;
	}
	emit_note(
	    &source, "it cannot be compared with what runs, and is deployed: %s", error_text(why));
	ret->verdict = PLAN_REFRESH_DEPLOY;
	return 0;
}

/* With the lock held, which may take as long as reading two images. */
static int compare(struct host_run *run, size_t service, const struct image_variant *variant,
    const struct container *current, struct plan_refreshed *ret, struct error *err)
{
	struct rollout *rollout = run->rollout;
	struct refreshed_service *refreshed = &rollout->refresh->services[service];
	const struct known_image *new, *old;
	CLEANUP_ERROR struct error why = {0};

	if (refresh_new_content(rollout, service, variant, &new, &why) < 0)
		return not_comparable(run, service, &why, ret, err);
	ret->content = strdup(new->fingerprint);
	if (ret->content == NULL)
		return error_memory(err);
	ret->verdict = PLAN_REFRESH_SAME;
	if (is_known_same(run, current, new->fingerprint))
		return 0;
	if (strv_has(&refreshed->taken_back, new->fingerprint))
		return leave(
		    ret, "left as it is: this image was tried before, and taken back", err);
	if (refresh_old_content(run, service, current, &old, &why) < 0)
		return not_comparable(run, service, &why, ret, err);
	if (strcmp(old->fingerprint, new->fingerprint) == 0)
		return 0;
	ret->verdict = PLAN_REFRESH_DEPLOY;
	return tell_changes(rollout, service, old, new, err);
}

int refresh_judge(void *context, size_t service, const struct image_variant *variant,
    const struct container *current, struct plan_refreshed *ret, struct error *err)
{
	struct host_run *run = context;
	struct refresh *refresh = run->rollout->refresh;
	int rc;

	/* What was never deployed, taken down or stopped is a person's business. */
	if (current == NULL)
		return leave(ret, "left as it is: nothing of it is deployed here", err);
	if (!current->running)
		return leave(ret, "left as it is: it is stopped", err);
	if (strcmp(current->image, variant->config) == 0) {
		ret->verdict = PLAN_REFRESH_SAME;
		return 0;
	}
	pthread_mutex_lock(&refresh->lock);
	rc = compare(run, service, variant, current, ret, err);
	pthread_mutex_unlock(&refresh->lock);
	if (rc < 0) {
		free(steal_ptr(ret->why));
		free(steal_ptr(ret->content));
	}
	return rc;
}

/* --- the end */

/* For `status`: an image may be old, and nothing newer is to be had. */
void refresh_mark(struct host_run *run)
{
	const struct rollout *rollout = run->rollout;
	struct ledger *ledger = &run->facts.ledger;
	CLEANUP_ERROR struct error err = {0};
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; rollout->refresh != NULL && i < run->plan.n && rc == 0; i++) {
		const struct planned *planned = &run->plan.services[i];

		if (planned->action != PLAN_KEEP || !planned->same)
			continue;
		n++;
		rc = ledger_set_fresh(
		    ledger, planned->service->name, planned->old->image, rollout->at, &err);
	}
	if (rc == 0 && n > 0)
		rc = ledger_write_fresh(run->link.care, rollout->prefix, ledger, &err);
	if (rc < 0)
		emit_note(&run->source, "`status` will not know that nothing is newer: %s",
		    error_text(&err));
}

static bool was_of_use(const struct rollout *rollout, size_t service)
{
	for (size_t i = 0; i < rollout->n_runs; i++) {
		const struct host_run *run = &rollout->runs[i];

		if (run->works != NULL && run->works[service].swapped &&
		    run->works[service].end == SWAP_COMMITTED)
			return true;
	}
	return false;
}

/* Has any other name in the repository this image, too? (Of thousands of them, most likely.) */
static bool has_other_tag(struct store *store, const struct image *image)
{
	enum { LOOKED_AT = 1000 };
	CLEANUP_STRV struct strv tags = {0};
	bool more = false, found = false;

	if (store_tags(store, image->repository, NULL, LOOKED_AT, &tags, &more, NULL) < 0)
		return true;
	for (size_t i = 0; i < tags.n && !found; i++) {
		struct stored_manifest manifest = {0};

		if (store_manifest_get(store, image->repository, tags.v[i], &manifest, NULL) < 0)
			continue;
		found = strcmp(manifest.digest, image->digest) == 0;
		stored_manifest_release(&manifest);
	}
	return found || more;
}

static void forget(struct store *store, const struct image *image)
{
	if (store_tag_remove(store, image->repository, image->tag, NULL) == 0 &&
	    image->digest != NULL && !has_other_tag(store, image))
		store_manifest_remove(store, image->repository, image->digest, NULL);
}

/* The tag of an image that nobody took would push one that a rollback needs out of the store. */
static void keep_or_forget(struct rollout *rollout, size_t service, bool used)
{
	const struct image *image = &rollout->images[service];
	struct refresh *refresh = rollout->refresh;

	if (image->repository == NULL || image->tag == NULL)
		return;
	if (!used)
		forget(refresh->store, image);
	else if (refresh->external)
		store_retain(
		    refresh->store, image->repository, rollout->services[service]->retain, NULL);
}

/* What nobody would see otherwise: `why` of what was left alone, once for all hosts. */
static void tell_left(const struct rollout *rollout, size_t service)
{
	const struct event_source source = {
	    .events = rollout->options.events, .service = rollout->services[service]->name};
	const char *why = NULL;

	for (size_t i = 0; i < rollout->n_runs; i++) {
		const struct plan *plan = &rollout->runs[i].plan;

		if (service >= plan->n || plan->services[service].action != PLAN_KEEP ||
		    (why != NULL && strcmp(why, plan->services[service].why) == 0))
			continue;
		why = plan->services[service].why;
		emit_note(&source, "%s", why);
	}
}

void refresh_end(struct rollout *rollout)
{
	if (rollout->refresh == NULL || rollout->refresh->store == NULL)
		return;
	for (size_t i = 0; i < rollout->n_services; i++) {
		bool used = was_of_use(rollout, i);

		tell_left(rollout, i);
		keep_or_forget(rollout, i, used);
		refresh_tidy(rollout, i, !used);
	}
	local_registry_tidy(&rollout->refresh->aside, (uint64_t)STORE_LIMIT_GIB << 30,
	    rollout->kill.fd, rollout->options.events);
}
