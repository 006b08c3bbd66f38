#include "deploy/dockerfile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

struct parser {
	struct dockerfile *out;
	const struct pairs *args; /* given from outside */
	struct pairs globals;	  /* ARG before the first FROM */
	struct strv stages;	  /* their names, "" where there is none */
};

/* --- lines */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line of [*at, end) without its newline; false at the end. */
static bool next_line(const char **at, const char *end, const char **ret, size_t *ret_len)
{
	const char *newline;

	if (*at >= end)
		return false;
	newline = memchr(*at, '\n', (size_t)(end - *at));
	*ret = *at;
	*ret_len = (size_t)((newline != NULL ? newline : end) - *at);
	*at = newline != NULL ? newline + 1 : end;
	while (*ret_len > 0 && is_space((*ret)[*ret_len - 1]))
		--*ret_len;
	while (*ret_len > 0 && is_space(**ret)) {
		++*ret;
		--*ret_len;
	}
	return true;
}

/* An instruction, its continuations joined: 1, 0 at the end, -1 out of memory. */
static int next_instruction(const char **at, const char *end, struct buf *out)
{
	const char *line;
	size_t len;

	buf_clear(out);
	while (next_line(at, end, &line, &len)) {
		bool goes_on = len > 0 && line[len - 1] == '\\';

		if (len == 0 || *line == '#')
			continue;
		if (buf_add(out, line, goes_on ? len - 1 : len) < 0 || buf_addc(out, ' ') < 0)
			return -1;
		if (!goes_on)
			return 1;
	}
	return out->len > 0 ? 1 : 0;
}

/* Another escape character, which is said in a comment at the top. */
static bool has_escape(const char *text, size_t len)
{
	const char *at = text, *line;
	size_t n;

	while (next_line(&at, text + len, &line, &n) && n > 0 && *line == '#') {
		for (line++, n--; n > 0 && is_space(*line); line++, n--)
			continue;
		if (n > 6 && strncasecmp(line, "escape", 6) == 0)
			return true;
	}
	return false;
}

/* --- variables */

static const char *variable(const struct parser *p, const char *name)
{
	const struct pair *global = pairs_find(&p->globals, name);
	const struct pair *given = pairs_find(p->args, name);

	if (global == NULL)
		return NULL;
	return given != NULL && given->value != NULL ? given->value : global->value;
}

/* $NAME, ${NAME} or ${NAME:-VALUE} at *at, which is moved behind it. 0: it is something else. */
static int add_variable(const struct parser *p, const char **at, struct buf *out)
{
	bool braces = (*at)[1] == '{';
	const char *name = *at + 1 + braces, *end = name, *rest;
	CLEANUP_FREE char *key = NULL, *otherwise = NULL;
	const char *value;

	while (isalnum((unsigned char)*end) || *end == '_')
		end++;
	key = strndup(name, (size_t)(end - name));
	rest = end;
	if (braces && strncmp(end, ":-", 2) == 0) {
		rest = end + strcspn(end, "}");
		otherwise = strndup(end + 2, (size_t)(rest - end) - 2);
	}
	if (key == NULL || (rest != end && otherwise == NULL))
		return -1;
	if (end == name || (braces && *rest != '}') ||
	    (otherwise != NULL && strchr(otherwise, '$') != NULL))
		return 0;
	value = variable(p, key);
	if (value == NULL || *value == '\0')
		value = otherwise;
	if (value == NULL)
		return 0;
	*at = rest + braces;
	return buf_adds(out, value) < 0 ? -1 : 1;
}

/* The word with its variables: 1; 0 where they are not known here; -1 out of memory. */
static int expand(const struct parser *p, const char *word, char **ret)
{
	CLEANUP_BUF struct buf out = BUF_INIT(DOCKERFILE_MAX);

	while (*word != '\0') {
		if (*word == '$') {
			int got = add_variable(p, &word, &out);

			if (got <= 0)
				return got;
		} else if (strchr("\\\"'", *word) != NULL) {
			return 0;
		} else if (buf_addc(&out, *word++) < 0) {
			return -1;
		}
	}
	*ret = buf_steal(&out);
	return *ret != NULL ? 1 : -1;
}

/* --- what instructions take */

static bool is_stage(const struct parser *p, const char *name)
{
	if (name[strspn(name, "0123456789")] == '\0')
		return true;
	for (size_t i = 0; i < p->stages.n; i++)
		if (strcasecmp(p->stages.v[i], name) == 0)
			return true;
	return false;
}

static int add_base(struct parser *p, const char *word)
{
	CLEANUP_FREE char *name = NULL;
	int got = expand(p, word, &name);

	if (got == 0)
		p->out->unsure = true;
	if (got <= 0)
		return got;
	if (strcmp(name, "scratch") == 0 || is_stage(p, name) || strv_has(&p->out->bases, name))
		return 0;
	return strv_add(&p->out->bases, name);
}

/* The first word that is no option; *at: its index. */
static const char *skip_options(const struct strv *words, size_t *at)
{
	for (*at = 1; *at < words->n; ++*at)
		if (strncmp(words->v[*at], "--", 2) != 0)
			return words->v[*at];
	return NULL;
}

static int take_from(struct parser *p, const struct strv *words)
{
	size_t at;
	const char *image = skip_options(words, &at);
	bool named = at + 2 < words->n && strcasecmp(words->v[at + 1], "AS") == 0;

	if (image != NULL && add_base(p, image) < 0)
		return -1;
	return strv_add(&p->stages, named ? words->v[at + 2] : "");
}

/* ARG NAME[=VALUE]... */
static int take_arg(struct parser *p, const struct strv *words)
{
	for (size_t i = 1; i < words->n; i++) {
		size_t len = strcspn(words->v[i], "=");
		CLEANUP_FREE char *name = strndup(words->v[i], len);
		CLEANUP_FREE char *value = NULL;

		if (name == NULL)
			return -1;
		if (strcmp(name, "SOURCE_DATE_EPOCH") == 0)
			p->out->epoch = true;
		if (p->stages.n > 0)
			continue;
		if (words->v[i][len] == '=' && expand(p, words->v[i] + len + 1, &value) < 0)
			return -1;
		if (pairs_set(&p->globals, name, value) < 0)
			return -1;
	}
	return 0;
}

static int add_source(struct parser *p, const char *word)
{
	if (strstr(word, "://") != NULL || strncmp(word, "git@", 4) == 0) {
		p->out->unsure = true;
		return 0;
	}
	while (strncmp(word, "./", 2) == 0 || *word == '/')
		word += *word == '/' ? 1 : 2;
	if (*word == '\0' || strcmp(word, ".") == 0 || strstr(word, "..") != NULL ||
	    word[strcspn(word, "*?[]$\\\"'<")] != '\0') {
		p->out->whole_context = true;
		return 0;
	}
	return strv_has(&p->out->sources, word) ? 0 : strv_add(&p->out->sources, word);
}

/* COPY and ADD: [OPTION...] SOURCE... TARGET */
static int take_copy(struct parser *p, const struct strv *words)
{
	static const char from[] = "--from=";
	size_t at;

	skip_options(words, &at);
	for (size_t i = 1; i < at; i++)
		if (strncmp(words->v[i], from, strlen(from)) == 0)
			return add_base(p, words->v[i] + strlen(from));
	for (; at + 1 < words->n; at++)
		if (add_source(p, words->v[at]) < 0)
			return -1;
	return 0;
}

/* RUN --mount=type=bind,from=IMAGE,... */
static int take_mount(struct parser *p, const char *options)
{
	CLEANUP_STRV struct strv list = {0};
	const char *from = NULL;
	bool bind = true;

	if (strv_split(&list, options, ",") < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		if (strncmp(list.v[i], "type=", 5) == 0)
			bind = strcmp(list.v[i], "type=bind") == 0;
		if (strncmp(list.v[i], "from=", 5) == 0)
			from = list.v[i] + 5;
	}
	if (from != NULL)
		return add_base(p, from);
	p->out->whole_context = p->out->whole_context || bind;
	return 0;
}

static int take_run(struct parser *p, const struct strv *words)
{
	static const char mount[] = "--mount=";

	for (size_t i = 1; i < words->n && strncmp(words->v[i], "--", 2) == 0; i++)
		if (strncmp(words->v[i], mount, strlen(mount)) == 0 &&
		    take_mount(p, words->v[i] + strlen(mount)) < 0)
			return -1;
	return 0;
}

static int take(struct parser *p, const char *instruction)
{
	CLEANUP_STRV struct strv words = {0};

	if (strv_split(&words, instruction, " \t\r") < 0)
		return -1;
	if (words.n == 0)
		return 0;
	if (strcasecmp(words.v[0], "FROM") == 0)
		return take_from(p, &words);
	if (strcasecmp(words.v[0], "ARG") == 0)
		return take_arg(p, &words);
	if (strcasecmp(words.v[0], "COPY") == 0 || strcasecmp(words.v[0], "ADD") == 0)
		return take_copy(p, &words);
	return strcasecmp(words.v[0], "RUN") == 0 ? take_run(p, &words) : 0;
}

int dockerfile_parse(const char *text, size_t len, const struct pairs *args, struct dockerfile *ret)
{
	struct parser p = {.out = ret, .args = args};
	CLEANUP_BUF struct buf instruction = BUF_INIT(DOCKERFILE_MAX);
	const char *at = text;
	int got;

	*ret = (struct dockerfile){0};
	ret->unsure = ret->whole_context = has_escape(text, len);
	while ((got = next_instruction(&at, text + len, &instruction)) > 0)
		if (take(&p, instruction.data) < 0) {
			got = -1;
			break;
		}
	pairs_release(&p.globals);
	strv_release(&p.stages);
	if (got < 0)
		dockerfile_release(ret);
	return got;
}

void dockerfile_release(struct dockerfile *dockerfile)
{
	strv_release(&dockerfile->bases);
	strv_release(&dockerfile->sources);
	*dockerfile = (struct dockerfile){0};
}
