/* Requests as any client may send them: method, path and headers. What is taken for a repository,
 * tag or digest is one, and ranges lie within. The input is lines: method, path, Range,
 * Content-Range, n. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "transport/registry/range.h"
#include "transport/registry/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE = 1000 };

static void must(int holds)
{
	if (!holds)
		abort();
}

static void is_route(const struct route *route, enum route_error rc, unsigned int allowed)
{
	if (rc == ROUTE_NO_ENDPOINT) {
		must(allowed == 0);
		return;
	}
	must(allowed != 0);
	if (rc != ROUTE_OK)
		return;
	must((allowed & route->method) != 0);
	if (route->what == ROUTE_BASE || route->what == ROUTE_CATALOG)
		return;
	must(route_is_name(route->repository, strlen(route->repository)));
	must(strstr(route->repository, "..") == NULL && route->repository[0] != '/');
	if (route->what == ROUTE_BLOB || route->what == ROUTE_REFERRERS)
		must(digest_is_text(route->reference));
	if (route->what == ROUTE_MANIFEST)
		must(route->is_digest ? digest_is_text(route->reference)
				      : route_is_tag(route->reference));
}

static void check_ranges(const char *asked, const char *chunk)
{
	struct range range;

	if (range_parse(asked, SIZE, &range) == RANGE_PART)
		must(range.length > 0 && range.start < SIZE && range.length <= SIZE - range.start);
	must(range_parse(asked, 0, &range) != RANGE_PART);
	if (range_parse_chunk(chunk, &range) == 0)
		must(range.length > 0 && range.start <= UINT64_MAX - (range.length - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text;
	const char *parts[5];
	struct route route;
	unsigned int allowed;
	enum route_error rc;
	size_t n;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < 5; i++) {
		parts[i] = strsep(&rest, "\n");
		if (parts[i] == NULL)
			parts[i] = "";
	}
	rc = route_parse(parts[0], parts[1], &route, &allowed);
	is_route(&route, rc, allowed);
	check_ranges(parts[2], parts[3]);
	if (route_count(parts[4], SIZE, &n) == 0)
		must(n <= SIZE);
	free(text);
	return 0;
}
