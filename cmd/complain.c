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

static void print_problem(
    FILE *to, bool color, const char *label, const struct problem *problem, const char *cwd)
{
	char *text = text_cleaned(problem->text), *hint = text_cleaned(problem->hint);
	char *file = text_cleaned(short_path(problem->pos.file, cwd));

	fputs(hue_on(color, HUE_STRONG), to);
	fputs(file != NULL ? file : "?", to);
	if (problem->pos.line > 0)
		fprintf(to, ":%d:%d", problem->pos.line, problem->pos.column);
	fprintf(to, ":%s %s%s", hue_off(color, HUE_STRONG), label,
	    text != NULL ? text : "out of memory");
	if (hint != NULL)
		fprintf(to, "; %s", hint);
	fputc('\n', to);
	free(text);
	free(hint);
	free(file);
}

void complain_problems(FILE *to, bool color, const char *label, const struct problems *problems)
{
	char cwd[PATH_MAX];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		cwd[0] = '\0';
	for (size_t i = 0; i < problems->n; i++)
		print_problem(to, color, label, &problems->v[i], cwd);
}
