#include "cmd/ui/result.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd/complain.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"
#include "cmd/ui/words.h"

enum { NAMES_MAX = 12 };

/* --- errors: one for each host that has one, hosts with the same words together */

static const char *failed_step(const struct ui *ui, const char *host)
{
	const struct row *row = fleet_row(&ui->fleet, host);

	return row != NULL && row->step != STEP_NONE ? step_name(row->step) : NULL;
}

/* Whoever pressed the key knows. */
static bool only_interrupted(const struct rollout_result *result, const struct error *error)
{
	return result->interrupted && error->kind == ERROR_CANCELLED && error->hint == NULL;
}

static void print_errors(const struct ui *ui, const struct rollout_result *result)
{
	const struct ui_options *o = &ui->options;
	CLEANUP_FREE struct host_error *errors = calloc(result->n_hosts + 1, sizeof(*errors));
	size_t n = 0;

	for (size_t i = 0; errors != NULL && i < result->n_hosts; i++)
		if (!only_interrupted(result, &result->hosts[i].error))
			errors[n++] = (struct host_error){.host = result->hosts[i].host,
			    .step = failed_step(ui, result->hosts[i].host),
			    .error = &result->hosts[i].error};
	if (errors != NULL)
		complain_hosts(o->err, o->color_err, errors, n);
	if (result->error.kind != ERROR_NONE && !only_interrupted(result, &result->error))
		complain(o->err, o->color_err, NULL, NULL, &result->error);
}

/* --- a dry run: the plan, hosts with the same plan together */

static bool same_plan(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static void print_plan(
    const struct ui_options *o, const struct rollout_result *result, size_t first, bool *said)
{
	const struct strv *plan = &result->hosts[first].plan;
	const char *between = "";

	fputs(hue_on(o->color_out, HUE_STRONG), o->out);
	for (size_t i = first; i < result->n_hosts; i++) {
		if (said[i] || result->hosts[i].error.kind != ERROR_NONE ||
		    !same_plan(plan, &result->hosts[i].plan))
			continue;
		said[i] = true;
		fprintf(o->out, "%s%s", between, result->hosts[i].host);
		between = ", ";
	}
	fprintf(o->out, ":%s\n", hue_off(o->color_out, HUE_STRONG));
	for (size_t i = 0; i < plan->n; i++) {
		CLEANUP_FREE char *line = text_cleaned(plan->v[i]);

		fprintf(o->out, "  %s\n", line != NULL ? line : "");
	}
	if (plan->n == 0)
		fputs("  nothing to do\n", o->out);
}

/* Without an error, no lines are a plan, too: there is nothing to do. */
static bool has_plan(const struct rollout_result *result, size_t i)
{
	const struct host_result *host = &result->hosts[i];

	return host->error.kind == ERROR_NONE &&
	       (host->plan.n > 0 || result->error.kind == ERROR_NONE);
}

static void print_plans(const struct ui *ui, const struct rollout_result *result)
{
	CLEANUP_FREE bool *said = calloc(result->n_hosts + 1, sizeof(*said));

	for (size_t i = 0; said != NULL && i < result->n_hosts; i++)
		if (!said[i] && has_plan(result, i))
			print_plan(&ui->options, result, i, said);
}

/* --- what became of the hosts */

enum hue result_hue(enum host_outcome outcome)
{
	if (outcome == HOST_DONE || outcome == HOST_UNCHANGED)
		return HUE_GOOD;
	if (outcome == HOST_REVERTED || outcome == HOST_UNTOUCHED)
		return HUE_WARN;
	return HUE_BAD;
}

/* "11 done, 1 reverted" */
void result_counts(FILE *out, bool color, const struct rollout_result *result)
{
	static const enum host_outcome order[] = {HOST_DONE, HOST_UNCHANGED, HOST_REVERTED,
	    HOST_UNTOUCHED, HOST_PARTIAL, HOST_UNREACHABLE, HOST_UNKNOWN, HOST_DOWN};
	const char *between = "";

	for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
		size_t n = rollout_count(result, order[k]);

		if (n == 0)
			continue;
		fprintf(out, "%s%s%zu %s%s", between, hue_on(color, result_hue(order[k])), n,
		    host_outcome_name(order[k]), hue_off(color, result_hue(order[k])));
		between = ", ";
	}
}

/* Hosts by name where not all ended the same; the good ones need no names. */
static void print_who(const struct ui_options *o, const struct rollout_result *result)
{
	for (int k = HOST_UNTOUCHED; k <= HOST_UNKNOWN; k++) {
		enum host_outcome outcome = (enum host_outcome)k;
		size_t n = 0;

		if (outcome == HOST_DONE || outcome == HOST_UNCHANGED)
			continue;
		for (size_t i = 0; i < result->n_hosts; i++) {
			if (result->hosts[i].outcome != outcome)
				continue;
			if (n++ == 0)
				fprintf(o->out, "  %s: ", host_outcome_name(outcome));
			if (n <= NAMES_MAX)
				fprintf(o->out, "%s%s", n > 1 ? ", " : "", result->hosts[i].host);
		}
		if (n > NAMES_MAX)
			fprintf(o->out, " and %zu more", n - NAMES_MAX);
		if (n > 0)
			fputc('\n', o->out);
	}
}

/* --- times and bytes */

static int64_t sum_ms(const struct host_result *host)
{
	int64_t sum = 0;

	for (int step = 0; step < N_STEPS; step++)
		if (host->step_ms[step] > 0)
			sum += host->step_ms[step];
	return sum;
}

/* Is it one of the steps that took longest? As many as a line of 80 columns has room for. */
static bool is_long(const struct host_result *host, int step)
{
	enum { SHOWN = 3 };
	int longer = 0;

	for (int other = 0; other < N_STEPS; other++)
		longer += host->step_ms[other] > host->step_ms[step] ||
			  (host->step_ms[other] == host->step_ms[step] && other < step);
	return longer < SHOWN && host->step_ms[step] >= 100;
}

static void print_slowest(const struct ui_options *o, const struct rollout_result *result)
{
	const struct host_result *slowest = NULL;
	const char *between = "";
	char words[WORDS_SIZE];

	for (size_t i = 0; i < result->n_hosts; i++)
		if (slowest == NULL || sum_ms(&result->hosts[i]) > sum_ms(slowest))
			slowest = &result->hosts[i];
	if (slowest == NULL || sum_ms(slowest) < 1000)
		return;
	words_duration(sum_ms(slowest), words);
	fprintf(o->out, "  %s %s, %s: ", result->n_hosts > 1 ? "slowest:" : "time:", slowest->host,
	    words);
	for (int step = 0; step < N_STEPS; step++) {
		if (!is_long(slowest, step))
			continue;
		words_duration(slowest->step_ms[step], words);
		fprintf(o->out, "%s%s %s", between, step_name((enum step)step), words);
		between = ", ";
	}
	fputc('\n', o->out);
}

static bool all_well(const struct rollout_result *result)
{
	return rollout_count(result, HOST_DONE) + rollout_count(result, HOST_UNCHANGED) ==
	       result->n_hosts;
}

static void print_summary(const struct ui *ui, const struct ui_end *end)
{
	const struct rollout_result *result = end->result;
	const struct ui_options *o = &ui->options;
	uint64_t bytes = rollout_bytes(result);
	char words[WORDS_SIZE], moved[TEXT_BYTES_SIZE];

	fprintf(o->out, "%s %s: ", ui->start.command,
	    ui->start.environment != NULL ? ui->start.environment : "");
	if (result->interrupted)
		fputs("interrupted; ", o->out);
	if (rollout_count(result, HOST_UNTOUCHED) == result->n_hosts) {
		fputs("nothing was changed on any host\n", o->out);
		return;
	}
	result_counts(o->out, o->color_out, result);
	words_duration(end->now_ms - ui->start.now_ms, words);
	fprintf(o->out, " in %s", words);
	text_bytes(bytes, moved);
	if (bytes > 0)
		fprintf(o->out, ", %s moved", moved);
	fputc('\n', o->out);
	if (!all_well(result)) {
		print_who(o, result);
		if (end->look != NULL)
			fprintf(o->out, "  look: %s\n", end->look);
		if (end->rest != NULL)
			fprintf(o->out, "  the rest: %s\n", end->rest);
	}
	if (!o->quiet)
		print_slowest(o, result);
	if (end->undo != NULL)
		fprintf(o->out, "  undo: %s\n", end->undo);
}

void result_print(const struct ui *ui, const struct ui_end *end)
{
	fflush(ui->options.out);
	if (end->dry_run)
		print_plans(ui, end->result);
	fflush(ui->options.out);
	print_errors(ui, end->result);
	fflush(ui->options.err);
	if (!end->dry_run && end->result->n_hosts > 0)
		print_summary(ui, end);
	fflush(ui->options.out);
}
