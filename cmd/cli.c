#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/complain.h"
#include "cmd/help.h"
#include "cmd/signals.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"

int exit_code_of(enum error_kind kind)
{
	switch (kind) {
	case ERROR_NONE:
		return EXIT_OK;
	case ERROR_USAGE:
	case ERROR_INVENTORY:
		return EXIT_USAGE;
	case ERROR_LOCKED:
		return EXIT_LOCKED;
	case ERROR_DOWN:
		return EXIT_DOWN;
	case ERROR_CANCELLED:
		return EXIT_INTERRUPTED;
	case ERROR_FAILED:
	case ERROR_UNREACHABLE:
	case ERROR_HOST_KEY:
	case ERROR_AUTH:
	case ERROR_NOT_FOUND:
	case ERROR_CONFLICT:
	case ERROR_PROTOCOL:
	case ERROR_TIMEOUT:
	case ERROR_MEMORY:
	case ERROR_SYSTEM:
		break;
	}
	return EXIT_FAILED;
}

char *cli_user(void)
{
	const struct passwd *entry = getpwuid(getuid());
	const char *user = getenv("USER");
	char machine[256] = "";

	if (entry != NULL)
		user = entry->pw_name;
	if (gethostname(machine, sizeof(machine) - 1) < 0)
		machine[0] = '\0';
	machine[strcspn(machine, ".")] = '\0';
	return string_printf(
	    "%s@%s", user != NULL ? user : "?", machine[0] != '\0' ? machine : "?");
}

char *cli_suggest(const struct cli *cli, const char *command, const char *environment)
{
	enum { LINE_MAX_BYTES = 1024 * 1024 };
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
	const char *limit = cli->settings.limit;
	int rc = buf_adds(&line, "shipit");

	for (size_t i = 0; i < cli->settings.files.n && rc == 0; i++)
		rc = buf_addf(&line, " -f %s", cli->settings.files.v[i]);
	if (rc == 0)
		rc = buf_addf(&line, " %s %s%s%s", command, environment,
		    limit != NULL ? " --limit " : "", limit != NULL ? limit : "");
	return rc == 0 ? buf_steal(&line) : NULL;
}

struct ui_options cli_ui_options(const struct cli *cli)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct ui_options){
	    .out = cli->out,
	    .err = cli->err,
	    .color_out = cli->color_out,
	    .color_err = cli->color_err,
	    .quiet = cli->settings.quiet,
	    .verbose = cli->settings.verbose,
	    .wall_offset_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - clock_now_ms(),
	    .cancel_fd = cli->cancel.fd,
	};
}

/* --json ends with a summary whatever happens, so that a reader knows it has seen all. */
static void last_line(const struct cli *cli, int code, const struct error *err)
{
	json_t *object;

	if (!cli->settings.json || cli->summarized || cli->settings.help)
		return;
	object = json_event("summary");
	if (object == NULL)
		return;
	if (cli->command != NULL)
		json_put(object, "command", cli->command->name);
	json_put_int(object, "exit", code);
	if (err->kind != ERROR_NONE) {
		json_put(object, "kind", error_kind_name(err->kind));
		json_put(object, "error", error_text(err));
		json_put(object, "hint", err->hint);
	}
	json_line(cli->out, object);
}

static int print_help(const struct cli *cli, FILE *to)
{
	enum { HELP_MAX = 16 * 1024 };
	CLEANUP_BUF struct buf text = BUF_INIT(HELP_MAX);
	int rc = cli->command != NULL ? help_command(cli->command, &text) : help_all(&text);

	if (rc < 0)
		return -1;
	fputs(text.data, to);
	return 0;
}

int help_run(struct cli *cli, struct error *err)
{
	cli->summarized = true;
	cli->command = NULL;
	for (size_t i = 0; i < cli->arguments.n; i++) {
		const struct command *group = cli->command;
		const char *word = cli->arguments.v[i], *near = command_nearest(group, word);

		cli->command = command_in(group, word);
		if (cli->command != NULL)
			continue;
		error_set(err, ERROR_USAGE, "there is no command \"%s%s%s\"",
		    group != NULL ? group->name : "", group != NULL ? " " : "", word);
		return near != NULL ? error_hint(err, "did you mean \"%s\"?", near) : -1;
	}
	return print_help(cli, cli->out) < 0 ? error_memory(err) : EXIT_OK;
}

static int run(struct cli *cli, struct error *err)
{
	if (cli->settings.help)
		return print_help(cli, cli->out) < 0 ? error_memory(err) : EXIT_OK;
	if (cli->command == NULL) {
		print_help(cli, cli->err);
		return EXIT_USAGE;
	}
	return cli->command->run(cli, err);
}

static bool reader_is_gone(FILE *out)
{
	struct pollfd pipe = {.fd = fileno(out)};

	return poll(&pipe, 1, 0) > 0 && (pipe.revents & (POLLERR | POLLHUP)) != 0;
}

/* A reader who has seen enough (`| head`) is no error; a full disk is one. An error of an earlier
 * write is remembered, but not its reason. */
static int finish_output(const struct cli *cli, int code)
{
	int why = fflush(cli->out) != 0 ? errno : 0;

	if ((why == 0 && !ferror(cli->out)) || why == EPIPE || why == EIO ||
	    reader_is_gone(cli->out))
		return code;
	fprintf(cli->err, "shipit: cannot write what was to be said%s%s\n", why != 0 ? ": " : "",
	    why != 0 ? strerror(why) : "");
	return code == EXIT_OK ? EXIT_FAILED : code;
}

/* With 0, 1 or 2 closed, the next socket would get that number and be written to. */
static int open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void release(struct cli *cli)
{
	inventory_free(cli->inventory);
	strv_release(&cli->files);
	free(cli->file);
	pairs_release(&cli->said);
	strv_release(&cli->arguments);
	cancel_release(&cli->cancel);
}

int cli_main(int argc, char *argv[])
{
	struct cli cli = {.out = stdout, .err = stderr, .cancel = CANCEL_INIT};
	CLEANUP_ERROR struct error err = {0};
	struct parsed parsed;
	int code = -1;

	if (open_standard_fds() < 0)
		return EXIT_FAILED;
	setlocale(LC_CTYPE, "");
	cli.color_err = color_wanted(STDERR_FILENO, false);
	if (cancel_init(&cli.cancel, &err) == 0) {
		signals_install(&cli.cancel);
		code = command_parse(argc, argv, &parsed, &err);
		cli.command = parsed.command;
		cli.settings = parsed.settings;
		cli.arguments = parsed.arguments;
		cli.color_out = color_wanted(STDOUT_FILENO, cli.settings.no_color);
		cli.color_err = color_wanted(STDERR_FILENO, cli.settings.no_color);
	}
	if (code == 0)
		code = run(&cli, &err);
	if (err.kind != ERROR_NONE)
		complain(cli.err, cli.color_err, NULL, NULL, &err);
	if (code < 0)
		code = signals_count() > 0 ? EXIT_INTERRUPTED : exit_code_of(err.kind);
	last_line(&cli, code, &err);
	code = finish_output(&cli, code);
	signals_release();
	release(&cli);
	return code;
}
