#include "inventory/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "inventory/array.h"
#include "inventory/problems.h"
#include "inventory/yaml_internal.h"

struct anchor {
	char *name;
	struct node *node;
	bool open; /* its own end has not come yet */
};

struct composer {
	yaml_parser_t parser;
	const char *text;
	size_t len;
	const char *file;
	struct problems *problems;
	struct yaml *yaml;
	struct anchor *anchors;
	size_t n_anchors;
	size_t n_nodes; /* so far, aliases resolved */
	bool no_memory;
};

/* Every step below returns a negative number when composing cannot go on: out of memory
 * (no_memory), or a mistake after which the rest would make no sense. */
static int out_of_memory(struct composer *c)
{
	c->no_memory = true;
	return -1;
}

static struct position position_of(const struct composer *c, const yaml_mark_t *mark)
{
	return (struct position){
	    .file = c->file, .line = (int)mark->line + 1, .column = (int)mark->column + 1};
}

static int stop(struct composer *c, const struct position *pos, const char *format, ...)
    PRINTF_LIKE(3, 4);

static int stop(struct composer *c, const struct position *pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int result = problem_vadd(c->problems, pos, format, args);
	va_end(args);
	return result < 0 ? out_of_memory(c) : -1;
}

/* What to do about it. */
static int stop_hint(struct composer *c, const char *hint)
{
	if (!c->no_memory && problem_hint(c->problems, "%s", hint) < 0)
		return out_of_memory(c);
	return -1;
}

/* libyaml says where bad bytes are by their offset only. */
static struct position position_at(const struct composer *c, size_t offset)
{
	struct position pos = {.file = c->file, .line = 1, .column = 1};

	for (size_t i = 0; i < offset && i < c->len; i++) {
		if (c->text[i] == '\n') {
			pos.line++;
			pos.column = 1;
		} else if (((unsigned char)c->text[i] & 0xc0) != 0x80) {
			pos.column++;
		}
	}
	return pos;
}

/* Not all text is YAML: control characters are refused, too. */
static int bad_bytes(struct composer *c)
{
	const char *problem = c->parser.problem ? c->parser.problem : "";
	struct position pos = position_at(c, c->parser.problem_offset);

	if (strncmp(problem, "control", 7) == 0)
		return stop(c, &pos, "a control character, U+%04X, cannot stand here",
		    (unsigned)c->parser.problem_value);
	return stop(c, &pos, "this is not text in UTF-8: %s", problem);
}

static int syntax_error(struct composer *c)
{
	if (c->parser.error == YAML_MEMORY_ERROR)
		return out_of_memory(c);
	if (c->parser.error == YAML_READER_ERROR)
		return bad_bytes(c);
	return yaml_explain(&c->parser, c->file, c->problems) < 0 ? out_of_memory(c) : -1;
}

static int next_event(struct composer *c, yaml_event_t *event)
{
	return yaml_parser_parse(&c->parser, event) ? 0 : syntax_error(c);
}

static int count_nodes(struct composer *c, const struct position *pos, size_t more)
{
	c->n_nodes += more;
	if (c->n_nodes > YAML_MAX_NODES)
		return stop(c, pos, "more than %d values, counted as often as aliases repeat them",
		    YAML_MAX_NODES);
	return 0;
}

struct node *yaml_add(struct yaml *yaml, enum node_kind kind, const struct position *pos)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	*node = (struct node){.kind = kind, .pos = *pos};
	if (yaml->last)
		yaml->last->next = node;
	else
		yaml->nodes = node;
	yaml->last = node;
	return node;
}

static struct node *new_node(struct composer *c, enum node_kind kind, const yaml_mark_t *mark)
{
	struct position pos = position_of(c, mark);

	if (count_nodes(c, &pos, 1) < 0)
		return NULL;
	struct node *node = yaml_add(c->yaml, kind, &pos);
	if (!node) {
		out_of_memory(c);
		return NULL;
	}
	node->weight = node->height = 1;
	return node;
}

static int add_anchor(struct composer *c, struct node *node, const yaml_char_t *name, bool open)
{
	if (!name)
		return 0;
	if (c->n_anchors == YAML_MAX_ANCHORS)
		return stop(c, &node->pos, "more than %d anchors", YAML_MAX_ANCHORS);
	if (array_grow(&c->anchors, c->n_anchors, sizeof(*c->anchors)) < 0)
		return out_of_memory(c);
	char *copy = strdup((const char *)name);
	if (!copy)
		return out_of_memory(c);
	c->anchors[c->n_anchors++] = (struct anchor){copy, node, open};
	return 0;
}

static void close_anchor(struct composer *c, const struct node *node)
{
	for (size_t i = c->n_anchors; i-- > 0;)
		if (c->anchors[i].node == node)
			c->anchors[i].open = false;
}

/* A name may be used again; the last one counts. */
static const struct anchor *find_anchor(const struct composer *c, const char *name)
{
	for (size_t i = c->n_anchors; i-- > 0;)
		if (strcmp(c->anchors[i].name, name) == 0)
			return &c->anchors[i];
	return NULL;
}

static int check_tag(struct composer *c, struct node *node, const yaml_char_t *tag)
{
	char shown[SHOWN_SIZE];

	if (!tag || yaml_is_known_tag((const char *)tag))
		return 0;
	node->tag = yaml_merge_tag((const char *)tag);
	if (node->tag != TAG_NONE)
		return 0;
	node->bad = true;
	if (problem_add(c->problems, &node->pos, "the YAML tag \"%s\" is not supported",
		show_text(shown, (const char *)tag)) < 0 ||
	    problem_hint(c->problems, "put a value that begins with \"!\" in quotes") < 0)
		return out_of_memory(c);
	return 0;
}

static struct node *compose_scalar(struct composer *c, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	struct node *node = new_node(c, NODE_SCALAR, &event->start_mark);

	if (!node)
		return NULL;
	node->text = strdup(value);
	if (!node->text) {
		out_of_memory(c);
		return NULL;
	}
	if (strlen(value) != event->data.scalar.length) {
		stop(c, &node->pos, "a text with a NUL character in it");
		return NULL;
	}
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    strncmp(value, "\xc2\xa0", 2) == 0) {
		stop(c, &node->pos, "a no-break space stands here, which is a letter to YAML");
		stop_hint(c, "write ordinary spaces");
		return NULL;
	}
	if (check_tag(c, node, event->data.scalar.tag) < 0)
		return NULL;
	node->quoted =
	    event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
	    (event->data.scalar.tag && !event->data.scalar.plain_implicit && node->tag == TAG_NONE);
	if (!node->quoted && yaml_is_null(value))
		node->kind = NODE_NULL;
	if (add_anchor(c, node, event->data.scalar.anchor, false) < 0)
		return NULL;
	return node;
}

/* Scalars are copied, since one of the two may be a key and the other a value. */
static struct node *copy_scalar(
    struct composer *c, const struct node *from, const yaml_event_t *event)
{
	struct node *node = new_node(c, from->kind, &event->start_mark);

	if (!node)
		return NULL;
	node->text = strdup(from->text);
	node->quoted = from->quoted;
	node->bad = from->bad;
	node->tag = from->tag;
	node->pos = from->pos;
	if (!node->text) {
		out_of_memory(c);
		return NULL;
	}
	return node;
}

static struct node *compose_alias(struct composer *c, const yaml_event_t *event, unsigned depth)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *anchor = find_anchor(c, name);
	struct position pos = position_of(c, &event->start_mark);
	char shown[SHOWN_SIZE];

	if (!anchor || anchor->open) {
		stop(c, &pos,
		    anchor ? "the alias \"*%s\" stands inside of what it means"
			   : "nothing before this has the anchor \"&%s\"",
		    show_text(shown, name));
		stop_hint(c, anchor ? "write out what is meant"
				    : "write \"&\" and the name before the value that is meant, or "
				      "put this in quotes");
		return NULL;
	}
	if (anchor->node->text)
		return copy_scalar(c, anchor->node, event);
	if (depth + anchor->node->height > YAML_MAX_DEPTH) {
		stop(c, &pos, "more than %d levels", YAML_MAX_DEPTH);
		return NULL;
	}
	return count_nodes(c, &pos, anchor->node->weight) < 0 ? NULL : anchor->node;
}

static void add_child(struct node *node, const struct node *child)
{
	node->weight += child->weight;
	if (node->height < child->height + 1)
		node->height = child->height + 1;
}

static struct node *compose(struct composer *c, const yaml_event_t *event, unsigned depth);

/* The next node, or *ret_node NULL at the event that ends the list or mapping. */
static int compose_next(
    struct composer *c, yaml_event_type_t end, unsigned depth, struct node **ret_node)
{
	yaml_event_t event;

	if (next_event(c, &event) < 0)
		return -1;
	bool ended = event.type == end;
	*ret_node = ended ? NULL : compose(c, &event, depth);
	yaml_event_delete(&event);
	return ended || *ret_node ? 0 : -1;
}

static int compose_items(struct composer *c, struct node *list, unsigned depth)
{
	struct node *item;

	for (;;) {
		if (compose_next(c, YAML_SEQUENCE_END_EVENT, depth + 1, &item) < 0)
			return -1;
		if (!item)
			return 0;
		if (node_add_item(list, item) < 0)
			return out_of_memory(c);
		add_child(list, item);
	}
}

/* "{{ name }}" of a template is a mapping as a key. */
static int no_key(struct composer *c, const struct node *key)
{
	stop(c, &key->pos, "a key has to be a text, this is %s", node_kind_text(key));
	return stop_hint(c, key->kind == NODE_MAP ? "a value with {{...}} needs quotes; variables "
						    "are written ${NAME}"
						  : "put the key in quotes");
}

/* "a:{b: c}" begins with the key "a:{b". */
static int joined_key(struct composer *c, const struct node *key)
{
	size_t len = strcspn(key->text, "{[\"");
	struct position pos = key->pos;
	char shown[SHOWN_SIZE];

	if (len < 2 || key->text[len - 1] != ':')
		return 0;
	pos.column += (int)len;
	return stop(
	    c, &pos, "a space is missing after \"%.*s\"", (int)len, show_text(shown, key->text));
}

static int compose_entries(struct composer *c, struct node *map, unsigned depth)
{
	struct node *key, *value;

	for (;;) {
		if (compose_next(c, YAML_MAPPING_END_EVENT, depth + 1, &key) < 0)
			return -1;
		if (!key)
			break;
		if (!key->text)
			return no_key(c, key);
		key->kind = NODE_SCALAR;
		key->is_key = true;
		if (!key->quoted && joined_key(c, key) < 0)
			return -1;
		if (compose_next(c, YAML_NO_EVENT, depth + 1, &value) < 0 || !value)
			return -1;
		if (node_add_entry(map, key, value) < 0)
			return out_of_memory(c);
		add_child(map, key);
		add_child(map, value);
	}
	return yaml_map_finish(map, c->problems) < 0 ? out_of_memory(c) : 0;
}

static struct node *compose_collection(
    struct composer *c, const yaml_event_t *event, unsigned depth)
{
	bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
	const yaml_char_t *anchor =
	    is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
	const yaml_char_t *tag =
	    is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
	struct node *node = new_node(c, is_list ? NODE_LIST : NODE_MAP, &event->start_mark);

	if (!node)
		return NULL;
	if (depth > YAML_MAX_DEPTH) {
		stop(c, &node->pos, "more than %d levels", YAML_MAX_DEPTH);
		return NULL;
	}
	if (check_tag(c, node, tag) < 0 || add_anchor(c, node, anchor, true) < 0)
		return NULL;
	if ((is_list ? compose_items(c, node, depth) : compose_entries(c, node, depth)) < 0)
		return NULL;
	if (anchor)
		close_anchor(c, node);
	return node;
}

static struct node *compose(struct composer *c, const yaml_event_t *event, unsigned depth)
{
	if (event->type == YAML_ALIAS_EVENT)
		return compose_alias(c, event, depth);
	if (event->type == YAML_SCALAR_EVENT)
		return compose_scalar(c, event);
	return compose_collection(c, event, depth);
}

static int second_document(struct composer *c, const struct position *pos)
{
	stop(c, pos, "a second YAML document begins here");
	return stop_hint(c, "all of it has to be one: take the line with --- away");
}

static int empty_file(struct composer *c)
{
	stop(c, &(struct position){.file = c->file, .line = 1, .column = 1}, "the file is empty");
	return stop_hint(c, "`shipit init` writes one that can be filled in");
}

/* The events around the nodes. A second document is one mistake, whatever is in it. */
static int compose_stream(struct composer *c)
{
	struct node *root = NULL;

	for (;;) {
		yaml_event_t event;
		int result = 0;

		if (next_event(c, &event) < 0)
			return -1;
		yaml_event_type_t type = event.type;
		struct position pos = position_of(c, &event.start_mark);
		if (type == YAML_DOCUMENT_START_EVENT && root)
			result = second_document(c, &pos);
		else if (type >= YAML_ALIAS_EVENT && type <= YAML_MAPPING_START_EVENT)
			result = (root = compose(c, &event, 1)) ? 0 : -1;
		yaml_event_delete(&event);
		if (result < 0)
			return -1;
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	if (!root || root->kind == NODE_NULL)
		return empty_file(c);
	c->yaml->root = root;
	return 0;
}

static void composer_release(struct composer *c)
{
	for (size_t i = 0; i < c->n_anchors; i++)
		free(c->anchors[i].name);
	free(c->anchors);
	yaml_parser_delete(&c->parser);
}

int yaml_parse(
    const char *text, size_t len, const char *file, struct problems *problems, struct yaml *ret)
{
	struct composer c = {
	    .text = text, .len = len, .file = file, .problems = problems, .yaml = ret};

	*ret = (struct yaml){0};
	if (len > YAML_MAX_BYTES)
		return problem_add(problems,
		    &(struct position){.file = file, .line = 1, .column = 1},
		    "the file is longer than %d bytes", YAML_MAX_BYTES);
	if (problems_text(problems, file, text, len) < 0 || !yaml_parser_initialize(&c.parser))
		return -1;
	yaml_parser_set_input_string(&c.parser, (const unsigned char *)text, len);
	if (compose_stream(&c) < 0)
		ret->root = NULL;
	composer_release(&c);
	return c.no_memory ? -1 : 0;
}

void yaml_release(struct yaml *yaml)
{
	for (struct node *node = yaml->nodes, *next; node; node = next) {
		next = node->next;
		free(node->text);
		free(node->note);
		free(node->items);
		free(node->entries);
		free(node);
	}
	*yaml = (struct yaml){0};
}
