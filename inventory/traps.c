#include "inventory/traps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inventory/problems.h"

enum { NUMBER_MAX = 64 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(const char *text)
{
	return strspn(text, "0123456789");
}

static bool say(char out[TRAP_SIZE], const char *text)
{
	snprintf(out, TRAP_SIZE, "%s", text);
	return true;
}

static bool number(char out[TRAP_SIZE], const char *text)
{
	snprintf(out, TRAP_SIZE, "the number %.30s", text);
	return true;
}

static bool whole(char out[TRAP_SIZE], uint64_t value, bool negative)
{
	snprintf(out, TRAP_SIZE, "the number %s%" PRIu64, negative ? "-" : "", value);
	return true;
}

/* https://yaml.org/type/bool.html, but for y and n: nobody reads those so. */
static bool is_word(const char *text, char out[TRAP_SIZE])
{
	static const char *const words[][2] = {{"yes", "no"}, {"Yes", "No"}, {"YES", "NO"},
	    {"on", "off"}, {"On", "Off"}, {"ON", "OFF"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (size_t k = 0; k < 2; k++)
			if (strcmp(text, words[i][k]) == 0) {
				return say(out, k == 0 ? "true" : "false");
			}
	return false;
}

/* 0755, 0o755, 0x1F, 0b101: `text` without sign and underscores. */
static bool is_other_base(const char *text, bool negative, char out[TRAP_SIZE])
{
	static const struct {
		const char *prefix, *digits;
		int base;
	} bases[] = {
	    {"0x", "0123456789abcdefABCDEF", 16},
	    {"0o", "01234567", 8},
	    {"0b", "01", 2},
	    {"0", "01234567", 8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		size_t len = strlen(bases[i].prefix);

		if (strncmp(text, bases[i].prefix, len) == 0 && text[len] &&
		    !text[len + strspn(text + len, bases[i].digits)])
			return whole(out, strtoull(text + len, NULL, bases[i].base), negative);
	}
	/* 089 is octal to nobody, and 89 to some. */
	if (text[0] == '0' && is_digit(text[1]) && !text[digits(text)])
		return whole(out, strtoull(text, NULL, 10), negative);
	return false;
}

/* 22:22 and 1:30:00, to the base of 60: https://yaml.org/type/int.html */
static bool is_sexagesimal(const char *text, bool negative, char out[TRAP_SIZE])
{
	size_t n = digits(text);
	uint64_t value = strtoull(text, NULL, 10);

	if (n == 0 || n > 9 || text[0] == '0' || text[n] != ':')
		return false;
	for (text += n; *text == ':'; text += n + 1) {
		n = digits(text + 1);
		if (n == 0 || n > 2 || (n == 2 && text[1] > '5'))
			return false;
		value = value * 60 + strtoull(text + 1, NULL, 10);
	}
	return !*text && whole(out, value, negative);
}

/* 2024-01-31, alone or before a time. */
static bool is_date(const char *text, char out[TRAP_SIZE])
{
	size_t month = digits(text) == 4 && text[4] == '-' ? digits(text + 5) : 0;
	size_t day =
	    month == 1 || month == 2 ? (text[5 + month] == '-' ? digits(text + 6 + month) : 0) : 0;
	const char *rest = day == 1 || day == 2 ? text + 6 + month + day : "x";

	if (*rest &&
	    (!strchr("Tt ", *rest) || digits(rest + 1) == 0 || rest[1 + digits(rest + 1)] != ':'))
		return false;
	return say(out, "a date");
}

/* 3.10, 1e3, .5, +5 and numbers too long for 64 bits: `text` without underscores. */
static bool is_other_number(const char *text, char out[TRAP_SIZE])
{
	const char *at = text + (*text == '-' || *text == '+');
	size_t left = digits(at), right = at[left] == '.' ? digits(at + left + 1) : 0;
	const char *rest = at + left + (at[left] == '.') + right;
	bool point = at[left] == '.', power = *rest == 'e' || *rest == 'E';
	char shown[NUMBER_MAX];

	if (left + right == 0)
		return false;
	if (power) {
		rest += 1 + (rest[1] == '-' || rest[1] == '+');
		if (digits(rest) == 0)
			return false;
		rest += digits(rest);
	}
	if (*rest)
		return false;
	if (!point && !power && left <= 19)
		return *text == '+' && number(out, at);
	snprintf(shown, sizeof(shown), "%.15g", strtod(text, NULL));
	return strcmp(shown, text) != 0 && number(out, shown);
}

static bool is_special(const char *text, char out[TRAP_SIZE])
{
	const char *name = text + (*text == '-' || *text == '+');

	if (strcasecmp(name, ".inf") == 0)
		return say(out, "infinity");
	if (strcasecmp(text, ".nan") == 0)
		return say(out, "no number");
	if (strcmp(text, "=") == 0) {
		return say(out, "a mistake");
	}
	return false;
}

bool yaml_trap(const char *text, char out[TRAP_SIZE])
{
	char plain[NUMBER_MAX] = "";
	size_t len = 0;
	bool negative = *text == '-', underscores = false;

	if (is_word(text, out) || is_special(text, out) || is_date(text, out))
		return true;
	if (yaml_is_null(text) && *text) {
		return say(out, "nothing");
	}
	char first = text[*text == '-' || *text == '+'];
	if (!is_digit(first) && first != '.')
		return false;
	for (const char *c = text; *c; c++) {
		if (len + 1 == sizeof(plain))
			return false;
		if (*c != '_')
			plain[len++] = *c;
		underscores = underscores || *c == '_';
	}
	plain[len] = '\0';
	const char *unsigned_text = plain + (*plain == '-' || *plain == '+');
	if (is_other_base(unsigned_text, negative, out) ||
	    is_sexagesimal(unsigned_text, negative, out) || is_other_number(plain, out))
		return true;
	/* 1_000, and no 1_a. */
	return underscores && !unsigned_text[digits(unsigned_text)] && number(out, plain);
}

static int warn(struct reader *r, const struct node *node, const char *what)
{
	char shown[SHOWN_SIZE];

	return problem_add(&r->inv->warnings, &node->pos,
	    "some readers of YAML take %s without quotes for %s", show_text(shown, node->text),
	    what);
}

int warn_trap(struct reader *r, const struct node *node)
{
	char what[TRAP_SIZE], shown[SHOWN_SIZE];

	if (node->quoted || !node->text || !yaml_trap(node->text, what))
		return 0;
	if (warn(r, node, what) < 0)
		return -1;
	return problem_hint(&r->inv->warnings, "write \"%s\"", show_text(shown, node->text));
}

int warn_value_trap(struct reader *r, const struct node *key, const struct node *value)
{
	char what[TRAP_SIZE], shown[SHOWN_SIZE];

	if (value->quoted || !value->text || !yaml_trap(value->text, what))
		return 0;
	if (problem_add(&r->inv->warnings, &value->pos,
		"some readers of YAML take the value of `%s` without quotes for %s",
		show_text(shown, key->text),
		strncmp(what, "the number", strlen("the number")) == 0 ? "another number" : what) <
	    0)
		return -1;
	problem_hide(&r->inv->warnings);
	return problem_hint(&r->inv->warnings, "put it in quotes");
}

int warn_number_trap(struct reader *r, const struct node *node, long number)
{
	char what[TRAP_SIZE];

	if (node->quoted || !node->text || !yaml_trap(node->text, what))
		return 0;
	if (warn(r, node, what) < 0)
		return -1;
	return problem_hint(&r->inv->warnings, "write %ld", number);
}
