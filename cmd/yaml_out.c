#include "cmd/yaml_out.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Letters, digits and a few signs inside, and no word that YAML reads as something else. */
static bool is_plain(const char *text)
{
	static const char *const taken[] = {
	    "true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"};

	if (!isalpha((unsigned char)text[0]) && text[0] != '/')
		return false;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcasecmp(text, taken[i]) == 0)
			return false;
	for (const char *at = text; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && strchr("_-./@+", *at) == NULL)
			return false;
	return true;
}

/* JSON's quoting is YAML's double quotes; ASCII only, so that a terminal is safe. */
static void print_text(const char *text, FILE *out)
{
	json_t *value;

	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	value = json_string(text);
	if (value != NULL)
		json_dumpf(value, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(value);
}

static void print_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		print_text(json_string_value(value), out);
	else
		json_dumpf(value, out, JSON_ENCODE_ANY);
}

static bool is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static void print_list(const json_t *list, FILE *out)
{
	fputs(" [", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		fputs(i > 0 ? ", " : "", out);
		print_scalar(json_array_get(list, i), out);
	}
	fputc(']', out);
}

static void end_line(const json_t *comment, FILE *out)
{
	if (json_is_string(comment))
		fprintf(out, "  # %s", json_string_value(comment));
	fputc('\n', out);
}

static void print_map(json_t *map, const json_t *comments, FILE *out, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach(map, key, value)
	{
		const json_t *comment = json_object_get(comments, key);

		fprintf(out, "%*s", 2 * depth, "");
		print_text(key, out);
		fputc(':', out);
		if (json_is_array(value)) {
			print_list(value, out);
			end_line(comment, out);
		} else if (is_scalar(value)) {
			fputc(' ', out);
			print_scalar(value, out);
			end_line(comment, out);
		} else if (json_object_size(value) == 0) {
			fputs(" {}\n", out);
		} else {
			fputc('\n', out);
			print_map(value, comment, out, depth + 1);
		}
	}
}

void yaml_print(json_t *value, const json_t *comments, FILE *out)
{
	print_map(value, comments, out, 0);
}
