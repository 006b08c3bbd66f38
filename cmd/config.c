/* shipit config [ENV]: the inventory as shipit understands it. One JSON value; as YAML for people.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/cli.h"
#include "cmd/origins.h"
#include "cmd/resolved.h"
#include "cmd/ui/json.h"
#include "cmd/yaml_out.h"
#include "inventory/json_schema.h"

static int print_schema(struct cli *cli, struct error *err)
{
	CLEANUP_JSON json_t *schema = inventory_json_schema(err);

	if (schema == NULL)
		return -1;
	cli->summarized = true;
	if (json_dumpf(schema, cli->out, JSON_INDENT(1)) < 0)
		return error_errno(err, errno, "cannot write the schema");
	fputc('\n', cli->out);
	return EXIT_OK;
}

/* How the inventory was named. */
static const char *named_by(const struct cli *cli)
{
	const char *named = getenv("SHIPIT_FILE");

	if (cli->settings.files.n > 0)
		return "-f";
	return named != NULL && *named != '\0' ? "$SHIPIT_FILE" : "default";
}

/* `all`, and `origins`, which stays NULL unless it is asked for. */
static int resolve(
    struct cli *cli, const char *name, json_t **all, json_t **origins, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};

	if (cli_environments(cli, name, &names, err) < 0)
		return -1;
	*all = resolved_project(cli->inventory);
	if (*all != NULL && cli->settings.origins)
		*origins = origins_project(*all, cli->inventory, named_by(cli));
	if (*all == NULL || (cli->settings.origins && *origins == NULL))
		return error_memory(err);
	/* SHIPIT_ENV may decide what the file says: each environment is read for itself. */
	for (size_t i = 0; i < names.n; i++) {
		const struct environment *env;

		if (cli_environment(cli, names.v[i], &env, err) < 0 ||
		    resolved_add_environment(*all, cli->inventory, env, err) < 0)
			return -1;
		if (*origins != NULL &&
		    origins_add_environment(*origins, *all, cli->inventory, env) < 0)
			return error_memory(err);
	}
	return 0;
}

int config_run(struct cli *cli, struct error *err)
{
	const char *name = cli->arguments.n > 0 ? cli->arguments.v[0] : NULL;
	CLEANUP_JSON json_t *all = NULL, *origins = NULL;

	if (cli->settings.schema)
		return print_schema(cli, err);
	if (resolve(cli, name, &all, &origins, err) < 0)
		return -1;
	cli->summarized = true;
	if (!cli->settings.json)
		yaml_print(all, origins, cli->out);
	else if (origins != NULL && json_object_set(all, "origins", origins) < 0)
		return error_memory(err);
	else
		json_line(cli->out, json_incref(all));
	return EXIT_OK;
}
