/* shipit config [ENV]: the inventory as shipit understands it. One JSON value; as YAML for people.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/cli.h"
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

int config_run(struct cli *cli, struct error *err)
{
	if (cli->settings.schema)
		return print_schema(cli, err);

	const char *name = cli->arguments.n > 0 ? cli->arguments.v[0] : NULL;
	CLEANUP_STRV struct strv names = {0};
	CLEANUP_JSON json_t *all = NULL;

	if (cli_environments(cli, name, &names, err) < 0)
		return -1;
	all = resolved_project(cli->inventory);
	/* SHIPIT_ENV may decide what the file says: each environment is read for itself. */
	for (size_t i = 0; all != NULL && i < names.n; i++) {
		const struct environment *env;

		if (cli_environment(cli, names.v[i], &env, err) < 0)
			return -1;
		if (resolved_add_environment(all, cli->inventory, env, err) < 0)
			return -1;
	}
	if (all == NULL)
		return error_memory(err);
	cli->summarized = true;
	if (cli->settings.json)
		json_line(cli->out, json_incref(all));
	else
		yaml_print(all, cli->out);
	return EXIT_OK;
}
