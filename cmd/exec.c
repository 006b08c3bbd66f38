/* shipit exec ENV SERVICE COMMAND [ARG...] */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "cmd/cli.h"
#include "cmd/complain.h"
#include "cmd/ui/json.h"
#include "cmd/ui/terminal.h"
#include "cmd/work.h"
#include "deploy/exec.h"
#include "deploy/services.h"

/* As ssh ends when it could not run the program: no program's own exit code is likely to be that.
 */
enum { EXIT_NOT_RUN = 255 };

struct running {
	struct exec_options options;
	struct exec *exec;
	struct error *err;
	int rc;
};

static void running_run(void *context)
{
	struct running *running = context;

	running->rc = exec_run(&running->options, running->exec, running->err);
}

/* --- this terminal */

static void attached(void *context UNUSED, bool is)
{
	if (is)
		terminal_change(STDIN_FILENO, TERMINAL_RAW);
	else
		terminal_reset();
}

static void size(void *context UNUSED, int *ret_rows, int *ret_columns)
{
	struct winsize window = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0) {
		*ret_rows = window.ws_row;
		*ret_columns = window.ws_col;
	}
}

static const struct exec_stdio *our_stdio(const struct cli *cli, struct exec_stdio *ret)
{
	*ret = (struct exec_stdio){
	    .in = STDIN_FILENO,
	    .out = STDOUT_FILENO,
	    .err = STDERR_FILENO,
	    .terminal = !cli->settings.no_terminal && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
	    .term = getenv("TERM"),
	    .attached = attached,
	    .size = size,
	};
	return ret;
}

/* --- what came of it */

/* Nobody reads any more (`| head`): that is no failure, and there is nothing to tell. */
static bool is_unread(const struct cli *cli)
{
	return cancel_fired(&cli->cancel) && signals_count() == 0;
}

static int end_of_one(const struct cli *cli, struct exec_host *at, struct error *err)
{
	if (at->error.kind == ERROR_NONE)
		return at->status >= 0 ? at->status : EXIT_OK;
	if (is_unread(cli))
		return EXIT_OK;
	error_move(err, &at->error);
	error_wrap(err, "%s", at->host->name);
	complain(cli->err, cli->color_err, NULL, NULL, err);
	error_release(err);
	return EXIT_NOT_RUN;
}

static void tell_status(const struct cli *cli, const struct exec_host *at, const char *service)
{
	CLEANUP_FREE char *text = NULL;
	json_t *object;

	if (cli->settings.json) {
		object = json_event("exit");
		if (object == NULL)
			return;
		json_put(object, "host", at->host->name);
		json_put(object, "service", service);
		json_put_int(object, "status", at->status);
		json_line(cli->out, object);
	} else if (at->status != 0) {
		text = string_printf("it ended with %d", at->status);
		if (text != NULL)
			complain_text(cli->err, cli->color_err, at->host->name, NULL, text, NULL);
	}
}

static int end_of_many(struct cli *cli, const struct exec *exec, const char *service)
{
	CLEANUP_FREE struct host_error *errors = calloc(exec->n + 1, sizeof(*errors));
	size_t unreached = 0, failed = 0;

	if (is_unread(cli))
		return EXIT_OK;
	for (size_t i = 0; errors != NULL && i < exec->n; i++) {
		const struct exec_host *at = &exec->hosts[i];

		errors[i] = (struct host_error){.host = at->host->name, .error = &at->error};
		if (at->status >= 0)
			tell_status(cli, at, service);
		else if (cli->settings.json && at->error.kind != ERROR_NONE)
			cli_host_failed(cli, at->host->name, NULL, &at->error);
		unreached += host_link_is_unreachable(&at->error);
		failed += at->status > 0 ||
			  (at->error.kind != ERROR_NONE && !host_link_is_unreachable(&at->error));
	}
	fflush(cli->out);
	if (errors != NULL)
		complain_hosts(cli->err, cli->color_err, errors, exec->n);
	return looked_exit_code(exec->n, unreached, failed);
}

/* --- doing it */

static int run_shown(struct cli *cli, struct running *running, const struct strv *names,
    size_t width, struct error *err)
{
	if (work_tail(cli, &running->options.visit, (const char *const *)names->v, names->n, width,
		running_run, running, err) < 0 ||
	    running->rc < 0)
		return -1;
	if (signals_count() > 0)
		return error_set(err, ERROR_CANCELLED,
		    "interrupted; what was started in the containers goes on there");
	if (running->options.stdio != NULL)
		return end_of_one(cli, &running->exec->hosts[0], err);
	return end_of_many(cli, running->exec, running->options.service->name);
}

static int run_on(struct cli *cli, const struct exec_options *options,
    const struct host *const *hosts, size_t n, struct error *err)
{
	CLEANUP_STRV struct strv names = {0};
	struct exec_stdio stdio;
	struct exec exec = {0};
	struct running running = {.options = *options, .exec = &exec, .err = err};
	size_t width = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (strv_add(&names, hosts[i]->name) < 0)
			return error_memory(err);
		if (strlen(hosts[i]->name) > width)
			width = strlen(hosts[i]->name);
	}
	if (n == 1 && !cli->settings.json)
		running.options.stdio = our_stdio(cli, &stdio);
	rc = run_shown(cli, &running, &names, width, err);
	exec_release(&exec);
	return rc;
}

int exec_command_run(struct cli *cli, struct error *err)
{
	struct strv service = {.v = cli->arguments.v + 1, .n = 1};
	const struct strv argv = {.v = cli->arguments.v + 2, .n = cli->arguments.n - 2};
	CLEANUP_FREE const struct service **services = NULL;
	CLEANUP_FREE const struct host **hosts = NULL;
	size_t n_services = 0, n_hosts = 0;
	struct exec_options options = {
	    .visit.cancel_fd = cli->cancel.fd,
	    .limit = cli->settings.limit,
	    .parallel = cli->settings.parallel,
	    .argv = &argv,
	};

	if (cli_environment(cli, cli->arguments.v[0], &options.visit.environment, err) < 0)
		return -1;
	options.visit.inventory = cli->inventory;
	if (services_choose(cli->inventory, options.visit.environment, &service, &services,
		&n_services, err) < 0)
		return -1;
	options.service = services[0];
	if (exec_hosts(&options, &hosts, &n_hosts, err) < 0)
		return -1;
	return run_on(cli, &options, hosts, n_hosts, err);
}
