#include "inventory/envfile.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "inventory/problems.h"

struct envfile {
	char *at; /* what is left; NUL-terminated */
	int line;
	const char *file;
	const struct variables *outer;
	struct pairs here;
	struct problems *problems;
};

static const char *get_variable(void *context, const char *name)
{
	const struct envfile *f = context;
	const char *value = f->outer->get(f->outer->context, name);
	const struct pair *pair = value ? NULL : pairs_find(&f->here, name);

	return pair ? pair->value : value;
}

static int mistake(const struct envfile *f, int line, const char *format, ...) PRINTF_LIKE(3, 4);

static int mistake(const struct envfile *f, int line, const char *format, ...)
{
	struct position pos = {.file = f->file, .line = line, .column = 1};
	va_list args;

	va_start(args, format);
	int result = problem_vadd(f->problems, &pos, format, args);
	va_end(args);
	return result;
}

static void skip_line(struct envfile *f)
{
	f->at += strcspn(f->at, "\n");
}

static void skip_blanks(struct envfile *f)
{
	f->at += strspn(f->at, " \t\r\v\f");
}

/* To the first byte of the next assignment; false at the end of the file. */
static bool next_assignment(struct envfile *f)
{
	for (;;) {
		skip_blanks(f);
		if (*f->at == '#')
			skip_line(f);
		if (*f->at != '\n')
			break;
		f->at++;
		f->line++;
	}
	if (strncmp(f->at, "export", 6) == 0 && (f->at[6] == ' ' || f->at[6] == '\t')) {
		f->at += 6;
		skip_blanks(f);
	}
	return *f->at != '\0';
}

static int set(struct envfile *f, const char *key, const char *value)
{
	return pairs_set(&f->here, key, value);
}

static int set_interpolated(struct envfile *f, int line, const char *key, const char *text)
{
	struct variables variables = {f, get_variable};
	CLEANUP_BUF struct buf out = BUF_INIT(INTERPOLATE_MAX);
	CLEANUP_BUF struct buf why = BUF_INIT(INTERPOLATE_MAX);
	CLEANUP_STRV struct strv unset = {0};
	char shown[SHOWN_SIZE];

	switch (interpolate(text, &variables, &out, &unset, &why)) {
	case INTERPOLATE_NO_MEMORY:
		return -1;
	case INTERPOLATE_MISTAKE:
		return mistake(f, line, "`%s`: %s", show_text(shown, key), why.data) < 0
			   ? -1
			   : problem_hint(f->problems, "between single quotes all is literal");
	case INTERPOLATED:
		break;
	}
	if (unset.n == 0)
		return set(f, key, out.data);
	if (mistake(f, line, "`%s`: variable `%s` is not set", show_text(shown, key), unset.v[0]) <
	    0)
		return -1;
	return problem_hint(
	    f->problems, "where a dollar sign is meant, put the value between single quotes");
}

static bool is_blank(char c)
{
	return c != '\0' && strchr(" \t\r\v\f", c);
}

static int read_plain(struct envfile *f, const char *key)
{
	char *value = f->at, *end;

	skip_line(f);
	for (end = value; end < f->at; end++)
		if (is_blank(end[0]) && end[1] == '#')
			break;
	while (end > value && is_blank(end[-1]))
		end--;
	while (value < end && is_blank(*value))
		value++;
	char saved = *end;
	*end = '\0';
	int result = set_interpolated(f, f->line, key, value);
	*end = saved;
	return result;
}

/* Decode the escapes of a text between double quotes, in place; what is no escape stays. */
static void decode_escapes(char *text)
{
	static const char from[] = "abfnrtv\\\"", to[] = "\a\b\f\n\r\t\v\\\"";
	char *out = text;

	for (const char *in = text; *in; in++) {
		const char *found = *in == '\\' && in[1] ? strchr(from, in[1]) : NULL;

		if (*in == '\\' && in[1] == '$') {
			*out++ = '$'; /* "\$" becomes "$$", which interpolation makes "$" */
			*out++ = *++in;
		} else if (found) {
			*out++ = to[found - from];
			in++;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* From after the opening quote to the closing one, which is overwritten with NUL; NULL when there
 * is none. A backslash before the quote keeps it; in a double-quoted text that is left to
 * decode_escapes. CR LF becomes LF. */
static char *cut_quoted(struct envfile *f, char quote)
{
	char *out = f->at, *in = f->at;

	for (; *in && *in != quote; in++) {
		if (*in == '\n')
			f->line++;
		if (*in == '\r' && in[1] == '\n')
			continue;
		if (*in == '\\' && (in[1] == quote || in[1] == '\\')) {
			if (quote == '"' || in[1] == '\\')
				*out++ = *in;
			in++;
		}
		*out++ = *in;
	}
	char *value = *in ? f->at : NULL;
	f->at = *in ? in + 1 : in;
	*out = '\0';
	return value;
}

static int read_quoted(struct envfile *f, const char *key)
{
	char quote = *f->at++;
	int line = f->line;
	char *value = cut_quoted(f, quote);
	char shown[SHOWN_SIZE];

	if (!value)
		return mistake(
		    f, line, "`%s`: the quote %c is not closed", show_text(shown, key), quote);
	skip_blanks(f);
	if (*f->at && *f->at != '\n' && *f->at != '#') {
		skip_line(f);
		return mistake(f, f->line, "`%s`: there is something after the closing quote",
		    show_text(shown, key));
	}
	skip_line(f);
	if (quote == '\'')
		return set(f, key, value);
	decode_escapes(value);
	return set_interpolated(f, line, key, value);
}

/* A key without a value takes the caller's. */
static int inherit(struct envfile *f, const char *key)
{
	const char *value = f->outer->get(f->outer->context, key);
	char shown[SHOWN_SIZE];

	skip_line(f);
	if (!value)
		return 0;
	if (!text_is_utf8(value))
		return mistake(
		    f, f->line, "the value of `%s` is not text in UTF-8", show_text(shown, key));
	return set(f, key, value);
}

/* Letters of any language, digits and "_.-[]". */
static bool is_key(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x80 && !isalnum((unsigned char)*text) &&
		    !strchr("_.-[]", *text))
			return false;
	return true;
}

static int read_assignment(struct envfile *f)
{
	size_t len = strcspn(f->at, "=:# \t\r\n\v\f\"'");
	CLEANUP_FREE char *key = strndup(f->at, len);

	if (!key)
		return -1;
	f->at += len;
	skip_blanks(f);
	if (len > 0 && is_key(key) && (*f->at == '\0' || *f->at == '\n' || *f->at == '#'))
		return inherit(f, key);
	if (len == 0 || !is_key(key) || (*f->at != '=' && *f->at != ':')) {
		skip_line(f);
		return mistake(f, f->line, "expected KEY=VALUE");
	}
	f->at++;
	const char *value = f->at + strspn(f->at, " \t");
	if (*value != '"' && *value != '\'')
		return read_plain(f, key);
	skip_blanks(f);
	return read_quoted(f, key);
}

int envfile_parse(char *text, size_t len, const char *file, const struct variables *variables,
    struct pairs *out, struct problems *problems)
{
	struct envfile f = {
	    .at = text, .line = 1, .file = file, .outer = variables, .problems = problems};
	int result = 0;

	if (strlen(text) != len)
		return mistake(&f, 1, "a NUL character is in the file");
	if (!text_is_utf8(text))
		return mistake(&f, 1, "the file is not text in UTF-8");
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		f.at += 3;
	while (result == 0 && next_assignment(&f))
		result = read_assignment(&f);
	if (result == 0)
		result = pairs_set_all(out, &f.here);
	pairs_release(&f.here);
	return result;
}
