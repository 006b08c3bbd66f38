#include "cmd/complain.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/ui/color.h"

enum { MESSAGE_MAX = 256 * 1024, NAMES_MAX = 12 };

/* What is behind "WORD: " when the message begins so. */
static const char *without(const char *message, const char *word)
{
	size_t len = word != NULL ? strlen(word) : 0;

	if (len > 0 && strncmp(message, word, len) == 0 && strncmp(message + len, ": ", 2) == 0)
		return message + len + 2;
	return message;
}

/* Every line after the first stands four columns in, so that it is seen to belong to it. */
static void print_lines(FILE *to, const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT(4 * MESSAGE_MAX);
	size_t len = strnlen(text, MESSAGE_MAX);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (text_clean(&clean, text, len, false) < 0)
		buf_clear(&clean);
	for (const char *at = clean.data; *at != '\0'; at++) {
		fputc(*at, to);
		if (*at == '\n')
			fputs("    ", to);
	}
	fputc('\n', to);
}

void complain_text(
    FILE *to, bool color, const char *host, const char *step, const char *message, const char *hint)
{
	message = without(without(message, host), step);
	fprintf(to, "%sshipit:%s ", hue_on(color, HUE_BAD), hue_off(color, HUE_BAD));
	if (host != NULL)
		fprintf(to, "%s: ", host);
	if (step != NULL)
		fprintf(to, "%s: ", step);
	print_lines(to, message);
	if (hint != NULL && *hint != '\0') {
		fputs("  hint: ", to);
		print_lines(to, hint);
	}
}

void complain(FILE *to, bool color, const char *host, const char *step, const struct error *error)
{
	complain_text(to, color, host, step, error_text(error), error->hint);
}

static bool same_error(const struct host_error *a, const struct host_error *b)
{
	return a->error->kind == b->error->kind &&
	       (a->step == b->step ||
		   (a->step != NULL && b->step != NULL && strcmp(a->step, b->step) == 0)) &&
	       strcmp(error_text(a->error), error_text(b->error)) == 0;
}

/* "web1, web2 and 3 more" of the hosts from `first` on that have its error; marks them as said. */
static char *who_says_so(const struct host_error *errors, size_t n, size_t first, bool *said)
{
	CLEANUP_BUF struct buf names = BUF_INIT((size_t)64 * 1024);
	size_t found = 0;

	for (size_t i = first; i < n; i++) {
		if (said[i] || !same_error(&errors[first], &errors[i]))
			continue;
		said[i] = true;
		if (found++ < NAMES_MAX)
			buf_addf(&names, "%s%s", found > 1 ? ", " : "", errors[i].host);
	}
	if (found > NAMES_MAX)
		buf_addf(&names, " and %zu more", found - NAMES_MAX);
	return buf_steal(&names);
}

void complain_hosts(FILE *to, bool color, const struct host_error *errors, size_t n)
{
	CLEANUP_FREE bool *said = calloc(n + 1, sizeof(*said));

	for (size_t i = 0; said != NULL && i < n; i++) {
		if (said[i] || errors[i].error->kind == ERROR_NONE)
			continue;
		CLEANUP_FREE char *who = who_says_so(errors, n, i, said);
		complain(to, color, who, errors[i].step, errors[i].error);
	}
}

/* Files in the current folder go by their short name. */
static const char *short_path(const char *file, const char *cwd)
{
	size_t len = strlen(cwd);

	if (len > 1 && strncmp(file, cwd, len) == 0 && file[len] == '/')
		return file + len + 1;
	return file;
}

enum { QUOTES_MAX = 40, INDENT = 4, QUOTE_WIDTH = 80 - INDENT, BEFORE_MAX = 50 };

/* As much of its end as fits into BEFORE_MAX columns. */
static const char *tail(const char *text)
{
	while (text_width(text) > BEFORE_MAX)
		do
			text++;
		while (((unsigned char)*text & 0xc0) == 0x80);
	return text;
}

/* The line that is meant, cut where it is long, and a caret below the place. */
static void print_quote(FILE *to, bool color, enum hue hue, const struct problem *problem)
{
	CLEANUP_BUF struct buf shown = BUF_INIT(MESSAGE_MAX);
	CLEANUP_FREE char *head = strndup(problem->quote, problem->quote_at);
	CLEANUP_FREE char *before = text_cleaned(head);
	CLEANUP_FREE char *rest = text_cleaned(problem->quote + problem->quote_at);
	const char *from;
	size_t column;

	if (before == NULL || rest == NULL)
		return;
	from = text_width(before) + text_width(rest) > QUOTE_WIDTH ? tail(before) : before;
	column = text_width(from) + (from > before);
	if (text_fit(&shown, rest, QUOTE_WIDTH - column, false) < 0)
		return;
	fprintf(to, "%*s%s%s%s\n", INDENT, "", from > before ? "~" : "", from, shown.data);
	fprintf(
	    to, "%*s%s^%s\n", INDENT + (int)column, "", hue_on(color, hue), hue_off(color, hue));
}

static void print_problem(FILE *to, bool color, const char *label, const struct problem *problem,
    const char *cwd, bool whole)
{
	CLEANUP_FREE char *text = text_cleaned(problem->text), *hint = text_cleaned(problem->hint);
	CLEANUP_FREE char *file = text_cleaned(short_path(problem->pos.file, cwd));
	enum hue hue = *label != '\0' ? HUE_WARN : HUE_BAD;

	fputs(hue_on(color, HUE_STRONG), to);
	fputs(file != NULL ? file : "?", to);
	if (problem->pos.line > 0)
		fprintf(to, ":%d:%d", problem->pos.line, problem->pos.column);
	fprintf(to, ":%s %s%s", hue_off(color, HUE_STRONG), label,
	    text != NULL ? text : "out of memory");
	if (hint != NULL && !whole)
		fprintf(to, "; %s", hint);
	fputc('\n', to);
	if (!whole)
		return;
	if (problem->quote != NULL)
		print_quote(to, color, hue, problem);
	if (hint != NULL)
		fprintf(to, "  hint: %s\n", hint);
}

void complain_problems(FILE *to, bool color, const char *label, const struct problems *problems)
{
	char cwd[PATH_MAX];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		cwd[0] = '\0';
	for (size_t i = 0; i < problems->n; i++)
		print_problem(to, color, label, &problems->v[i], cwd, i < QUOTES_MAX);
}
