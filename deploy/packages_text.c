/* The package databases that are text: stanzas of lines, with empty lines between them. */
#include <string.h>

#include "base/attr.h"
#include "deploy/packages.h"

struct piece {
	const char *text;
	size_t len;
};

/* Of one stanza. */
struct stanza {
	struct piece name, version, arch, state;
};

/* The next line, without its end; false: there is none. */
static bool next_line(struct piece *rest, struct piece *ret)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->text, '\n', rest->len);
	ret->text = rest->text;
	ret->len = end != NULL ? (size_t)(end - rest->text) : rest->len;
	rest->text += ret->len + (end != NULL);
	rest->len -= ret->len + (end != NULL);
	if (ret->len > 0 && ret->text[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static bool starts(const struct piece *line, const char *word)
{
	size_t len = strlen(word);

	return line->len >= len && memcmp(line->text, word, len) == 0;
}

static struct piece after(const struct piece *line, size_t len)
{
	struct piece value = {line->text + len, line->len - len};

	while (value.len > 0 && (*value.text == ' ' || *value.text == '\t')) {
		value.text++;
		value.len--;
	}
	while (value.len > 0 && value.text[value.len - 1] == ' ')
		value.len--;
	return value;
}

static int add(struct packages *packages, const struct stanza *stanza, struct error *err)
{
	int rc = packages_add(packages, stanza->name.text, stanza->name.len, stanza->version.text,
	    stanza->version.len, stanza->arch.text, stanza->arch.len);

	return rc < 0 ? error_memory(err) : 0;
}

/* --- dpkg: deb-control(5), and of `Status` dpkg(1): "install ok installed" */

static bool is_installed(const struct piece *state)
{
	static const char word[] = " installed";
	size_t len = sizeof(word) - 1;

	return state->len >= len && memcmp(state->text + state->len - len, word, len) == 0;
}

static void take_dpkg(struct stanza *stanza, const struct piece *line)
{
	const struct {
		const char *field;
		struct piece *to;
	} fields[] = {
	    {"Package:", &stanza->name},
	    {"Version:", &stanza->version},
	    {"Architecture:", &stanza->arch},
	    {"Status:", &stanza->state},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (starts(line, fields[i].field))
			*fields[i].to = after(line, strlen(fields[i].field));
}

int packages_read_dpkg(
    struct packages *packages, const char *text, size_t len, bool needs_state, struct error *err)
{
	static const struct stanza none = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
	struct piece rest = {text, len}, line;
	struct stanza stanza = none;
	bool more;

	do {
		more = next_line(&rest, &line);
		if (more && line.len > 0) {
			take_dpkg(&stanza, &line);
			continue;
		}
		if ((!needs_state || is_installed(&stanza.state)) &&
		    add(packages, &stanza, err) < 0)
			return -1;
		stanza = none;
	} while (more);
	return 0;
}

/* --- apk: https://wiki.alpinelinux.org/wiki/Apk_spec, "Installed Database V2" */

int packages_read_apk(struct packages *packages, const char *text, size_t len, struct error *err)
{
	static const struct stanza none = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
	struct piece rest = {text, len}, line;
	struct stanza stanza = none;
	bool more;

	do {
		more = next_line(&rest, &line);
		if (more && line.len > 0) {
			if (starts(&line, "P:"))
				stanza.name = after(&line, 2);
			else if (starts(&line, "V:"))
				stanza.version = after(&line, 2);
			else if (starts(&line, "A:"))
				stanza.arch = after(&line, 2);
			continue;
		}
		if (add(packages, &stanza, err) < 0)
			return -1;
		stanza = none;
	} while (more);
	return 0;
}
