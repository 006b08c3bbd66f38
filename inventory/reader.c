/* What readers share: variables, and the folder that paths are meant from. */
#include <stdlib.h>
#include <jansson.h>
#include <string.h>

#include "inventory/interpolate.h"
#include "inventory/hints.h"
#include "inventory/problems.h"
#include "inventory/schema.h"

const char *reader_variable(void *reader, const char *name)
{
	const struct reader *r = reader;
	const char *value = r->source->variable(r->source->context, name);
	const struct pair *pair = NULL;

	if (!value)
		value = json_string_value(json_object_get(r->own_variables, name));
	if (!value)
		pair = pairs_find(&r->dotenv, name);
	return pair ? pair->value : value;
}

int read_elsewhere(struct reader *r UNUSED, const struct node *value UNUSED, void *field UNUSED,
    const void *arg UNUSED)
{
	return 0;
}

int reader_repeats(struct reader *r, const struct node *at, const struct node *node)
{
	size_t weight = node_weight(node);

	if (r->repeated > YAML_MAX_NODES)
		return 0;
	r->repeated += weight;
	if (r->repeated <= YAML_MAX_NODES)
		return 1;
	return mistake(r, at,
	    "what environments inherit and override comes to more than %d values in all",
	    YAML_MAX_NODES);
}

const char *reader_dir(const struct reader *r, const struct node *node)
{
	bool own = r->compose_dir == NULL;

	for (size_t i = 0; i < r->n_own && !own; i++)
		own = node->pos.file == r->inv->files.v[i];
	return own ? r->inv->dir : r->compose_dir;
}

/* ---- interpolation of the tree ---- */

/* Variables, and from where each was taken: "$TAG from .env, $REV not set". */
struct noting {
	struct reader *r;
	struct buf note;
};

static const char *source_of(const struct reader *r, const char *name)
{
	if (r->source->variable(r->source->context, name))
		return "from the caller";
	if (json_object_get(r->own_variables, name))
		return "from environment";
	return pairs_find(&r->dotenv, name) ? "from .env" : "not set";
}

static void noting_release(struct noting *noting)
{
	buf_release(&noting->note);
}
#define CLEANUP_NOTING __attribute__((cleanup(noting_release)))

/* A note that became too long, or had no memory, is none. */
static const char *noted_variable(void *context, const char *name)
{
	struct noting *noting = context;
	CLEANUP_FREE char *word = NULL;

	if (noting->r->wants_origins)
		word = string_printf("$%s %s", name, source_of(noting->r, name));
	if (word && !strstr(noting->note.data, word))
		buf_addf(&noting->note, "%s%s", noting->note.len > 0 ? ", " : "", word);
	return reader_variable(noting->r, name);
}

static const char hint_variables[] =
    "set it in the environment that shipit is run in, or in the `.env` "
    "beside the file";
static const char hint_unset[] =
    "${NAME:-} says that empty is meant; a dollar sign itself is written $$";

static int report_interpolation(struct reader *r, struct node *node, const char *why)
{
	node->bad = true;
	if (mistake(r, node, "%s", why) < 0)
		return -1;
	if (strstr(why, "is required"))
		problem_once(r->problems);
	return strstr(why, "is required and") ? mistake_hint(r, "%s", hint_variables) : 0;
}

/* As Compose does. SHIPIT_ENV is not set while a command is about no environment. */
static int warn_unset(struct reader *r, const struct node *node, const struct strv *unset)
{
	for (size_t i = 0; i < unset->n; i++) {
		if (strcmp(unset->v[i], "SHIPIT_ENV") == 0)
			continue;
		if (problem_add(&r->inv->warnings, &node->pos,
			"variable `%s` is not set and counts as empty", unset->v[i]) < 0)
			return -1;
		if (problem_hint(&r->inv->warnings, "%s", hint_unset) < 0)
			return -1;
		/* There may be a password beside it, and a deploy's warnings go into logs. */
		problem_hide(&r->inv->warnings);
		problem_once(&r->inv->warnings);
	}
	return 0;
}

static int interpolate_node(struct reader *r, struct node *node, size_t *left)
{
	enum { NOTE_MAX = 1000 };
	CLEANUP_NOTING struct noting noting = {r, BUF_INIT(NOTE_MAX)};
	struct variables variables = {&noting, noted_variable};
	CLEANUP_BUF struct buf out = BUF_INIT(*left);
	CLEANUP_BUF struct buf why = BUF_INIT(INTERPOLATE_MAX);
	CLEANUP_STRV struct strv unset = {0};

	switch (interpolate(node->text, &variables, &out, &unset, &why)) {
	case INTERPOLATE_NO_MEMORY:
		return -1;
	case INTERPOLATE_MISTAKE:
		return report_interpolation(r, node, why.data);
	case INTERPOLATED:
		break;
	}
	*left -= out.len;
	if (warn_unset(r, node, &unset) < 0)
		return -1;
	char *text = buf_steal(&out);
	if (!text)
		return -1;
	free(node->text);
	node->text = text;
	node->quoted = node->variables = true; /* what they say is a text to everybody */
	if (noting.note.len > 0)
		node->note = buf_steal(&noting.note);
	return 0;
}

int reader_fill(struct reader *r, struct node *node, size_t *left)
{
	/* What a program printed is as it is meant. */
	if (node->kind != NODE_SCALAR || node->is_key || node->bad || node->variables ||
	    node->pos.path || !strchr(node->text, '$'))
		return 0;
	return interpolate_node(r, node, left);
}

/* What all of them may come to is bounded, as one variable can be long and named often. */
int reader_interpolate(struct reader *r, struct yaml *yaml)
{
	size_t left = 4 * (size_t)YAML_MAX_BYTES;

	for (struct node *node = yaml->nodes; node; node = node->next)
		if (reader_fill(r, node, &left) < 0)
			return -1;
	return 0;
}
