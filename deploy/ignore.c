#include "deploy/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/paths.h"

enum { PATH_BYTES = 4096 };

/* As filepath.Clean, relative, with the "!" that may stand before it. */
static int add_pattern(struct ignore *ignore, const char *line)
{
	CLEANUP_FREE char *clean = NULL;
	bool negates = line[0] == '!';

	line += negates;
	line += strspn(line, " \t\r");
	if (*line == '\0')
		return 0;
	clean = path_resolve("/", line, NULL);
	if (clean == NULL)
		return -1;
	ignore->negates = ignore->negates || negates;
	return strv_addf(&ignore->patterns, "%s%s", negates ? "!" : "", clean + 1);
}

int ignore_parse(const char *text, size_t len, struct ignore *ret)
{
	CLEANUP_STRV struct strv lines = {0};
	CLEANUP_FREE char *copy = strndup(text, len);

	*ret = (struct ignore){0};
	if (copy == NULL || strv_split(&lines, copy, "\n") < 0)
		return -1;
	for (size_t i = 0; i < lines.n; i++) {
		char *line = lines.v[i];
		size_t end;

		if (line[0] == '#')
			continue;
		line += strspn(line, " \t\r");
		for (end = strlen(line); end > 0 && strchr(" \t\r", line[end - 1]) != NULL; end--)
			line[end - 1] = '\0';
		if (add_pattern(ret, line) < 0) {
			ignore_release(ret);
			return -1;
		}
	}
	return 0;
}

void ignore_release(struct ignore *ignore)
{
	strv_release(&ignore->patterns);
	*ignore = (struct ignore){0};
}

/* --- matching: after each piece of the pattern, which beginnings of the path it fits */

struct match {
	const char *path;
	size_t len;
	bool fits[PATH_BYTES + 1];
};

enum kind { EXACTLY, ANY, CLASS };

/* One byte: this one, any but "/", or one of a class. */
static void one_of(struct match *m, enum kind kind, const char *set, size_t len)
{
	bool negated = kind == CLASS && len > 0 && *set == '^';
	bool before = m->fits[0];

	m->fits[0] = false;
	for (size_t j = 1; j <= m->len; j++) {
		bool was = m->fits[j], in = kind == ANY;
		unsigned char c = (unsigned char)m->path[j - 1];

		for (size_t i = negated; i < len && !in; i++) {
			bool range = kind == CLASS && i + 2 < len && set[i + 1] == '-';
			unsigned char low = (unsigned char)set[i];
			unsigned char high = range ? (unsigned char)set[i + 2] : low;

			in = c >= low && c <= high;
			i += range ? 2 : 0;
		}
		m->fits[j] = before && in != negated && (c != '/' || kind == EXACTLY);
		before = was;
	}
}

/* `*`: any bytes but "/"; `**`: any at all; before a slash, any folders and that slash. */
static void many(struct match *m, bool folders, bool with_slash)
{
	bool some = false;

	for (size_t j = 0; j <= m->len; j++) {
		bool was = m->fits[j];

		if (!folders)
			m->fits[j] = was || (j > 0 && m->fits[j - 1] && m->path[j - 1] != '/');
		else if (!with_slash)
			m->fits[j] = was || some;
		else
			m->fits[j] = was || (some && m->path[j - 1] == '/');
		some = some || was;
	}
}

/* One piece of the pattern: how long it is there. */
static size_t piece(struct match *m, const char *pattern)
{
	const char *close;

	if (strncmp(pattern, "**/", 3) == 0 || strcmp(pattern, "**") == 0) {
		many(m, true, pattern[2] == '/');
		return pattern[2] == '/' ? 3 : 2;
	}
	if (*pattern == '*') {
		many(m, pattern[1] == '*', false);
		return pattern[1] == '*' ? 2 : 1;
	}
	close = *pattern == '[' ? strchr(pattern + 1, ']') : NULL;
	if (close != NULL) {
		one_of(m, CLASS, pattern + 1, (size_t)(close - pattern) - 1);
		return (size_t)(close - pattern) + 1;
	}
	if (*pattern == '\\' && pattern[1] != '\0') {
		one_of(m, EXACTLY, pattern + 1, 1);
		return 2;
	}
	one_of(m, *pattern == '?' ? ANY : EXACTLY, pattern, 1);
	return 1;
}

/* It, or a folder above it. */
static bool fits(struct match *m, const char *pattern)
{
	memset(m->fits, 0, m->len + 1);
	m->fits[0] = true;
	while (*pattern != '\0')
		pattern += piece(m, pattern);
	for (size_t j = 1; j < m->len; j++)
		if (m->fits[j] && m->path[j] == '/')
			return true;
	return m->fits[m->len];
}

bool ignore_has(const struct ignore *ignore, const char *path)
{
	struct match m = {.path = path, .len = strlen(path)};
	bool ignored = false;

	if (m.len > PATH_BYTES)
		return false;
	for (size_t i = 0; i < ignore->patterns.n; i++) {
		const char *pattern = ignore->patterns.v[i];
		bool negates = *pattern == '!';

		if (ignored == negates && fits(&m, pattern + negates))
			ignored = !negates;
	}
	return ignored;
}
