#include "deploy/services.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/text.h"

static bool is_of(const struct environment *env, const char *name)
{
	return env->services.n == 0 || strv_has(&env->services, name);
}

/* The environment's services; malloc'ed, their names borrowed. */
static const char **names_of(
    const struct inventory *inv, const struct environment *env, size_t *ret_n)
{
	const char **names = calloc(inv->n_services + 1, sizeof(*names));

	*ret_n = 0;
	for (size_t i = 0; names != NULL && i < inv->n_services; i++)
		if (is_of(env, inv->services[i].name))
			names[(*ret_n)++] = inv->services[i].name;
	return names;
}

/* Whoever names a host means a host. */
static int unknown(
    const struct inventory *inv, const struct environment *env, const char *name, struct error *err)
{
	size_t n;
	CLEANUP_FREE const char **names = names_of(inv, env, &n);
	const char *near = names != NULL ? text_nearest(name, names, n) : NULL;

	error_set(err, ERROR_USAGE, "there is no service %s in %s", name, env->name);
	if (inventory_host(inv, name) != NULL)
		error_hint(err, "%s is a host: --limit %s", name, name);
	else if (near != NULL)
		error_hint(err, "did you mean \"%s\"?", near);
	return -1;
}

int services_choose(const struct inventory *inv, const struct environment *env,
    const struct strv *names, const struct service ***ret, size_t *ret_n, struct error *err)
{
	CLEANUP_FREE const struct service **services = NULL;
	bool all = names == NULL || names->n == 0;
	size_t n = 0;

	for (size_t i = 0; !all && i < names->n; i++)
		if (inventory_service(inv, names->v[i]) == NULL || !is_of(env, names->v[i]))
			return unknown(inv, env, names->v[i], err);
	services = calloc(inv->n_services + 1, sizeof(*services));
	if (services == NULL)
		return error_memory(err);
	for (size_t i = 0; i < inv->n_services; i++)
		if (is_of(env, inv->services[i].name) &&
		    (all || strv_has(names, inv->services[i].name)))
			services[n++] = inventory_service_in(env, &inv->services[i]);
	if (n == 0)
		return error_set(err, ERROR_USAGE, "the environment %s has no services", env->name);
	*ret = steal_ptr(services);
	*ret_n = n;
	return 0;
}
