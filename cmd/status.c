/* shipit status [ENV]: what runs where. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cmd/complain.h"
#include "cmd/each.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/json.h"
#include "deploy/act.h"
#include "deploy/found.h"

/* "healthy" where there is a healthcheck, else the engine's word for it. */
static const char *state_of(const struct container *c)
{
	if (c == NULL)
		return "absent";
	return c->running && c->health != NULL ? c->health : c->status;
}

static enum hue hue_of(const struct container *c)
{
	if (c == NULL || !c->running)
		return HUE_BAD;
	if (c->health == NULL || strcmp(c->health, "healthy") == 0)
		return HUE_GOOD;
	return strcmp(c->health, "starting") == 0 ? HUE_PLAIN : HUE_BAD;
}

static void row(struct columns *table, const struct host *host, const struct service *service,
    const struct container *c)
{
	char age[CLOCK_AGE_SIZE] = "-";

	if (c != NULL && c->started_at > 0)
		clock_format_age((int64_t)time(NULL) - c->started_at, age);
	columns_add(table, HUE_PLAIN, host->name);
	columns_add(table, HUE_PLAIN, service->name);
	columns_add(table, HUE_PLAIN, c != NULL ? c->release : NULL);
	columns_add(table, HUE_PLAIN, c != NULL && c->running ? age : NULL);
	if (c != NULL && !c->running && c->started_at > 0)
		columns_addf(table, HUE_BAD, "%s (%d)", c->status, c->exit_code);
	else
		columns_add(table, hue_of(c), state_of(c));
	columns_add(table, HUE_PLAIN, c != NULL ? c->restart : NULL);
	columns_add(table, HUE_PLAIN, c != NULL ? c->by : NULL);
}

static json_t *word_list(const struct found *found)
{
	json_t *words = json_array();

	for (size_t i = 0; words != NULL && i < found->words.n; i++) {
		CLEANUP_FREE char *clean = text_cleaned(found->words.v[i]);

		json_array_append_new(words, json_string(clean != NULL ? clean : ""));
	}
	return words;
}

static void json_row(const struct cli *cli, const struct environment *env, const struct host *host,
    const struct service *service, const struct found *found)
{
	const struct container *c = found->current;
	json_t *object = json_event("service");

	if (object == NULL)
		return;
	json_put(object, "environment", env->name);
	json_put(object, "host", host->name);
	json_put(object, "service", service->name);
	json_put(object, "status", c != NULL ? c->status : "absent");
	if (c != NULL) {
		json_put(object, "release", c->release);
		json_put(object, "rollout", c->rollout);
		json_put(object, "health", c->health);
		json_put_int(object, "started", c->started_at);
		if (!c->running)
			json_put_int(object, "exit_code", c->exit_code);
		json_put(object, "restart", c->restart);
		json_put(object, "image", c->image);
		json_put(object, "by", c->by);
		json_put(object, "at", c->at);
		json_put(object, "source", c->source);
	}
	json_object_set_new(object, "drift", json_boolean(found->drift));
	if (found->pending != NULL)
		json_put(object, "interrupted", found->pending->rollout);
	json_object_set_new(object, "notes", word_list(found));
	json_line(cli->out, object);
}

struct listing {
	struct cli *cli;
	const struct environment *env;
	struct columns table;
	struct buf notes; /* what is to be said below the table */
};

static int add_service(struct listing *listing, const struct survey_host *at, const char *prefix,
    const struct service *service, struct error *err)
{
	struct found found = {0};

	if (found_make(&at->facts, prefix, service->name, &found, err) < 0)
		return -1;
	if (listing->cli->settings.json)
		json_row(listing->cli, listing->env, at->host, service, &found);
	else
		row(&listing->table, at->host, service, found.current);
	for (size_t i = 0; i < found.words.n; i++) {
		CLEANUP_FREE char *clean = text_cleaned(found.words.v[i]);

		buf_addf(&listing->notes, "  %s: %s\n", at->host->name, clean != NULL ? clean : "");
	}
	found_release(&found);
	return 0;
}

/* Of services that left the inventory nobody else tells. */
static int say_left(
    struct listing *listing, const struct survey_host *at, const char *prefix, struct error *err)
{
	const struct plan_input input = {.inventory = listing->cli->inventory,
	    .environment = listing->env,
	    .host = at->host,
	    .prefix = prefix,
	    .facts = &at->facts};
	CLEANUP_FREE char *prune = cli_suggest(listing->cli, "prune", listing->env->name);
	CLEANUP_STRV struct strv left = {0};

	if (act_left_services(&input, &left, err) < 0)
		return -1;
	for (size_t i = 0; i < left.n; i++) {
		json_t *object = listing->cli->settings.json ? json_event("left") : NULL;

		buf_addf(&listing->notes,
		    "  %s: %s is no longer in the inventory here; remove it: %s\n", at->host->name,
		    left.v[i], prune != NULL ? prune : "shipit prune");
		if (object == NULL)
			continue;
		json_put(object, "environment", listing->env->name);
		json_put(object, "host", at->host->name);
		json_put(object, "service", left.v[i]);
		json_line(listing->cli->out, object);
	}
	return 0;
}

static int add_host(
    struct listing *listing, const struct survey_host *at, const char *prefix, struct error *err)
{
	const struct inventory *inv = listing->cli->inventory;

	for (size_t i = 0; i < inv->n_services; i++)
		if (inventory_runs_on(inv, listing->env, &inv->services[i], at->host) &&
		    add_service(listing, at, prefix, &inv->services[i], err) < 0)
			return -1;
	return say_left(listing, at, prefix, err);
}

static int show(
    struct cli *cli, const struct environment *env, const struct survey *survey, struct error *err)
{
	static const char *const headings[] = {
	    "HOST", "SERVICE", "RELEASE", "UP", "STATE", "RESTART", "BY", NULL};
	struct listing listing = {.cli = cli, .env = env, .notes = BUF_INIT((size_t)1024 * 1024)};
	CLEANUP_FREE char *prefix = inventory_prefix(cli->inventory, env);
	int rc = prefix != NULL ? 0 : error_memory(err);

	columns_init(&listing.table, headings);
	for (size_t i = 0; i < survey->n && rc == 0; i++)
		if (survey->hosts[i].error.kind == ERROR_NONE)
			rc = add_host(&listing, &survey->hosts[i], prefix, err);
	if (rc == 0 && !cli->settings.json && columns_rows(&listing.table) > 0)
		rc = columns_print(&listing.table, cli->out, cli->color_out, 0) < 0
			 ? error_memory(err)
			 : 0;
	if (rc == 0 && !cli->settings.json)
		fputs(listing.notes.data, cli->out);
	columns_release(&listing.table);
	buf_release(&listing.notes);
	if (rc < 0)
		return -1;
	survey_complain(cli, survey);
	return survey_exit_code(survey);
}

int status_run(struct cli *cli, struct error *err)
{
	return each_environment(cli, false, show, err);
}
