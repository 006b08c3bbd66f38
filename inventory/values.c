#include "inventory/values.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "inventory/hints.h"
#include "inventory/interpolate.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"
#include "inventory/traps.h"
#include "inventory/words.h"

int set_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

int read_string(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	const char *text;
	int got = scalar_text(r, value, "a text", &text);

	if (got <= 0)
		return got;
	return warn_trap(r, value) < 0 ? -1 : set_string(field, text);
}

int read_text(struct reader *r, const struct node *value, void *field, const void *arg)
{
	if (value->kind == NODE_SCALAR && !value->bad && !*value->text)
		return mistake(r, value, "expected a text, this is empty") < 0
			   ? -1
			   : hint_empty(r, value);
	return read_string(r, value, field, arg);
}

int read_bool(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	const char *text;
	int got = scalar_text(r, value, "true or false", &text);

	if (got <= 0)
		return got;
	return parse_bool(text, field) ? 0 : mistake_value(r, value, "true or false");
}

int read_delay(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "a duration such as 30s, 500ms or 1m30s";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (parse_duration(text, field) == 0)
		return 0;
	if (mistake_value(r, value, expected) < 0)
		return -1;
	return *text && !text[strspn(text, "0123456789.")]
		   ? mistake_hint(r, "its unit is missing: write %ss", text)
		   : 0;
}

int read_duration(struct reader *r, const struct node *value, void *field, const void *arg)
{
	int64_t ms = -1, *out = field;

	if (read_delay(r, value, &ms, arg) < 0)
		return -1;
	if (ms == 0)
		return mistake_value(r, value, "a duration longer than 0");
	if (ms > 0)
		*out = ms;
	return 0;
}

static int mistake_number(struct reader *r, const struct node *value, const char *expected)
{
	char what[TRAP_SIZE];

	if (mistake_value(r, value, expected) < 0)
		return -1;
	return !value->quoted && yaml_trap(value->text, what)
		   ? mistake_hint(r, "if it is to be %s, write it with digits only", what)
		   : 0;
}

/* A number of at most five digits, and its unit. */
static int parse_age(const char *text, int64_t *ret_s)
{
	static const char units[] = "hdw";
	static const int64_t seconds[] = {3600, 86400, 7 * 86400};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] != '\0' ? strchr(units, text[digits]) : NULL;
	int64_t number = 0;

	if (digits == 0 || digits > 5 || *text == '0' || unit == NULL || text[digits + 1] != '\0')
		return -1;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (text[i] - '0');
	*ret_s = number * seconds[unit - units];
	return 0;
}

int read_age(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "an age such as 14d, 36h or 2w";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return parse_age(text, field) == 0 ? 0 : mistake_value(r, value, expected);
}

int read_count(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct range *range = arg;
	char expected[64];
	const char *text;
	int number;

	snprintf(
	    expected, sizeof(expected), "a whole number from %d to %d", range->least, range->most);
	int got = scalar_text(r, value, expected, &text);
	if (got <= 0)
		return got;
	if (parse_int(text, range->least, range->most, &number) < 0)
		return mistake_number(r, value, expected);
	*(int *)field = number;
	return warn_number_trap(r, value, number);
}

int read_choice(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const struct choices *choices = arg;
	unsigned *out = field;
	const char *text;
	int got = scalar_text(r, value, choices->expected, &text);

	if (got <= 0)
		return got;
	for (size_t i = 0; i < choices->n; i++)
		if (strcmp(text, choices->names[i]) == 0) {
			*out = (unsigned)i;
			return 0;
		}
	return mistake_choice(r, value, choices->expected, choices->names, choices->n);
}

int each_text(
    struct reader *r, const struct node *value, const char *expected, item_fn *item, void *context)
{
	const char *text;

	if (value->kind == NODE_SCALAR && !value->bad)
		return warn_trap(r, value) < 0 ? -1 : item(r, value, value->text, context);
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, expected);
	for (size_t i = 0; i < value->n; i++) {
		int got = scalar_text(r, value->items[i], "a text", &text);

		if (got > 0 && warn_trap(r, value->items[i]) < 0)
			return -1;
		if (got > 0)
			got = item(r, value->items[i], text, context);
		if (got < 0)
			return -1;
	}
	return 0;
}

int each_form(struct reader *r, const struct node *value, const struct forms *forms, void *context)
{
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, forms->expected);
	for (size_t i = 0; i < value->n; i++) {
		const struct node *item = value->items[i];
		int result = item->bad			 ? 0
			     : item->kind == NODE_MAP	 ? forms->map(r, item, context)
			     : item->kind == NODE_SCALAR ? forms->text(r, item, context)
							 : mistake_kind(r, item, forms->item);
		if (result < 0)
			return -1;
	}
	return 0;
}

int read_path(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	char **out = field;
	const char *text;
	int got = scalar_text(r, value, "a file's name", &text);

	if (got <= 0)
		return got;
	if (!*text)
		return mistake_value(r, value, "a file's name");
	char *path = path_resolve(reader_dir(r, value), text, reader_variable(r, "HOME"));
	if (!path)
		return -1;
	free(*out);
	*out = path;
	return 0;
}

static int add_text(
    struct reader *r UNUSED, const struct node *item UNUSED, const char *text, void *context)
{
	return strv_add(context, text);
}

int read_list(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return each_text(r, value, "a list of texts", add_text, field);
}

int check_name(struct reader *r, const struct node *node, const char *what)
{
	char shown[SHOWN_SIZE];

	if (node->bad || text_is_name(node->text))
		return warn_trap(r, node);
	if (mistake(
		r, node, "\"%s\" cannot be the name of %s", show_text(shown, node->text), what) < 0)
		return -1;
	return mistake_hint(r, "a name has lower-case letters and digits, with single - or _ "
			       "between them, at most 40 in all");
}

/* ---- pairs ---- */

static int check_pair_key(struct reader *r, const struct node *node, const char *key,
    const struct pairs *pairs, const struct pairs_rule *rule)
{
	char shown[SHOWN_SIZE];

	show_text(shown, key);
	if (!*key)
		return mistake(r, node, "%s without a name", rule->what);
	if (strchr(key, '='))
		return mistake(
		    r, node, "the name of %s cannot hold \"=\": \"%s\"", rule->what, shown);
	if (rule->reserved && strncmp(key, rule->reserved, strlen(rule->reserved)) == 0)
		return mistake(r, node, "\"%s\": names that begin with \"%s\" are shipit's own",
		    shown, rule->reserved);
	if (pairs_find(pairs, key))
		return mistake(r, node, "\"%s\" is here twice", shown);
	return 1;
}

/* "APP ENV: x" is a name to YAML and to engines, and hardly ever meant. */
static int warn_name(
    struct reader *r, const struct node *node, const char *key, const struct pairs_rule *rule)
{
	char shown[SHOWN_SIZE];

	if (!rule->inherits || !strpbrk(key, " \t\r\n"))
		return 0;
	if (problem_add(&r->inv->warnings, &node->pos,
		"the name of %s has white space in it: \"%s\"", rule->what,
		show_text(shown, key)) < 0)
		return -1;
	return problem_hint(&r->inv->warnings, "write \"_\" instead, or KEY=VALUE without spaces "
					       "around the \"=\"");
}

static int set_pair(struct reader *r, const struct node *node, const char *key, const char *value,
    struct pairs *pairs, const struct pairs_rule *rule)
{
	int good = check_pair_key(r, node, key, pairs, rule);

	if (good <= 0)
		return good;
	if (warn_name(r, node, key, rule) < 0)
		return -1;
	if (!value && !rule->inherits)
		value = "";
	if (!value) {
		value = reader_variable(r, key);
		if (value && !text_is_utf8(value))
			return mistake(r, node, "the caller's value is not text in UTF-8");
	}
	return pairs_set(pairs, key, value);
}

static int set_entry(
    struct reader *r, const struct entry *entry, struct pairs *pairs, const struct pairs_rule *rule)
{
	const struct node *key = entry->key, *value = entry->value;

	if (value->bad)
		return 0;
	if (value->kind == NODE_MAP && rule->secrets) {
		int good = check_pair_key(r, key, key->text, pairs, rule);

		return good > 0 ? read_secret_pair(r, value, key->text, pairs) : good;
	}
	if (value->kind == NODE_MAP && node_find(value, "secret"))
		return mistake(r, value, "%s cannot be a secret: others can read it", rule->what);
	if (value->kind == NODE_LIST || value->kind == NODE_MAP)
		return mistake_kind(r, value, "a text");
	if (warn_trap(r, key) < 0 ||
	    (value->kind == NODE_SCALAR &&
		(rule->inherits ? warn_value_trap(r, key, value) : warn_trap(r, value)) < 0))
		return -1;
	return set_pair(
	    r, key, key->text, value->kind == NODE_NULL ? NULL : value->text, pairs, rule);
}

static int set_item(
    struct reader *r, const struct node *item, struct pairs *pairs, const struct pairs_rule *rule)
{
	const char *text;
	int got = scalar_text(r, item, "KEY=VALUE", &text);

	if (got <= 0)
		return got;
	const char *equals = strchr(text, '=');
	CLEANUP_FREE char *key = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	if (!key)
		return -1;
	return set_pair(r, item, key, equals ? equals + 1 : NULL, pairs, rule);
}

int read_pairs(struct reader *r, const struct node *value, void *field, const void *arg)
{
	if (value->kind != NODE_MAP && value->kind != NODE_LIST)
		return mistake_kind(r, value, "a mapping or a list of KEY=VALUE");
	for (size_t i = 0; i < value->n; i++) {
		int result = value->kind == NODE_MAP ? set_entry(r, &value->entries[i], field, arg)
						     : set_item(r, value->items[i], field, arg);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int split_text(struct reader *r, const struct node *value, struct strv *list)
{
	switch (words_split(value->text, list)) {
	case WORDS_OK:
		return 0;
	case WORDS_NO_MEMORY:
		return -1;
	case WORDS_QUOTE:
		return mistake(r, value, "a quote in the command is not closed") < 0
			   ? -1
			   : mistake_hint(r, "write \\' for a quote that is meant itself, or the "
					     "command as a list: [\"PROGRAM\", \"ARGUMENT\"]");
	case WORDS_BACKSLASH:
		return mistake(r, value, "the command ends with a backslash");
	case WORDS_OPERATOR:
		break;
	}
	if (mistake(r, value, "no shell runs this command, so ; & | < > need quotes") < 0)
		return -1;
	return mistake_hint(r, "for a shell write [\"sh\", \"-c\", \"...\"]");
}

int read_words(struct reader *r, const struct node *value, void *field, const void *arg)
{
	if (value->kind == NODE_LIST)
		return read_list(r, value, field, arg);
	if (value->kind != NODE_SCALAR || value->bad)
		return mistake_kind(r, value, "a command, as a text or a list");
	return split_text(r, value, field);
}
