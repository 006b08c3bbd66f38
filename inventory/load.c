/* From texts to a struct inventory. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/compose.h"
#include "inventory/inherit.h"
#include "inventory/keys.h"
#include "inventory/origins.h"
#include "inventory/output.h"
#include "inventory/overlay.h"
#include "inventory/problems.h"

const struct key_table *const inventory_key_tables[] = {&top_table, &ssh_table, &engine_table,
    &host_table, &environment_table, &service_table, &build_table, &run_table, &build_secret_table,
    &env_file_table, &port_table, &volume_table, &device_table, &healthcheck_table, &ready_table,
    &http_probe_table, &tcp_probe_table, &exec_probe_table, &dependency_table, &before_table,
    &hooks_table, &compose_table, &limit_table, &logging_table, &rollout_table, &notify_table,
    &network_table, &named_volume_table, &service_network_table, &ipam_table, &pool_table,
    &bind_table, &volume_options_table, &tmpfs_table, &blkio_table, &rate_table, &weight_table,
    &deploy_table, &resources_table, &limits_table, &reservations_table, &gpu_table, &secret_table,
    &secret_file_table, &secret_reference_table, NULL};

/* "conf/" of "conf/shipit.yml", "" of "shipit.yml". */
static char *folder_shown(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strndup(name, slash ? (size_t)(slash - name) + 1 : 0);
}

static struct inventory *new_inventory(const struct source_texts *from)
{
	struct inventory *inv = calloc(1, sizeof(*inv));

	if (!inv)
		return NULL;
	inv->dir = strdup(from->dir);
	inv->path = strdup(from->path);
	inv->engine.command = strdup("docker");
	bool well = inv->dir && inv->path && inv->engine.command;
	for (size_t i = 0; well && i < from->n; i++)
		well = strv_add(&inv->files, from->v[i].name) == 0;
	if (well)
		return inv;
	inventory_free(inv);
	return NULL;
}

/* ---- the trees of all texts ---- */

struct trees {
	struct yaml *v;
	size_t n;
};

static void trees_release(struct trees *trees)
{
	for (size_t i = 0; i < trees->n; i++)
		yaml_release(&trees->v[i]);
	free(trees->v);
}

enum { VALUES_MAX = 5 * YAML_MAX_NODES }; /* of all texts together */

static int parse_all(struct reader *r, const struct source_texts *from, struct trees *trees)
{
	size_t total = 0;

	for (size_t i = 0; i < from->n; i++) {
		const struct source_text *text = &from->v[i];
		const char *name = r->inv->files.v[i];
		struct yaml *tree = &trees->v[trees->n++];
		int rc = text->is_output
			     ? output_parse(r, text->text, text->len, name, tree)
			     : yaml_parse(text->text, text->len, name, r->problems, tree);

		if (rc < 0)
			return -1;
		total += tree->root ? node_weight(tree->root) : 0;
		if (total > VALUES_MAX && tree->root) {
			rc = mistake(r, tree->root,
			    "with this all files together have more than %d values", VALUES_MAX);
			tree->root = NULL;
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Is there something of each that can be put together? One alone says what it is not later. */
static int are_usable(struct reader *r, const struct trees *trees)
{
	bool usable = true;

	for (size_t i = 0; i < trees->n; i++) {
		const struct node *root = trees->v[i].root;

		if (root && trees->n > 1 && root->kind != NODE_MAP &&
		    mistake_kind(r, root, "a mapping") < 0)
			return -1;
		usable = usable && root && (trees->n == 1 || root->kind == NODE_MAP);
	}
	return usable;
}

/* The later ones over the earlier ones; NULL: out of memory. */
static struct node *put_together(struct reader *r, const struct trees *trees)
{
	struct node *root = trees->v[0].root;

	for (size_t i = 1; i < trees->n && root; i++)
		root = overlay(&r->made, root, trees->v[i].root, "", OVERLAY_FILE);
	/* What is missing is missing in the first. */
	if (root && trees->n > 1)
		root->pos = trees->v[0].root->pos;
	return root;
}

static int interpolate_all(struct reader *r, const struct source_texts *from, struct trees *trees)
{
	for (size_t i = 0; i < trees->n; i++)
		if (!from->v[i].is_output && reader_interpolate(r, &trees->v[i]) < 0)
			return -1;
	return 0;
}

static int read_trees(struct reader *r, const struct source_texts *from, struct trees *trees)
{
	CLEANUP_COMPOSE struct compose compose = {0};
	int got = parse_all(r, from, trees) < 0 ? -1 : are_usable(r, trees);

	if (got <= 0)
		return got;
	/* Environments may set variables for all of it, so these are looked for in the whole. What
	 * is then put together is what was filled in. */
	const struct node *whole = put_together(r, trees);
	if (!whole || inherit_variables(r, whole) < 0 || interpolate_all(r, from, trees) < 0)
		return -1;
	struct yaml *yaml = &trees->v[0];
	yaml->root = put_together(r, trees);
	if (!yaml->root || compose_take(r, yaml, &compose) < 0 ||
	    schema_read(r, yaml->root, &top_table, r->inv, NULL) < 0 || check_inventory(r) < 0)
		return -1;
	return r->wants_origins && r->problems->n == 0 ? origins_make(r, yaml->root) : 0;
}

static int read_all(struct reader *r, const struct source_texts *from)
{
	struct trees trees = {.v = calloc(from->n, sizeof(*trees.v))};
	int rc = trees.v ? read_trees(r, from, &trees) : -1;

	trees_release(&trees);
	return rc;
}

/* What the problems come to. */
static int summarize(const struct reader *r, const char *name, struct error *err)
{
	size_t n = r->problems->n;

	if (n == 0)
		return 0;
	return error_set(err, ERROR_INVENTORY, "%s has %zu mistake%s", name, n, n == 1 ? "" : "s");
}

static void reader_release(struct reader *r)
{
	free(r->compose_dir);
	r->compose_dir = NULL;
	json_decref(r->places);
	r->places = NULL;
	json_decref(r->own_variables);
	r->own_variables = NULL;
	yaml_release(&r->made);
}

int load_texts(
    struct reader *r, const struct source_texts *from, struct inventory **ret, struct error *err)
{
	CLEANUP_FREE char *shown_dir = folder_shown(from->v[0].name);

	r->inv = new_inventory(from);
	r->shown_dir = shown_dir;
	r->n_own = from->n;
	int rc = r->inv && shown_dir ? read_all(r, from) : -1;
	reader_release(r);
	if (rc < 0) {
		inventory_free(r->inv);
		return error_memory(err);
	}
	problems_sort(r->problems);
	problems_sort(&r->inv->warnings);
	if (problems_merge(r->problems) < 0 || problems_merge(&r->inv->warnings) < 0 ||
	    problems_quote(r->problems, r->problems) < 0 ||
	    problems_quote(&r->inv->warnings, r->problems) < 0) {
		inventory_free(r->inv);
		return error_memory(err);
	}
	if (summarize(r, from->name, err) < 0) {
		inventory_free(r->inv);
		return -1;
	}
	*ret = r->inv;
	return 0;
}

int inventory_parse(const char *text, size_t len, const char *name, const char *dir,
    const struct source *source, struct inventory **ret, struct problems *problems,
    struct error *err)
{
	const char *slash = strrchr(name, '/');
	CLEANUP_FREE char *path = string_printf(
	    "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", slash ? slash + 1 : name);
	const struct source_text one = {.name = name, .text = text, .len = len};
	const struct source_texts from = {&one, 1, name, path, dir};
	struct reader r = {.problems = problems, .source = source};

	*ret = NULL;
	return path ? load_texts(&r, &from, ret, err) : error_memory(err);
}

int inventory_parse_all(const struct source_texts *from, const struct source *source,
    struct inventory **ret, struct problems *problems, struct error *err)
{
	struct reader r = {.problems = problems, .source = source};

	*ret = NULL;
	return load_texts(&r, from, ret, err);
}
