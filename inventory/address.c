/* Addresses and names of hosts. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "inventory/keys.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool made_of(const char *text, const char *others)
{
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr(others, *text))
			return false;
	return true;
}

bool is_host_name(const char *text)
{
	size_t len = strlen(text);

	/* % is for the zone of a link-local address. */
	return len > 0 && len <= 253 && text[0] != '-' && made_of(text, "._-:%");
}

bool is_user_name(const char *text)
{
	size_t len = strlen(text);

	/* \ and @ are in the names of Windows domains and directories. */
	return len > 0 && len <= 255 && text[0] != '-' && made_of(text, "._-+\\@$");
}

bool is_resource_key(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 100 && is_alnum(text[0]) && made_of(text, "_-");
}

/* With or without a zone. */
static bool is_ipv6(const char *text)
{
	struct in6_addr ignored;
	char bare[INET6_ADDRSTRLEN] = "";
	size_t len = strcspn(text, "%");

	if (len >= sizeof(bare) || strcmp(text + len, "%") == 0)
		return false;
	memcpy(bare, text, len);
	return inet_pton(AF_INET6, bare, &ignored) == 1;
}

/* HOST:PORT, [HOST]:PORT or HOST. */
static const char *parse_host_port(char *text, struct address *ret)
{
	char *host = text, *port = NULL, *colon = strchr(text, ':');

	if (text[0] == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return "after \"[\" an IPv6 address, \"]\" and perhaps :PORT have to "
			       "follow";
		host = text + 1;
		port = close[1] ? close + 2 : NULL;
		*close = '\0';
		if (!is_ipv6(host))
			return "between [ and ] an IPv6 address has to stand";
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		port = colon + 1;
	} else if (colon && !is_ipv6(text)) {
		return "it has several colons and is no IPv6 address";
	}
	if (port && parse_int(port, 1, 65535, &ret->port) < 0)
		return "its port is not a number from 1 to 65535";
	if (!is_host_name(host) || (strchr(host, '%') && !is_ipv6(host)))
		return "that is no host name or address";
	ret->host = strdup(host);
	return NULL;
}

/* In a URL the % before a zone is written "%25" (RFC 6874 §2). */
static void unescape_zone(char *text)
{
	char *escaped = strstr(text, "%25");

	if (escaped)
		memmove(escaped + 1, escaped + 3, strlen(escaped + 3) + 1);
}

const char *address_parse(const char *text, struct address *ret)
{
	static const char scheme[] = "ssh://";

	*ret = (struct address){0};
	bool is_url = strncmp(text, scheme, strlen(scheme)) == 0;
	CLEANUP_FREE char *copy = strdup(is_url ? text + strlen(scheme) : text);
	if (!copy)
		return NULL;
	size_t len = strlen(copy);
	if (is_url && len > 0 && copy[len - 1] == '/')
		copy[len - 1] = '\0';
	if (is_url)
		unescape_zone(copy);
	char *at = strrchr(copy, '@');
	if (!at)
		return parse_host_port(copy, ret);
	*at = '\0';
	if (!is_user_name(copy))
		return "that is no user's name";
	ret->user = strdup(copy);
	return ret->user ? parse_host_port(at + 1, ret) : NULL;
}

void address_release(struct address *address)
{
	free(address->user);
	free(address->host);
	*address = (struct address){0};
}

/* ---- ranges ---- */

struct range_text {
	unsigned first, last, step;
	int width;
};

/* "[01:12]" or "[01:12:3]" at `text`; *ret_end: what follows it. */
static const char *parse_range(const char *text, struct range_text *ret, const char **ret_end)
{
	static const char form[] = "a range is written like web[01:12]";
	char first[5], last[5], step[5] = "1";
	int used = 0;

	(void)sscanf(text, "[%4[0-9]:%4[0-9]]%n", first, last, &used);
	if (used == 0)
		(void)sscanf(text, "[%4[0-9]:%4[0-9]:%4[0-9]]%n", first, last, step, &used);
	if (used == 0)
		return form;
	*ret_end = text + used;
	ret->first = (unsigned)strtoul(first, NULL, 10);
	ret->last = (unsigned)strtoul(last, NULL, 10);
	ret->step = (unsigned)strtoul(step, NULL, 10);
	ret->width = (int)strlen(first);
	if (ret->step == 0)
		return "the step of a range is at least 1";
	return ret->first > ret->last ? "a range begins with the smaller number" : NULL;
}

/* Replace each of `names` by it with each number of the range after it. */
static const char *append_range(
    struct strv *names, const struct range_text *range, bool *ret_no_memory)
{
	struct strv longer = {0};
	size_t count = (range->last - range->first) / range->step + 1;

	if (names->n * count > MAX_HOSTS)
		return "that is too many hosts";
	for (size_t i = 0; i < names->n && !*ret_no_memory; i++)
		for (unsigned k = range->first; k <= range->last && !*ret_no_memory;
		     k += range->step)
			*ret_no_memory =
			    strv_addf(&longer, "%s%0*u", names->v[i], range->width, k) < 0;
	strv_release(names);
	*names = longer;
	return NULL;
}

static void append_text(struct strv *names, const char *text, size_t len, bool *ret_no_memory)
{
	for (size_t i = 0; i < names->n && !*ret_no_memory; i++) {
		char *grown = realloc(names->v[i], strlen(names->v[i]) + len + 1);

		*ret_no_memory = !grown;
		if (grown) {
			strncat(grown, text, len);
			names->v[i] = grown;
		}
	}
}

const char *expand_ranges(const char *key, struct strv *names, bool *ret_no_memory)
{
	const char *wrong = NULL;

	*ret_no_memory = strv_add(names, "") < 0;
	while (*key && !wrong && !*ret_no_memory) {
		size_t len = strcspn(key, "[");
		struct range_text range;

		append_text(names, key, len, ret_no_memory);
		key += len;
		if (*key && !*ret_no_memory) {
			wrong = parse_range(key, &range, &key);
			if (!wrong)
				wrong = append_range(names, &range, ret_no_memory);
		}
	}
	return wrong;
}
