#include "cmd/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "cmd/ui/color.h"

int registry_find(struct store **ret, char **ret_path, struct error *err)
{
	*ret = NULL;
	if (store_path(ret_path, err) < 0)
		return -1;
	return access(*ret_path, F_OK) == 0 || errno != ENOENT ? store_open(*ret_path, ret, err)
							       : 0;
}

int registry_open(struct cli *cli, struct store **ret, struct error *err)
{
	CLEANUP_FREE char *path = NULL, *shown = NULL;

	if (registry_find(ret, &path, err) < 0)
		return -1;
	shown = text_cleaned(path);
	if (*ret == NULL && !cli->settings.json && !cli->settings.quiet)
		fprintf(cli->out,
		    "there is no %s yet: a deploy makes it, or a push to `shipit registry serve`\n",
		    shown != NULL ? shown : "image store");
	return 0;
}

void registry_meter(const struct cli *cli, struct meter *ret, const char *what)
{
	bool wanted = !cli->settings.json && !cli->settings.quiet;

	meter_init(ret, wanted ? cli->out : NULL, what);
}

void registry_count(uint64_t n, const char *what, char out[REGISTRY_COUNT_SIZE])
{
	snprintf(out, REGISTRY_COUNT_SIZE, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}
