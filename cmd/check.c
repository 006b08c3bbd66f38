/* shipit check [ENV]: what would be in the way of a deploy. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd/complain.h"
#include "cmd/each.h"
#include "cmd/registry.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/json.h"
#include "cmd/ui/words.h"

enum {
	SKEW_S = 30,		   /* more is worth a word: ids and ages are read by people */
	LITTLE_BYTES = 1000000000, /* an image and the one before need about as much */
};

/* Before the engine was asked: the way there, or what ssh's configuration says about it. */
static bool login_failed(const struct survey_host *at)
{
	return host_unreached(at) ||
	       (at->step == STEP_CONNECT &&
		   (at->error.kind == ERROR_INVENTORY || at->error.kind == ERROR_SYSTEM));
}

static bool key_failed(const struct survey_host *at)
{
	return at->error.kind == ERROR_HOST_KEY;
}

/* Nothing was said of the key where the host did not get as far. */
static bool key_known(const struct survey_host *at)
{
	return !login_failed(at) || key_failed(at) || at->error.kind == ERROR_AUTH;
}

static bool loads(const struct survey_host *at)
{
	return at->host->delivery == DELIVERY_LOAD ||
	       (at->host->delivery == DELIVERY_AUTO && !at->forwarding);
}

/* How a deploy would bring images. What the engine itself can reach only a pull tells. */
static const char *delivery_name(const struct survey_host *at)
{
	return loads(at) ? "load" : "pull";
}

/* The host is fine, and an image would not come to it: what is loaded comes from the store. */
static bool delivery_failed(const struct cli *cli, const struct survey_host *at)
{
	if (at->error.kind != ERROR_NONE || at->forwarding)
		return false;
	return !loads(at) || cli->inventory->registry != NULL;
}

static bool little_disk(const struct facts *facts)
{
	return facts->free_bytes >= 0 && facts->free_bytes < LITTLE_BYTES;
}

static bool skewed(const struct facts *facts)
{
	return facts->clock_skew_s > SKEW_S || facts->clock_skew_s < -SKEW_S;
}

/* "docker" of "/usr/local/bin/docker" */
static const char *engine_name(const struct host *host)
{
	const char *slash = strrchr(host->engine.command, '/');

	return slash != NULL ? slash + 1 : host->engine.command;
}

static void disk_cell(struct columns *table, const struct facts *facts)
{
	char bytes[TEXT_BYTES_SIZE];

	if (facts->free_bytes < 0) {
		columns_add(table, HUE_PLAIN, NULL);
		return;
	}
	text_bytes((uint64_t)facts->free_bytes, bytes);
	columns_add(table, little_disk(facts) ? HUE_WARN : HUE_PLAIN, bytes);
}

static void clock_cell(struct columns *table, const struct facts *facts)
{
	if (skewed(facts))
		columns_addf(table, HUE_WARN, "%+" PRId64 " s", facts->clock_skew_s);
	else
		columns_add(table, HUE_PLAIN, "ok");
}

static void login_cells(struct columns *table, const struct survey_host *at)
{
	bool in = !login_failed(at);
	char ms[WORDS_SIZE];

	words_duration(at->connect_ms, ms);
	columns_add(table, key_failed(at) ? HUE_BAD : HUE_GOOD,
	    !key_known(at)   ? NULL
	    : key_failed(at) ? "failed"
			     : "ok");
	if (in && at->error.kind == ERROR_NONE)
		columns_add(table, HUE_GOOD, ms);
	else if (key_failed(at))
		columns_add(table, HUE_PLAIN, NULL);
	else
		columns_add(table, in ? HUE_GOOD : HUE_BAD, in ? "ok" : "failed");
}

/* Without what a distribution adds to the version ("+dfsg1"): the line is long enough. */
static void engine_cell(struct columns *table, const struct survey_host *at)
{
	const char *version = at->facts.engine_version;

	columns_addf(table, HUE_PLAIN, "%s%s %.*s", at->host->engine.sudo ? "sudo " : "",
	    engine_name(at->host), (int)strcspn(version, "+"), version);
}

static void add_row(const struct cli *cli, struct columns *table, const struct survey_host *at)
{
	const struct facts *facts = &at->facts;
	bool well = at->error.kind == ERROR_NONE;
	bool in = !login_failed(at), bad = delivery_failed(cli, at);

	columns_add(table, HUE_PLAIN, at->host->name);
	login_cells(table, at);
	columns_add(table, HUE_PLAIN, at->transport);
	if (!well) {
		columns_add(table, HUE_PLAIN, NULL);
		columns_add(table, HUE_PLAIN, NULL);
		columns_add(table, in ? HUE_BAD : HUE_PLAIN, in ? "failed" : NULL);
		for (int i = 0; i < 3; i++)
			columns_add(table, HUE_PLAIN, NULL);
		return;
	}
	columns_add(table,
	    at->forwarding ? HUE_GOOD
	    : bad	   ? HUE_BAD
			   : HUE_WARN,
	    at->forwarding ? "ok" : "refused");
	columns_add(table, bad ? HUE_BAD : HUE_PLAIN, delivery_name(at));
	engine_cell(table, at);
	columns_add(table, HUE_PLAIN, facts->arch);
	disk_cell(table, facts);
	clock_cell(table, facts);
}

static void put_check(json_t *object, const char *key, bool well, const struct error *error)
{
	json_t *check = json_object();

	if (check == NULL)
		return;
	json_put(check, "state", well ? "ok" : "failed");
	if (!well && error->kind != ERROR_NONE) {
		json_put(check, "kind", error_kind_name(error->kind));
		json_put(check, "error", error_text(error));
		json_put(check, "hint", error->hint);
	}
	json_object_set_new(object, key, check);
}

static void json_row(
    const struct cli *cli, const struct environment *env, const struct survey_host *at)
{
	const struct facts *facts = &at->facts;
	bool well = at->error.kind == ERROR_NONE;
	json_t *object = json_event("check");

	if (object == NULL)
		return;
	json_put(object, "environment", env->name);
	json_put(object, "host", at->host->name);
	put_check(object, "login", !login_failed(at), &at->error);
	if (!login_failed(at))
		put_check(object, "engine", well, &at->error);
	if (well) {
		put_check(object, "forwarding", at->forwarding, &at->forwarding_error);
		json_put(object, "delivery", delivery_name(at));
		json_object_set_new(object, "sudo", json_boolean(at->host->engine.sudo));
		json_put_int(object, "connect_ms", at->connect_ms);
		json_put(object, "transport", at->transport);
		json_put(object, "engine_name", engine_name(at->host));
		json_put(object, "engine_version", facts->engine_version);
		json_put(object, "arch", facts->arch);
		if (facts->free_bytes >= 0)
			json_put_int(object, "free_bytes", facts->free_bytes);
		json_put_int(object, "clock_skew_s", facts->clock_skew_s);
	}
	json_line(cli->out, object);
}

/* What is no failure, but will be one, or puzzle somebody. */
static void advise(const struct cli *cli, const struct survey_host *at)
{
	const struct facts *facts = &at->facts;
	char bytes[TEXT_BYTES_SIZE];

	if (little_disk(facts)) {
		text_bytes((uint64_t)facts->free_bytes, bytes);
		CLEANUP_FREE char *text = string_printf(
		    "little room is left where the engine keeps its images: %s", bytes);
		complain_text(cli->err, cli->color_err, at->host->name, "disk",
		    text != NULL ? text : "little room is left",
		    "`docker system df` says what takes it");
	}
	if (!at->forwarding && !delivery_failed(cli, at) && at->host->delivery == DELIVERY_AUTO)
		complain_text(cli->err, cli->color_err, at->host->name, "forwarding",
		    "the host refuses to forward a port back: images go by load",
		    at->forwarding_error.hint);
	if (skewed(facts)) {
		CLEANUP_FREE char *text = string_printf(
		    "the clock differs from this machine's by %" PRId64 " s", facts->clock_skew_s);
		complain_text(cli->err, cli->color_err, at->host->name, "clock",
		    text != NULL ? text : "the clock is wrong", "have it set by NTP");
	}
}

static const struct error *complaint_of(const struct cli *cli, const struct survey_host *at)
{
	static const struct error none;

	if (at->error.kind != ERROR_NONE)
		return &at->error;
	return delivery_failed(cli, at) ? &at->forwarding_error : &none;
}

static void complaints(struct cli *cli, const struct survey *survey)
{
	CLEANUP_FREE struct host_error *errors = calloc(survey->n + 1, sizeof(*errors));

	fflush(cli->out);
	for (size_t i = 0; errors != NULL && i < survey->n; i++) {
		const struct survey_host *at = &survey->hosts[i];
		bool well = at->error.kind == ERROR_NONE;

		errors[i] = (struct host_error){.host = at->host->name,
		    .step = well	       ? "delivery"
			    : key_failed(at)   ? "key"
			    : login_failed(at) ? "login"
					       : "engine",
		    .error = complaint_of(cli, at)};
	}
	if (errors != NULL)
		complain_hosts(cli->err, cli->color_err, errors, survey->n);
	for (size_t i = 0; i < survey->n; i++)
		if (survey->hosts[i].error.kind == ERROR_NONE)
			advise(cli, &survey->hosts[i]);
	fflush(cli->err);
}

static int show(
    struct cli *cli, const struct environment *env, const struct survey *survey, struct error *err)
{
	static const char *const headings[] = {"HOST", "KEY", "LOGIN", "TRANSPORT", "TUNNEL",
	    "DELIVERY", "ENGINE", "ARCH", "FREE", "CLOCK", NULL};
	CLEANUP_COLUMNS struct columns table;
	int code = survey_exit_code(survey);

	columns_init(&table, headings);
	for (size_t i = 0; i < survey->n; i++) {
		if (cli->settings.json)
			json_row(cli, env, &survey->hosts[i]);
		else
			add_row(cli, &table, &survey->hosts[i]);
		if (delivery_failed(cli, &survey->hosts[i]))
			code = EXIT_FAILED;
	}
	if (!cli->settings.json && columns_print(&table, cli->out, cli->color_out, 0) < 0)
		return error_memory(err);
	complaints(cli, survey);
	return code;
}

static int check_offline(struct cli *cli, struct error *err)
{
	const char *name = cli->arguments.n > 0 ? cli->arguments.v[0] : NULL;
	CLEANUP_STRV struct strv names = {0};
	const struct inventory *inv;

	if (cli_environments(cli, name, &names, err) < 0)
		return -1;
	/* SHIPIT_ENV may decide what the file says: each environment is read for itself. */
	for (size_t i = 0; i < names.n; i++)
		if (cli_load(cli, names.v[i], err) < 0)
			return -1;
	inv = cli->inventory;
	if (!cli->settings.json && !cli->settings.quiet)
		fprintf(cli->out,
		    "%s is in order: project %s, %zu environment%s, %zu service%s, %zu host%s\n",
		    cli->file, inv->project, inv->n_environments,
		    inv->n_environments == 1 ? "" : "s", inv->n_services,
		    inv->n_services == 1 ? "" : "s", inv->n_hosts, inv->n_hosts == 1 ? "" : "s");
	return EXIT_OK;
}

/* A deploy would begin with it. Where there is none yet, it makes one. */
static int check_store(struct cli *cli)
{
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_FREE char *path = NULL;
	struct store *store = NULL;
	bool well = registry_find(&store, &path, &err) == 0;

	store_close(store);
	if (cli->settings.json) {
		json_t *object = json_event("check");

		if (object != NULL)
			put_check(object, "store", well, &err);
		json_line(cli->out, object);
	}
	if (!well)
		complain(cli->err, cli->color_err, NULL, "store", &err);
	return well ? EXIT_OK : EXIT_FAILED;
}

int check_run(struct cli *cli, struct error *err)
{
	int code;

	if (cli->settings.offline)
		return check_offline(cli, err);
	code = each_environment(cli, true, show, err);
	if (code < 0 || cli->inventory->registry != NULL)
		return code;
	return worse_exit_code(code, check_store(cli));
}
