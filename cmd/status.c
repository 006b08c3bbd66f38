/* shipit status [ENV]: what runs where. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cmd/complain.h"
#include "cmd/each.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/json.h"
#include "cmd/ui/names.h"
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

/* Hosts on which a service is in the same state, one line of the table. */
struct line {
	const struct service *service;
	const struct container *container; /* of the first of them; NULL: there is none */
	int64_t started_first, started_last;
	bool old; /* its image is older than it should be */
	struct strv hosts;
};

/* When the image was made, or the last refresh found nothing newer; 0: not known. */
static int64_t fresh_until(
    const struct ledger *ledger, const struct service *service, const struct container *c)
{
	int64_t found = ledger_fresh_at(ledger, service->name, c->image);

	return c->image_made > 0 && found > c->image_made ? found : c->image_made;
}

static bool is_old(const struct environment *env, const struct ledger *ledger,
    const struct service *service, const struct container *c)
{
	int64_t since = c != NULL && c->running ? fresh_until(ledger, service, c) : 0;

	return env->max_age_s > 0 && since > 0 && (int64_t)time(NULL) - since > env->max_age_s;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_state(const struct container *a, const struct container *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->running == b->running && a->exit_code == b->exit_code &&
	       same_text(a->release, b->release) && same_text(state_of(a), state_of(b)) &&
	       same_text(a->restart, b->restart) && same_text(a->by, b->by);
}

/* For how long they have been up: as long as the youngest, and as the oldest where that is much
 * more. */
static void add_age(struct columns *table, const struct line *line)
{
	int64_t now = (int64_t)time(NULL), least = now - line->started_last,
		most = now - line->started_first;
	char young[CLOCK_AGE_SIZE], old[CLOCK_AGE_SIZE];
	bool up = line->container != NULL && line->container->running;

	clock_format_age(least, young);
	clock_format_age(most, old);
	if (!up || line->started_first <= 0)
		columns_add(table, HUE_PLAIN, up ? "-" : NULL);
	else if (most > 2 * least + 60)
		columns_addf(table, HUE_PLAIN, "%s - %s", young, old);
	else
		columns_add(table, HUE_PLAIN, young);
}

static void add_made(struct columns *table, int64_t when, bool old)
{
	char age[CLOCK_AGE_SIZE];

	clock_format_age((int64_t)time(NULL) - when, age);
	columns_add(table, old ? HUE_WARN : HUE_PLAIN, when > 0 ? age : NULL);
}

static void add_row(struct columns *table, const struct line *line)
{
	enum { NAMES_COLUMNS = 36 };
	const struct container *c = line->container;
	CLEANUP_BUF struct buf names = BUF_INIT((size_t)64 * 1024);

	if (names_add(&names, &line->hosts, NAMES_COLUMNS) < 0)
		table->failed = true;
	columns_add(table, HUE_PLAIN, names.data);
	columns_add(table, HUE_PLAIN, line->service->name);
	columns_add(table, HUE_PLAIN, c != NULL ? c->release : NULL);
	add_age(table, line);
	add_made(table, c != NULL ? c->image_made : 0, line->old);
	add_made(table, c != NULL ? c->base_made : 0, false);
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

static void put_time(json_t *object, const char *key, int64_t when)
{
	if (when > 0)
		json_put_int(object, key, when);
}

static void json_row(const struct cli *cli, const struct environment *env,
    const struct survey_host *at, const struct service *service, const struct found *found)
{
	const struct ledger *ledger = &at->facts.ledger;
	const struct container *c = found->current;
	json_t *object = json_event("service");

	if (object == NULL)
		return;
	json_put(object, "environment", env->name);
	json_put(object, "host", at->host->name);
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
		put_time(object, "image_created", c->image_made);
		put_time(object, "base_created", c->base_made);
		put_time(object, "refreshed", ledger_fresh_at(ledger, service->name, c->image));
		if (env->max_age_s > 0 && c->image_made > 0)
			json_object_set_new(
			    object, "old", json_boolean(is_old(env, ledger, service, c)));
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
	struct line *lines;
	size_t n_lines;
	struct buf notes; /* what is to be said below the table */
};

static int add_line(struct listing *listing, const struct host *host, const struct service *service,
    const struct container *c, bool old, struct error *err)
{
	int64_t started = c != NULL ? c->started_at : 0;
	struct line *line = listing->lines, *end = line + listing->n_lines;

	/* With -v each host has a line of its own. */
	while (line < end && (listing->cli->settings.verbose > 0 || line->service != service ||
				 line->old != old || !same_state(line->container, c)))
		line++;
	if (line == end) {
		line = reallocarray(listing->lines, listing->n_lines + 1, sizeof(*line));
		if (line == NULL)
			return error_memory(err);
		listing->lines = line;
		line += listing->n_lines++;
		*line = (struct line){.service = service,
		    .container = c,
		    .old = old,
		    .started_first = started,
		    .started_last = started};
	}
	if (started < line->started_first)
		line->started_first = started;
	if (started > line->started_last)
		line->started_last = started;
	return strv_add(&line->hosts, host->name) < 0 ? error_memory(err) : 0;
}

/* Once for all hosts. */
static void say_old(struct listing *listing)
{
	const struct environment *env = listing->env;
	CLEANUP_FREE char *refresh = cli_suggest(listing->cli, "refresh", env->name);
	char age[CLOCK_AGE_SIZE];

	clock_format_age(env->max_age_s, age);
	for (size_t i = 0; i < listing->n_lines; i++) {
		const struct line *line = &listing->lines[i];

		if (line->old)
			buf_addf(&listing->notes,
			    "  %s: its image is older than `max_age` (%s) allows; make it anew: "
			    "%s\n",
			    line->service->name, age, refresh != NULL ? refresh : "shipit refresh");
	}
}

static int print_lines(const struct listing *listing, struct error *err)
{
	static const char *const headings[] = {
	    "HOST", "SERVICE", "RELEASE", "UP", "IMAGE", "BASE", "STATE", "RESTART", "BY", NULL};
	CLEANUP_COLUMNS struct columns table;

	columns_init(&table, headings);
	for (size_t i = 0; i < listing->n_lines; i++)
		add_row(&table, &listing->lines[i]);
	if (columns_rows(&table) > 0 &&
	    columns_print(&table, listing->cli->out, listing->cli->color_out, 0) < 0)
		return error_memory(err);
	return 0;
}

static int add_service(struct listing *listing, const struct survey_host *at, const char *prefix,
    const struct service *service, struct error *err)
{
	struct found found = {0};
	bool old;
	int rc = 0;

	if (found_make(&at->facts, prefix, service->name, &found, err) < 0)
		return -1;
	old = is_old(listing->env, &at->facts.ledger, service, found.current);
	if (listing->cli->settings.json)
		json_row(listing->cli, listing->env, at, service, &found);
	else
		rc = add_line(listing, at->host, service, found.current, old, err);
	for (size_t i = 0; i < found.words.n; i++) {
		CLEANUP_FREE char *clean = text_cleaned(found.words.v[i]);

		buf_addf(&listing->notes, "  %s: %s\n", at->host->name, clean != NULL ? clean : "");
	}
	found_release(&found);
	return rc;
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

	for (size_t i = 0; i < inv->n_services; i++) {
		const struct service *service =
		    inventory_service_in(listing->env, &inv->services[i]);

		if (inventory_runs_on(inv, listing->env, service, at->host) &&
		    add_service(listing, at, prefix, service, err) < 0)
			return -1;
	}
	return say_left(listing, at, prefix, err);
}

static int show(
    struct cli *cli, const struct environment *env, const struct survey *survey, struct error *err)
{
	struct listing listing = {.cli = cli, .env = env, .notes = BUF_INIT((size_t)1024 * 1024)};
	CLEANUP_FREE char *prefix = inventory_prefix(cli->inventory, env);
	int rc = prefix != NULL ? 0 : error_memory(err);

	for (size_t i = 0; i < survey->n && rc == 0; i++)
		if (survey->hosts[i].error.kind == ERROR_NONE)
			rc = add_host(&listing, &survey->hosts[i], prefix, err);
	if (rc == 0 && !cli->settings.json)
		rc = print_lines(&listing, err);
	say_old(&listing);
	if (rc == 0 && !cli->settings.json)
		fputs(listing.notes.data, cli->out);
	for (size_t i = 0; i < listing.n_lines; i++)
		strv_release(&listing.lines[i].hosts);
	free(listing.lines);
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
