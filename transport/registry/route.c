#include "transport/registry/route.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/digest.h"

enum { TAG_MAX = 128 };

static const struct {
	const char *name;
	enum route_method method;
} methods[] = {
    {"GET", ROUTE_GET},
    {"HEAD", ROUTE_HEAD},
    {"POST", ROUTE_POST},
    {"PUT", ROUTE_PUT},
    {"PATCH", ROUTE_PATCH},
    {"DELETE", ROUTE_DELETE},
};

static const unsigned int allowed[] = {
    [ROUTE_BASE] = ROUTE_GET | ROUTE_HEAD,
    [ROUTE_CATALOG] = ROUTE_GET | ROUTE_HEAD,
    [ROUTE_BLOB] = ROUTE_GET | ROUTE_HEAD | ROUTE_DELETE,
    [ROUTE_UPLOADS] = ROUTE_POST,
    [ROUTE_UPLOAD] = ROUTE_GET | ROUTE_HEAD | ROUTE_PATCH | ROUTE_PUT | ROUTE_DELETE,
    [ROUTE_MANIFEST] = ROUTE_GET | ROUTE_HEAD | ROUTE_PUT | ROUTE_DELETE,
    [ROUTE_TAGS] = ROUTE_GET | ROUTE_HEAD,
    [ROUTE_REFERRERS] = ROUTE_GET | ROUTE_HEAD,
};

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_component(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t start = i, between;

		while (i < len && is_alnum(text[i]))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		between = i;
		while (i < len && text[i] == text[between])
			i++;
		if (text[between] == '.'   ? i - between != 1
		    : text[between] == '_' ? i - between > 2
					   : text[between] != '-')
			return false;
	}
	return false;
}

bool route_is_name(const char *name, size_t len)
{
	const char *end = name + len, *slash;

	if (len == 0 || len >= ROUTE_NAME_SIZE)
		return false;
	for (; (slash = memchr(name, '/', (size_t)(end - name))) != NULL; name = slash + 1)
		if (!is_component(name, (size_t)(slash - name)))
			return false;
	return is_component(name, (size_t)(end - name));
}

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
bool route_is_tag(const char *tag)
{
	size_t i;

	for (i = 0; tag[i] != '\0'; i++) {
		bool word = is_alnum(tag[i]) || (tag[i] >= 'A' && tag[i] <= 'Z') || tag[i] == '_';

		if (!word && (i == 0 || (tag[i] != '.' && tag[i] != '-')))
			return false;
	}
	return i > 0 && i <= TAG_MAX;
}

void route_methods(unsigned int set, char out[ROUTE_METHODS_SIZE])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (set & methods[i].method)
			at += (size_t)snprintf(out + at, ROUTE_METHODS_SIZE - at, "%s%s",
			    at > 0 ? ", " : "", methods[i].name);
}

int route_count(const char *n, size_t most, size_t *ret)
{
	size_t value = 0;

	*ret = most;
	if (n == NULL)
		return 0;
	if (*n == '\0')
		return -1;
	for (; *n != '\0'; n++) {
		if (*n < '0' || *n > '9')
			return -1;
		value = value < most ? value * 10 + (size_t)(*n - '0') : most;
	}
	*ret = value < most ? value : most;
	return 0;
}

/* --- paths */

static const struct {
	const char *text;
	enum route_what what;
} parts[] = {
    {"/blobs/uploads", ROUTE_UPLOADS}, /* docker posts to it with "/" at its end, some without */
    {"/blobs/", ROUTE_BLOB},
    {"/manifests/", ROUTE_MANIFEST},
    {"/tags/list", ROUTE_TAGS},
    {"/referrers/", ROUTE_REFERRERS},
};

/* The last place of `part` in `path`: a repository may have a component "blobs", too. */
static const char *last_of(const char *path, const char *part)
{
	const char *last = NULL;

	for (const char *at = path; (at = strstr(at, part)) != NULL; at++)
		last = at;
	return last;
}

/* Splits "NAME/blobs/..." at the endpoint's own words; what is behind these has no slash. */
static const char *split(const char *path, enum route_what *ret_what, const char **ret_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *at = last_of(path, parts[i].text);
		const char *rest = at != NULL ? at + strlen(parts[i].text) : NULL;

		if (at == NULL)
			continue;
		*ret_what = parts[i].what;
		if (*ret_what == ROUTE_UPLOADS && *rest != '\0') {
			if (*rest != '/')
				continue;
			rest++;
			if (*rest != '\0')
				*ret_what = ROUTE_UPLOAD;
		}
		if (strchr(rest, '/') != NULL || (*ret_what == ROUTE_TAGS && *rest != '\0'))
			continue;
		*ret_rest = rest;
		return at;
	}
	return NULL;
}

static enum route_error check_reference(struct route *route, const char *text)
{
	route->is_digest = digest_is_text(text);
	switch (route->what) {
	case ROUTE_BLOB:
	case ROUTE_REFERRERS:
		if (!route->is_digest)
			return ROUTE_DIGEST_INVALID;
		break;
	case ROUTE_MANIFEST:
		if (!route->is_digest && strchr(text, ':') != NULL)
			return ROUTE_DIGEST_INVALID;
		if (!route->is_digest && !route_is_tag(text))
			return route->method == ROUTE_PUT ? ROUTE_MANIFEST_INVALID
							  : ROUTE_MANIFEST_UNKNOWN;
		break;
	case ROUTE_UPLOAD:
		if (strlen(text) >= ROUTE_REFERENCE_SIZE)
			return ROUTE_BLOB_UPLOAD_UNKNOWN;
		break;
	default:
		return ROUTE_OK;
	}
	snprintf(route->reference, ROUTE_REFERENCE_SIZE, "%s", text);
	return ROUTE_OK;
}

static enum route_error parse_path(const char *path, struct route *route)
{
	const char *rest, *at;

	if (strncmp(path, "/v2", 3) != 0)
		return ROUTE_NO_ENDPOINT;
	path += 3;
	if (*path == '\0' || strcmp(path, "/") == 0) {
		route->what = ROUTE_BASE;
		return ROUTE_OK;
	}
	if (strcmp(path, "/_catalog") == 0) {
		route->what = ROUTE_CATALOG;
		return ROUTE_OK;
	}
	if (*path != '/' || (at = split(path, &route->what, &rest)) == NULL)
		return ROUTE_NO_ENDPOINT;
	path++;
	if (at < path || !route_is_name(path, (size_t)(at - path)))
		return ROUTE_NAME_INVALID;
	memcpy(route->repository, path, (size_t)(at - path));
	route->repository[at - path] = '\0';
	return check_reference(route, rest);
}

enum route_error route_parse(
    const char *method, const char *path, struct route *ret, unsigned int *ret_allowed)
{
	enum route_error rc;

	*ret = (struct route){0};
	*ret_allowed = 0;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(method, methods[i].name) == 0)
			ret->method = methods[i].method;
	rc = parse_path(path, ret);
	ret->is_write = ret->method != ROUTE_GET && ret->method != ROUTE_HEAD;
	if (rc == ROUTE_NO_ENDPOINT)
		return rc;
	*ret_allowed = allowed[ret->what];
	return (ret->method & *ret_allowed) == 0 ? ROUTE_UNSUPPORTED : rc;
}
