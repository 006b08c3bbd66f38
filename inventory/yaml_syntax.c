/* What is wrong with a file that is no YAML, in the words of somebody who writes one. libyaml says
 * where it stopped and what its grammar wanted there; the slip itself is often a line above. */
#include <string.h>

#include "inventory/place.h"
#include "inventory/problems.h"
#include "inventory/yaml_internal.h"

/* A line without its indentation and what ends it. */
struct line {
	int number; /* 0: there is none */
	const char *at;
	size_t len;
	int indent;
};

struct slip {
	const yaml_parser_t *parser;
	struct problems *problems;
	struct position pos;
	const char *at;		  /* where it stopped */
	struct line here, before; /* its line, and the nearest above that says something */
};

static struct line line_of(const struct place *place)
{
	struct line line = {.number = place->line, .at = place->line_start};

	while (*line.at == ' ')
		line.at++, line.indent++;
	while (line.at[line.len] && place_break(line.at + line.len) == 0)
		line.len++;
	while (line.len > 0 && strchr(" \t", line.at[line.len - 1]))
		line.len--;
	return line;
}

/* Line `number`, and the nearest above it that says something. */
static void find_lines(const char *text, int number, struct line *ret, struct line *ret_before)
{
	struct place place = place_begin(text);

	*ret = *ret_before = (struct line){.at = text};
	for (int i = 1; i <= number; i++) {
		if (ret->len > 0 && ret->at[0] != '#')
			*ret_before = *ret;
		place_go(&place, &(struct position){.line = i, .column = 1});
		*ret = line_of(&place);
	}
}

/* The words of a line before its first ":" or "=", without "- "; 0: there are none. */
static size_t key_length(const struct line *line, size_t *ret_from)
{
	size_t from = 0, n;

	while (from + 1 < line->len && line->at[from] == '-' && line->at[from + 1] == ' ')
		from += 2;
	n = from;
	while (n < line->len && !strchr(":= \t\"'{}[],#&*", line->at[n]))
		n++;
	*ret_from = from;
	return n - from;
}

static void go_to(struct slip *s, const struct line *line, size_t offset)
{
	s->pos.line = line->number;
	s->pos.column = line->indent + 1;
	for (size_t i = 0; i < offset; i++)
		s->pos.column += !place_inside(line->at + i);
}

static int say(struct slip *s, const char *text, const char *hint)
{
	if (problem_add(s->problems, &s->pos, "%s", text) < 0)
		return -1;
	return hint ? problem_hint(s->problems, "%s", hint) : 0;
}

/* ---- a line above that is no key and value ---- */

/* "image:nginx", which is one word to YAML. 1: it was that. */
static int missing_space(struct slip *s, const struct line *line)
{
	size_t from = 0, n = line->number > 0 ? key_length(line, &from) : 0, colon = from + n;
	char shown[SHOWN_SIZE], value[SHOWN_SIZE];

	if (n == 0 || colon + 1 >= line->len || line->at[colon] != ':' ||
	    strchr(" \t/:", line->at[colon + 1]))
		return 0;
	CLEANUP_FREE char *key = strndup(line->at + from, n);
	CLEANUP_FREE char *rest = strndup(line->at + colon + 1, line->len - colon - 1);
	if (!key || !rest)
		return -1;
	go_to(s, line, colon + 1);
	if (problem_add(s->problems, &s->pos, "a space is missing after \"%s:\"",
		show_text(shown, key)) < 0 ||
	    problem_hint(s->problems, "write `%s: %s`", shown, show_text(value, rest)) < 0)
		return -1;
	return 1;
}

/* "web" or "image = nginx" on a line of its own. 1: it was that. */
static int missing_colon(struct slip *s, const struct line *line)
{
	size_t from = 0, n = line->number > 0 ? key_length(line, &from) : 0, end = from + n;
	char shown[SHOWN_SIZE];

	while (n > 0 && end < line->len && line->at[end] == ' ')
		end++;
	if (n == 0 || (end < line->len && line->at[end] != '='))
		return 0;
	CLEANUP_FREE char *key = strndup(line->at + from, n);
	if (!key)
		return -1;
	go_to(s, line, from + n);
	if (problem_add(s->problems, &s->pos, "a colon is missing after \"%s\"",
		show_text(shown, key)) < 0 ||
	    problem_hint(s->problems,
		end < line->len ? "write `%s: ` instead of \"%s =\"" : "write `%s:`", shown,
		shown) < 0)
		return -1;
	return 1;
}

/* "LEVEL info" among keys, more of a text, or of a key, to YAML. 1: it was that. */
static int missing_colon_between(struct slip *s, const struct line *line)
{
	size_t from = 0, n = line->number > 0 ? key_length(line, &from) : 0, rest = from + n;
	char shown[SHOWN_SIZE], value[SHOWN_SIZE];

	while (n > 0 && rest < line->len && line->at[rest] == ' ')
		rest++;
	if (rest == from + n || rest == line->len || memchr(line->at, ':', line->len))
		return 0;
	CLEANUP_FREE char *key = strndup(line->at + from, n);
	CLEANUP_FREE char *text = strndup(line->at + rest, line->len - rest);
	if (!key || !text)
		return -1;
	go_to(s, line, from + n);
	if (problem_add(s->problems, &s->pos, "a colon is missing after \"%s\"",
		show_text(shown, key)) < 0 ||
	    problem_hint(s->problems,
		"write `%s: %s`; what goes on from the line above is indented deeper", shown,
		show_text(value, text)) < 0)
		return -1;
	return 1;
}

/* ---- what libyaml wanted ---- */

static bool wanted(const struct slip *s, const char *problem)
{
	return s->parser->problem && strstr(s->parser->problem, problem);
}

static bool doing(const struct slip *s, const char *context)
{
	return s->parser->context && strstr(s->parser->context, context);
}

/* A colon that makes no key. */
static int explain_colon(struct slip *s)
{
	const char *first = memchr(s->here.at, ':', s->here.len);
	int done;

	if (first && first < s->at)
		return say(s, "a second \": \" in one line begins no new key here",
		    "put the whole value in quotes");
	if ((done = missing_space(s, &s->before)) != 0 ||
	    (done = missing_colon(s, &s->before)) != 0)
		return done < 0 ? -1 : 0;
	if (s->here.indent == s->before.indent &&
	    (done = missing_colon_between(s, &s->before)) != 0)
		return done < 0 ? -1 : 0;
	go_to(s, &s->here, 0);
	if (s->here.indent > s->before.indent)
		return say(s,
		    "this line is indented deeper than the one before it, which has its value "
		    "already",
		    "keys of one level begin in the same column");
	return say(s, "a key cannot stand here", "keys of one level begin in the same column");
}

/* Back to what stands at `at`, before where it stopped. */
static void go_back(struct slip *s, const char *text, const char *at)
{
	struct place place = place_begin(text), next = place;

	while (next.line_start <= at && next.line <= s->here.number) {
		place = next;
		place_go(&next, &(struct position){.line = place.line + 1, .column = 1});
	}
	while (place.at < at)
		place_go(
		    &place, &(struct position){.line = place.line, .column = place.column + 1});
	s->pos.line = place.line;
	s->pos.column = place.column;
}

/* A quote that was not closed ends at the next one, some lines below. 1: it was that. */
static int runaway_quote(struct slip *s)
{
	const char *text = problems_text_of(s->problems, s->pos.file), *at = s->at - 1, quote = *at;

	if (quote != '"' && quote != '\'')
		return 0;
	do
		at--;
	while (at >= text && *at != quote);
	if (at < text || at >= s->here.at)
		return 0;
	go_back(s, text, at);
	if (problem_add(s->problems, &s->pos, "the quote that begins here ends only in line %d",
		s->here.number) < 0 ||
	    problem_hint(s->problems, "write the same quote at the end of the value") < 0)
		return -1;
	return 1;
}

static int explain_no_key(struct slip *s)
{
	bool first = s->at <= s->here.at;
	int done;

	if (*s->at == '}' || *s->at == ']')
		return say(s, *s->at == '}' ? "one \"}\" too many" : "one \"]\" too many",
		    "take it away, or find where another one is missing");
	if (!first && (done = runaway_quote(s)) != 0)
		return done < 0 ? -1 : 0;
	if (!first)
		return say(s, "something stands after a closing quote",
		    "perhaps a quote before it was never closed; inside of '...' a quote is "
		    "written ''");
	if (*s->at == '-')
		return say(s, "a list item cannot stand here, among keys",
		    "the items of a list stand below their key, which has no other value");
	return say(s, "the indentation of this line fits no line above it",
	    "keys of one level begin in the same column");
}

static int explain_bracket(struct slip *s, const char *open, const char *close)
{
	const yaml_mark_t *from = &s->parser->context_mark;

	if (*s->at == '{' && s->at > s->here.at && s->at[-1] == '$')
		return say(s, "\"{\" and \"}\" have a meaning of their own in here",
		    "put a value with ${...} in quotes");
	if (problem_add(s->problems, &s->pos, "the \"%s\" of %zu:%zu is not closed before this",
		open, from->line + 1, from->column + 1) < 0)
		return -1;
	return problem_hint(s->problems, "a \"%s\" or a comma is missing", close);
}

static int explain_start(struct slip *s)
{
	if (*s->at == '\t')
		return say(s, "a tab cannot stand here", "use spaces");
	if (problem_add(s->problems, &s->pos, "a value without quotes cannot begin with \"%c\"",
		*s->at) < 0)
		return -1;
	return problem_hint(s->problems, "put the value in quotes");
}

static int explain_star(struct slip *s)
{
	bool alias = doing(s, "alias");

	s->pos.column--;
	if (problem_add(s->problems, &s->pos, "\"%c\" begins %s in YAML, and no name follows",
		alias ? '*' : '&', alias ? "an alias" : "an anchor") < 0)
		return -1;
	return problem_hint(s->problems, "put the value in quotes");
}

static int explain_escape(struct slip *s)
{
	char after = *s->at == '\\' ? s->at[1] : '\0';

	if (after <= ' ' || after > '~')
		return say(s, "a backslash that begins no escape, between double quotes",
		    "write \\\\ for a backslash, or use single quotes");
	if (problem_add(
		s->problems, &s->pos, "between double quotes \"\\%c\" is no escape", after) < 0)
		return -1;
	return problem_hint(s->problems, "write \\\\ for a backslash, or use single quotes");
}

static int explain_rest(struct slip *s)
{
	const yaml_parser_t *p = s->parser;
	const char *problem = p->problem ? p->problem : "it makes no sense";

	if (p->context_mark.line >= p->problem_mark.line || !p->context)
		return problem_add(s->problems, &s->pos, "not valid YAML: %s", problem);
	return problem_add(s->problems, &s->pos, "not valid YAML, %s that begins at line %zu: %s",
	    p->context, p->context_mark.line + 1, problem);
}

static int explain_simple_key(struct slip *s)
{
	struct line line, before;
	int done;

	find_lines(problems_text_of(s->problems, s->pos.file),
	    (int)s->parser->context_mark.line + 1, &line, &before);
	if ((done = missing_space(s, &line)) != 0 || (done = missing_colon(s, &line)) != 0 ||
	    (done = missing_colon_between(s, &line)) != 0)
		return done < 0 ? -1 : 0;
	return explain_rest(s);
}

static int explain(struct slip *s)
{
	if (s->here.len > 0 && s->here.at[0] == '\t') {
		go_to(s, &s->here, 0);
		return say(s, "this line is indented with a tab", "YAML takes spaces only");
	}
	if (wanted(s, "mapping values are not allowed"))
		return explain_colon(s);
	if (wanted(s, "could not find expected ':'"))
		return explain_simple_key(s);
	if (wanted(s, "did not find expected key"))
		return explain_no_key(s);
	if (wanted(s, "expected ',' or ']'"))
		return explain_bracket(s, "[", "]");
	if (wanted(s, "expected ',' or '}'"))
		return explain_bracket(s, "{", "}");
	if (wanted(s, "cannot start any token"))
		return explain_start(s);
	if (wanted(s, "expected alphabetic or numeric") &&
	    (doing(s, "alias") || doing(s, "anchor")))
		return explain_star(s);
	if (wanted(s, "unknown escape character"))
		return explain_escape(s);
	if (wanted(s, "expected '-' indicator"))
		return say(s, "a list item begins with \"- \", and this line does not",
		    "write all of them as items, or all of them as `key: value`");
	if (wanted(s, "block sequence entries are not allowed"))
		return say(s, "a list cannot begin here",
		    "begin it on the next line, or write it as [A, B]");
	if (wanted(s, "unexpected end of stream") && doing(s, "quoted")) {
		s->pos.line = (int)s->parser->context_mark.line + 1;
		s->pos.column = (int)s->parser->context_mark.column + 1;
		return say(s, "the quote that begins here is never closed",
		    "write the same quote at the end of the value");
	}
	if (wanted(s, "comment or line break") && doing(s, "block scalar"))
		return say(s, "after \"|\" or \">\" the line has to end",
		    "the text stands in the lines below, indented; or put it in quotes");
	return explain_rest(s);
}

int yaml_explain(const yaml_parser_t *parser, const char *file, struct problems *problems)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	const char *text = problems_text_of(problems, file);
	struct slip s = {
	    .parser = parser,
	    .problems = problems,
	    .pos = {.file = file, .line = (int)mark->line + 1, .column = (int)mark->column + 1},
	};
	struct place place = place_begin(text);

	place_go(&place, &s.pos);
	s.at = place.at;
	find_lines(text, s.pos.line, &s.here, &s.before);
	return explain(&s);
}
