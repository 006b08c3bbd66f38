/* Help, made from the tables: it cannot say what is not there. */
#include "cmd/help.h"

#include <string.h>

#include "base/buf.h"

enum { WIDTH = 80 };

/* "  -f, --file FILE" */
static int option_words(struct buf *out, const struct option_spec *option)
{
	int rc;

	if (option->letter != 0)
		rc = buf_addf(out, "  -%c, --%s", option->letter, option->name);
	else
		rc = buf_addf(out, "      --%s", option->name);
	if (rc == 0 && option->argument != NULL)
		rc = buf_addf(out, " %s", option->argument);
	return rc;
}

static int option_lines(struct buf *out, const struct option_spec *options, size_t n)
{
	size_t widest = 0;

	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf words = BUF_INIT(256);

		if (option_words(&words, &options[i]) < 0)
			return -1;
		if (options[i].help != NULL && words.len > widest)
			widest = words.len;
	}
	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf words = BUF_INIT(256);

		if (options[i].help != NULL &&
		    (option_words(&words, &options[i]) < 0 ||
			buf_addf(out, "%-*s  %s\n", (int)widest, words.data, options[i].help) < 0))
			return -1;
	}
	return 0;
}

/* "Everywhere: -f FILE, --parallel N, ...", wrapped. */
static int everywhere(struct buf *out)
{
	size_t column = strlen("Everywhere:");

	if (buf_adds(out, "\nEverywhere:") < 0)
		return -1;
	for (size_t i = 0; i < n_global_options; i++) {
		const struct option_spec *o = &global_options[i];
		CLEANUP_BUF struct buf word = BUF_INIT(128);
		int rc = o->letter != 0 ? buf_addf(&word, "-%c", o->letter)
					: buf_addf(&word, "--%s", o->name);

		if (rc == 0 && o->argument != NULL)
			rc = buf_addf(&word, " %s", o->argument);
		if (rc == 0)
			rc = buf_adds(&word, i + 1 < n_global_options ? "," : "");
		if (rc < 0)
			return -1;
		if (column + 1 + word.len > WIDTH) {
			rc = buf_adds(out, "\n           ");
			column = strlen("Everywhere:");
		}
		if (rc < 0 || buf_addf(out, " %s", word.data) < 0)
			return -1;
		column += 1 + word.len;
	}
	return buf_adds(out, " (see `shipit -h`)\n");
}

/* A line for each command that `group` (NULL: none) is made of. */
static int command_lines(struct buf *out, const struct command *group)
{
	for (size_t i = 0; i < n_commands; i++)
		if (command_is_in(&commands[i], group) && commands[i].summary != NULL &&
		    buf_addf(
			out, "  %-10s  %s\n", command_word(&commands[i]), commands[i].summary) < 0)
			return -1;
	return 0;
}

/* The commands of a group, and what each takes. */
static int group_lines(struct buf *out, const struct command *group)
{
	int rc = buf_adds(out, "\n");

	if (rc == 0)
		rc = command_lines(out, group);
	if (rc == 0)
		rc = buf_adds(out, "\n");
	for (size_t i = 0; i < n_commands && rc == 0; i++) {
		const struct command *command = &commands[i];

		if (command->n_options == 0 || !command_is_in(command, group))
			continue;
		rc = buf_addf(out, "%s:\n", command_word(command));
		if (rc == 0)
			rc = option_lines(out, command->options, command->n_options);
	}
	return rc;
}

int help_command(const struct command *command, struct buf *out)
{
	bool takes_options = command->n_options > 0 || command->run == NULL;

	if (buf_addf(out, "usage: shipit %s%s%s%s\n\n%s\n", command->name,
		command->arguments[0] != '\0' ? " " : "", command->arguments,
		takes_options ? " [OPTION...]" : "", command->details) < 0)
		return -1;
	if (command->run == NULL && group_lines(out, command) < 0)
		return -1;
	if (command->n_options > 0 &&
	    (buf_adds(out, "\n") < 0 ||
		option_lines(out, command->options, command->n_options) < 0))
		return -1;
	return everywhere(out);
}

int help_all(struct buf *out)
{
	if (buf_adds(out, "usage: shipit COMMAND [ARGUMENT...] [OPTION...]\n\n") < 0)
		return -1;
	if (command_lines(out, NULL) < 0 || buf_adds(out, "\n") < 0)
		return -1;
	return option_lines(out, global_options, n_global_options);
}
