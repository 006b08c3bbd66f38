/* The inventory for a command: found, read, its mistakes told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cli.h"
#include "cmd/complain.h"
#include "cmd/ui/json.h"

static const char standard[] = "shipit.yml";

static int list_files(struct cli *cli)
{
	const struct option_texts *given = &cli->settings.files;
	const char *named = getenv("SHIPIT_FILE");

	for (size_t i = 0; i < given->n; i++)
		if (strv_add(&cli->files, given->v[i]) < 0)
			return -1;
	if (cli->files.n == 0 && named != NULL && strv_split(&cli->files, named, ":") < 0)
		return -1;
	return cli->files.n == 0 ? strv_add(&cli->files, standard) : 0;
}

int cli_files(struct cli *cli, struct error *err)
{
	enum { NAME_MAX_BYTES = 1024 * 1024 };
	CLEANUP_BUF struct buf name = BUF_INIT(NAME_MAX_BYTES);

	if (cli->file != NULL)
		return 0;
	if (list_files(cli) < 0)
		return error_memory(err);
	for (size_t i = 0; i < cli->files.n; i++)
		if (buf_addf(&name, "%s%s", i > 0 ? " + " : "", cli->files.v[i]) < 0)
			return buf_error(&name, err, "the inventory's name");
	cli->file = buf_steal(&name);
	return cli->file != NULL ? 0 : error_memory(err);
}

static int find_files(struct cli *cli, struct error *err)
{
	if (cli_files(cli, err) < 0)
		return -1;
	for (size_t i = 0; i < cli->files.n; i++) {
		const char *file = cli->files.v[i];

		if (access(file, F_OK) == 0)
			continue;
		if (errno != ENOENT)
			return error_set(
			    err, ERROR_INVENTORY, "cannot read %s: %s", file, strerror(errno));
		if (strcmp(file, standard) != 0)
			return error_set(err, ERROR_INVENTORY, "there is no file %s", file);
		error_set(err, ERROR_INVENTORY, "there is no shipit.yml in this folder");
		return error_hint(err, "`shipit init` writes one; -f FILE takes another");
	}
	return 0;
}

static void problem_line(const struct cli *cli, const char *event, const struct problem *problem)
{
	json_t *object = json_event(event);

	if (object == NULL)
		return;
	json_put(object, "file", problem->pos.file);
	json_put_int(object, "line", problem->pos.line);
	json_put_int(object, "column", problem->pos.column);
	json_put(object, "error", problem->text);
	json_put(object, "hint", problem->hint);
	json_line(cli->out, object);
}

static void tell(
    const struct cli *cli, const char *event, const char *label, const struct problems *problems)
{
	for (size_t i = 0; cli->settings.json && i < problems->n; i++)
		problem_line(cli, event, &problems->v[i]);
	complain_problems(cli->err, cli->color_err, label, problems);
}

int cli_load(struct cli *cli, const char *environment, struct error *err)
{
	struct problems problems = {0};
	int rc;

	inventory_free(steal_ptr(cli->inventory));
	if (find_files(cli, err) < 0)
		return -1;
	const struct inventory_from from = {
	    .paths = (const char *const *)cli->files.v,
	    .n = cli->files.n,
	    .cancel_fd = cli->cancel.fd,
	    .ask_anew = cli->settings.ask_anew,
	    .origins = cli->settings.origins,
	    .said = &cli->said,
	};
	/* Empty where a command is about none; whoever calls us may have said something else. */
	if (setenv("SHIPIT_ENV", environment != NULL ? environment : "", environment != NULL) < 0)
		return error_memory(err);
	rc = inventory_load(&from, &cli->inventory, &problems, err);
	tell(cli, "problem", "", &problems);
	problems_release(&problems);
	if (rc < 0 || cli->inventory == NULL)
		return -1;
	/* The file may be read again, for another environment: once is enough. */
	if (!cli->warned && !cli->settings.quiet)
		tell(cli, "warning", "warning: ", &cli->inventory->warnings);
	cli->warned = true;
	return 0;
}

static int no_environment(const struct cli *cli, const char *name, struct error *err)
{
	const struct inventory *inv = cli->inventory;
	CLEANUP_STRV struct strv names = {0};
	CLEANUP_BUF struct buf list = BUF_INIT((size_t)64 * 1024);
	const char *near;

	for (size_t i = 0; i < inv->n_environments; i++) {
		if (strv_add(&names, inv->environments[i].name) < 0)
			return error_memory(err);
		buf_addf(&list, "%s%s", i > 0 ? ", " : "", inv->environments[i].name);
	}
	near = text_nearest(name, (const char *const *)names.v, names.n);
	if (near != NULL)
		error_set(err, ERROR_USAGE, "%s has no environment \"%s\"; did you mean \"%s\"?",
		    cli->file, name, near);
	else
		error_set(err, ERROR_USAGE, "%s has no environment \"%s\"", cli->file, name);
	return error_hint(err, "it has: %s", list.data);
}

int cli_environment(
    struct cli *cli, const char *name, const struct environment **ret, struct error *err)
{
	if (cli_load(cli, name, err) < 0 || cli->inventory == NULL)
		return -1;
	*ret = inventory_environment(cli->inventory, name);
	return *ret != NULL ? 0 : no_environment(cli, name, err);
}

int cli_environments(struct cli *cli, const char *name, struct strv *ret, struct error *err)
{
	const struct environment *env;

	if (name != NULL) {
		if (cli_environment(cli, name, &env, err) < 0)
			return -1;
		return strv_add(ret, name) < 0 ? error_memory(err) : 0;
	}
	if (cli_load(cli, NULL, err) < 0 || cli->inventory == NULL)
		return -1;
	for (size_t i = 0; i < cli->inventory->n_environments; i++)
		if (strv_add(ret, cli->inventory->environments[i].name) < 0)
			return error_memory(err);
	return 0;
}
