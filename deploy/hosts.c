#include "deploy/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static bool matches(const struct host *host, const char *limit)
{
	if (limit == NULL)
		return true;
	if (strncmp(limit, "tag:", 4) == 0)
		return strv_has(&host->tags, limit + 4);
	return text_glob(limit, host->name);
}

int hosts_choose(const struct inventory *inv, const struct environment *env, const char *limit,
    const struct host ***ret, size_t *ret_n, struct error *err)
{
	const struct host **hosts = NULL;
	size_t n = 0, kept = 0;

	if (inventory_hosts_of(inv, env, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (matches(hosts[i], limit))
			hosts[kept++] = hosts[i];
	if (kept == 0) {
		free(hosts);
		if (limit != NULL)
			return error_set(
			    err, ERROR_USAGE, "no host of %s matches --limit %s", env->name, limit);
		return error_set(err, ERROR_USAGE, "the environment %s has no hosts", env->name);
	}
	*ret = hosts;
	*ret_n = kept;
	return 0;
}
