#include "deploy/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/strv.h"
#include "base/text.h"

static bool matches(const struct host *host, const char *pattern)
{
	if (strncmp(pattern, "tag:", 4) == 0)
		return strv_has(&host->tags, pattern + 4);
	return text_glob(pattern, host->name);
}

/* Later parts go over earlier ones; what is only left out is left out of all. */
static bool is_chosen(const struct host *host, const struct strv *parts)
{
	bool chosen = parts->n == 0 || parts->v[0][0] == '!';

	for (size_t i = 0; i < parts->n; i++) {
		bool out = parts->v[i][0] == '!';

		if (matches(host, parts->v[i] + out))
			chosen = !out;
	}
	return chosen;
}

static int no_match(const char *part, const struct host *const *hosts, size_t n,
    const char *environment, struct error *err)
{
	enum { SHOWN = 6, SHOWN_BYTES = 2048 };
	CLEANUP_BUF struct buf names = BUF_INIT(SHOWN_BYTES);

	error_set(err, ERROR_USAGE, "no host of %s matches --limit %s", environment, part);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		if (buf_addf(&names, "%s%s", i > 0 ? ", " : "", hosts[i]->name) < 0)
			return -1;
	return error_hint(err, "its hosts: %s%s", names.data, n > SHOWN ? ", ..." : "");
}

/* A slip of the pen must not choose more, or less, than was meant. */
static int check_parts(const struct strv *parts, const struct host *const *hosts, size_t n,
    const char *environment, struct error *err)
{
	for (size_t i = 0; i < parts->n; i++) {
		const char *pattern = parts->v[i] + (parts->v[i][0] == '!');
		size_t found = 0;

		for (size_t j = 0; j < n; j++)
			found += matches(hosts[j], pattern);
		if (found == 0)
			return no_match(parts->v[i], hosts, n, environment, err);
	}
	return 0;
}

int hosts_choose(const struct inventory *inv, const struct environment *env, const char *limit,
    const struct strv *only, const struct host ***ret, size_t *ret_n, struct error *err)
{
	CLEANUP_STRV struct strv parts = {0};
	CLEANUP_FREE const struct host **hosts = NULL;
	size_t n = 0, kept = 0;

	if (limit != NULL && strv_split(&parts, limit, ",") < 0)
		return error_memory(err);
	if (inventory_hosts_of(inv, env, &hosts, &n, err) < 0 ||
	    check_parts(&parts, hosts, n, env->name, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (is_chosen(hosts[i], &parts) && (only == NULL || strv_has(only, hosts[i]->name)))
			hosts[kept++] = hosts[i];
	if (limit != NULL && parts.n == 0)
		kept = 0;
	if (kept == 0 && (limit != NULL || only != NULL))
		return error_set(err, ERROR_USAGE, "no host of %s is left%s%s", env->name,
		    limit != NULL ? " by --limit " : "", limit != NULL ? limit : "");
	if (kept == 0)
		return error_set(err, ERROR_USAGE, "the environment %s has no hosts", env->name);
	*ret = steal_ptr(hosts);
	*ret_n = kept;
	return 0;
}
