/* shipit history [ENV]: the ledgers of all hosts, merged. */
#include <stdlib.h>
#include <string.h>

#include "cmd/each.h"
#include "cmd/merge.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/json.h"
#include "deploy/found.h"

enum { LINES_DEFAULT = 20 };

/* "12 hosts", or where they differ "11 committed, 1 reverted". */
static void results(const struct merged *merged, struct buf *out)
{
	for (int r = LEDGER_PENDING; r < N_LEDGER_RESULTS; r++) {
		size_t n = merged->hosts[r];

		if (n > 0)
			buf_addf(out, "%s%zu %s", out->len > 0 ? ", " : "", n,
			    ledger_result_name((enum ledger_result)r));
	}
}

static enum hue hue_of(const struct merged *merged)
{
	if (merged->hosts[LEDGER_COMMITTED] == merged->n_hosts)
		return HUE_GOOD;
	return merged->hosts[LEDGER_FAILED] > 0 ? HUE_BAD : HUE_WARN;
}

/* "2026-11-22T17:54:32Z" -> "2026-11-22 17:54" */
static void short_time(const char *at, char out[32])
{
	snprintf(out, 32, "%.16s", at != NULL ? at : "-");
	if (strlen(out) == 16 && out[10] == 'T')
		out[10] = ' ';
}

static void row(struct columns *table, const struct merged *merged)
{
	const struct ledger_entry *e = merged->entry;
	CLEANUP_BUF struct buf words = BUF_INIT(256);
	char at[32];

	results(merged, &words);
	short_time(e->at, at);
	columns_add(table, HUE_PLAIN, at);
	columns_add(table, HUE_PLAIN, ledger_entry_word(e));
	columns_add(table, HUE_PLAIN, e->service);
	columns_add(table, HUE_PLAIN, e->release);
	columns_add(table, hue_of(merged), words.data);
	columns_addf(table, HUE_PLAIN, "%s@%s", e->by != NULL ? e->by : "?",
	    e->from != NULL ? e->from : "?");
	if (merged->error != NULL)
		columns_addf(table, HUE_PLAIN, "%s: %s", merged->error_host, merged->error);
	else
		columns_add(table, HUE_PLAIN, "");
}

static void json_row(
    const struct cli *cli, const struct environment *env, const struct merged *merged)
{
	const struct ledger_entry *e = merged->entry;
	json_t *object = json_event("history"), *hosts = json_object();

	if (object == NULL || hosts == NULL) {
		json_decref(object);
		json_decref(hosts);
		return;
	}
	json_put(object, "environment", env->name);
	json_put(object, "at", e->at);
	json_put(object, "kind", ledger_entry_word(e));
	json_put(object, "service", e->service);
	json_put(object, "rollout", e->rollout);
	json_put(object, "release", e->release);
	json_put(object, "previous", e->previous);
	json_put(object, "image", e->image);
	json_put(object, "by", e->by);
	json_put(object, "from", e->from);
	json_put(object, "source", e->source);
	for (int r = LEDGER_PENDING; r < N_LEDGER_RESULTS; r++)
		if (merged->hosts[r] > 0)
			json_put_int(hosts, ledger_result_name((enum ledger_result)r),
			    (int64_t)merged->hosts[r]);
	json_object_set_new(object, "hosts", hosts);
	json_put(object, "host", merged->error_host);
	json_put(object, "error", merged->error);
	json_line(cli->out, object);
}

/* What became of rollouts that nobody has written the end of. */
static int find_ends(const struct cli *cli, const struct survey_host *at, const char *prefix,
    struct merge_found *out, size_t *ret_n, struct error *err)
{
	const struct inventory *inv = cli->inventory;
	size_t n = 0;

	for (size_t i = 0; i < inv->n_services; i++) {
		struct found found = {0};

		if (found_make(&at->facts, prefix, inv->services[i].name, &found, err) < 0)
			return -1;
		if (found.pending != NULL)
			out[n++] = (struct merge_found){found.pending->seq, found.pending_result};
		found_release(&found);
	}
	*ret_n = n;
	return 0;
}

static int print(const struct cli *cli, const struct environment *env, const struct merged *v,
    size_t n, struct error *err)
{
	static const char *const headings[] = {
	    "TIME (UTC)", "WHAT", "SERVICE", "RELEASE", "HOSTS", "BY", "WHY", NULL};
	size_t most = cli->settings.number > 0 ? (size_t)cli->settings.number : LINES_DEFAULT;
	CLEANUP_COLUMNS struct columns table;

	columns_init(&table, headings);
	for (size_t i = 0; i < n && i < most; i++) {
		if (cli->settings.json)
			json_row(cli, env, &v[i]);
		else
			row(&table, &v[i]);
	}
	if (cli->settings.json)
		return 0;
	if (n == 0)
		fputs("nothing was rolled out yet\n", cli->out);
	else if (columns_print(&table, cli->out, cli->color_out, 0) < 0)
		return error_memory(err);
	if (n > most)
		fprintf(cli->out, "and %zu older: -n %zu shows all\n", n - most, n);
	return 0;
}

static int show(
    struct cli *cli, const struct environment *env, const struct survey *survey, struct error *err)
{
	size_t per_host = cli->inventory->n_services + 1, n = 0, n_merged = 0;
	CLEANUP_FREE struct merge_source *sources = calloc(survey->n + 1, sizeof(*sources));
	CLEANUP_FREE struct merge_found *ends = calloc(per_host * (survey->n + 1), sizeof(*ends));
	CLEANUP_FREE char *prefix = inventory_prefix(cli->inventory, env);
	CLEANUP_FREE struct merged *merged = NULL;

	if (sources == NULL || ends == NULL || prefix == NULL)
		return error_memory(err);
	for (size_t i = 0; i < survey->n; i++) {
		const struct survey_host *at = &survey->hosts[i];
		struct merge_source *source = &sources[n];

		if (at->error.kind != ERROR_NONE)
			continue;
		source->host = at->host->name;
		source->ledger = &at->facts.ledger;
		source->found = &ends[n * per_host];
		if (find_ends(cli, at, prefix, &ends[n * per_host], &source->n_found, err) < 0)
			return -1;
		n++;
	}
	if (merge_ledgers(sources, n, &merged, &n_merged, err) < 0 ||
	    (n > 0 && print(cli, env, merged, n_merged, err) < 0))
		return -1;
	survey_complain(cli, survey);
	return survey_exit_code(survey);
}

int history_run(struct cli *cli, struct error *err)
{
	return each_environment(cli, false, show, err);
}
