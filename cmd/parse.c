/* The command line: options anywhere, `--opt=value`, `-n5`, `-vv`, `--`. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "cmd/command.h"

struct reader {
	int argc;
	char *const *argv;
	int next;
	struct parsed *out;
};

struct options {
	const struct option_spec *v;
	size_t n;
};

/* The options that are known now: everybody's, and those of the command once it was named. */
static size_t known_options(const struct command *command, struct options sets[2])
{
	sets[0] = (struct options){global_options, n_global_options};
	if (command == NULL)
		return 1;
	sets[1] = (struct options){command->options, command->n_options};
	return 2;
}

static const struct option_spec *find_option(
    const struct command *command, const char *name, size_t len, char letter)
{
	struct options sets[2];
	size_t n = known_options(command, sets);

	/* A command's own letter goes over the one that is known everywhere: `logs -f`. */
	for (size_t s = n; s-- > 0;)
		for (size_t i = 0; i < sets[s].n; i++) {
			const struct option_spec *option = &sets[s].v[i];

			if (name != NULL ? strlen(option->name) == len &&
					       memcmp(option->name, name, len) == 0
					 : option->letter == letter)
				return option;
		}
	return NULL;
}

/* The command that has an option which this one lacks; NULL: no command does. */
static const struct command *owner_of(const char *name, size_t len, char letter)
{
	for (size_t i = 0; i < n_commands; i++)
		if (find_option(&commands[i], name, len, letter) != NULL)
			return &commands[i];
	return NULL;
}

/* Another command has it; `dashed` is the option as it was written. */
static int misplaced(const struct command *command, const struct command *owner, const char *dashed,
    struct error *err)
{
	if (command == NULL || command_is_in(owner, command))
		return error_set(err, ERROR_USAGE, "%s goes after its command: shipit %s %s",
		    dashed, owner->name, dashed);
	return error_set(err, ERROR_USAGE, "%s is an option of `shipit %s`, not of `shipit %s`",
	    dashed, owner->name, command->name);
}

static const char *nearest_option(const struct command *command, const char *name)
{
	const char *names[64];
	struct options sets[2];
	size_t n = 0, n_sets = known_options(command, sets);

	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n && n < ARRAY_SIZE(names); i++)
			names[n++] = sets[s].v[i].name;
	for (size_t i = 0; i < n; i++)
		if (strlen(name) >= 3 && strncmp(names[i], name, strlen(name)) == 0)
			return names[i];
	return text_nearest(name, names, n);
}

static int help_hint(const struct command *command, struct error *err)
{
	if (command == NULL)
		return error_hint(err, "`shipit -h` lists the commands and what they share");
	return error_hint(err, "`shipit %s -h` lists what it takes", command->name);
}

static int unknown_long(
    const struct command *command, const char *name, size_t len, struct error *err)
{
	CLEANUP_FREE char *dashed = string_printf("--%.*s", (int)len, name);
	const struct command *owner = owner_of(name, len, 0);
	const char *near;

	if (dashed == NULL)
		return error_memory(err);
	near = nearest_option(command, dashed + 2);
	if (owner != NULL)
		misplaced(command, owner, dashed, err);
	else if (near != NULL)
		error_set(err, ERROR_USAGE, "unknown option %s; did you mean --%s?", dashed, near);
	else
		error_set(err, ERROR_USAGE, "unknown option %s", dashed);
	return help_hint(command, err);
}

static int unknown_letter(const struct command *command, char letter, struct error *err)
{
	const struct command *owner = owner_of(NULL, 0, letter);
	const char dashed[] = {'-', letter, '\0'};

	if (owner != NULL)
		misplaced(command, owner, dashed, err);
	else
		error_set(err, ERROR_USAGE, "unknown option %s", dashed);
	return help_hint(command, err);
}

static int set_number(
    const struct option_spec *option, const char *value, int *ret, struct error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < 1 || number > 1000000)
		return error_set(err, ERROR_USAGE, "--%s takes a number, 1 or more, not \"%s\"",
		    option->name, value);
	*ret = (int)number;
	return 0;
}

static int set_size(
    const struct option_spec *option, const char *value, uint64_t *ret, struct error *err)
{
	if (text_parse_bytes(value, ret) < 0 || *ret == 0)
		return error_set(err, ERROR_USAGE,
		    "--%s takes a size such as 500MB or 10G, not \"%s\"", option->name, value);
	return 0;
}

static int set_choice(
    const struct option_spec *option, const char *value, const char **ret, struct error *err)
{
	const char *at = option->argument != NULL ? option->argument : "";

	while (*at != '\0') {
		size_t len = strcspn(at, "|");

		if (strlen(value) == len && memcmp(at, value, len) == 0) {
			*ret = value;
			return 0;
		}
		at += len;
		at += *at == '|';
	}
	return error_set(
	    err, ERROR_USAGE, "--%s takes %s, not \"%s\"", option->name, option->argument, value);
}

static int add_text(const struct option_spec *option, const char *value, struct option_texts *texts,
    struct error *err)
{
	if (texts->n == TEXTS_MAX)
		return error_set(
		    err, ERROR_USAGE, "--%s can be given %d times", option->name, TEXTS_MAX);
	texts->v[texts->n++] = value;
	return 0;
}

static int set_option(struct settings *settings, const struct option_spec *option,
    const char *value, struct error *err)
{
	void *member = (char *)settings + option->offset;

	switch (option->kind) {
	case OPTION_SWITCH:
		*(bool *)member = true;
		return 0;
	case OPTION_COUNT:
		++*(int *)member;
		return 0;
	case OPTION_NUMBER:
		return set_number(option, value, member, err);
	case OPTION_SIZE:
		return set_size(option, value, member, err);
	case OPTION_CHOICE:
		return set_choice(option, value, member, err);
	case OPTION_TEXT:
	case OPTION_TEXTS:
		break;
	}
	if (*value == '\0')
		return error_set(err, ERROR_USAGE, "--%s takes %s, and it is empty", option->name,
		    option->argument);
	if (option->kind == OPTION_TEXTS)
		return add_text(option, value, member, err);
	*(const char **)member = value;
	return 0;
}

/* The value: what stands behind the `=` or the letter, else the next word. */
static int take_option(
    struct reader *r, const struct option_spec *option, const char *attached, struct error *err)
{
	if (option->argument == NULL && attached != NULL)
		return error_set(err, ERROR_USAGE, "--%s takes no value", option->name);
	if (option->argument == NULL)
		return set_option(&r->out->settings, option, "", err);
	if (attached == NULL) {
		if (r->next >= r->argc)
			return error_set(err, ERROR_USAGE, "--%s takes %s, and nothing follows",
			    option->name, option->argument);
		attached = r->argv[r->next++];
	}
	return set_option(&r->out->settings, option, attached, err);
}

static int take_long(struct reader *r, const char *word, struct error *err)
{
	size_t len = strcspn(word, "=");
	const struct option_spec *option = find_option(r->out->command, word, len, 0);

	if (option == NULL)
		return unknown_long(r->out->command, word, len, err);
	return take_option(r, option, word[len] == '=' ? word + len + 1 : NULL, err);
}

static int take_letters(struct reader *r, const char *letters, struct error *err)
{
	for (; *letters != '\0'; letters++) {
		const struct option_spec *option = find_option(r->out->command, NULL, 0, *letters);

		if (option == NULL)
			return unknown_letter(r->out->command, *letters, err);
		if (option->argument != NULL)
			return take_option(r, option, letters[1] != '\0' ? letters + 1 : NULL, err);
		if (set_option(&r->out->settings, option, "", err) < 0)
			return -1;
	}
	return 0;
}

/* The first word, or the second after that of a group. */
static int take_command(struct parsed *out, const char *word, struct error *err)
{
	const struct command *group = out->command, *found = command_in(group, word);
	const char *within = group != NULL ? group->name : "", *space = group != NULL ? " " : "";
	const char *near;

	if (found != NULL) {
		out->command = found;
		return 0;
	}
	near = command_nearest(group, word);
	if (near != NULL)
		error_set(err, ERROR_USAGE, "unknown command \"%s%s%s\"; did you mean \"%s%s%s\"?",
		    within, space, word, within, space, near);
	else
		error_set(err, ERROR_USAGE, "unknown command \"%s%s%s\"", within, space, word);
	return help_hint(group, err);
}

static int take_argument(struct parsed *out, const char *word, struct error *err)
{
	if (out->command == NULL || out->command->run == NULL)
		return take_command(out, word, err);
	return strv_add(&out->arguments, word) < 0 ? error_memory(err) : 0;
}

/* "`shipit registry` needs to know which: list, gc, ..." */
static int which(const struct command *group, struct error *err)
{
	enum { WORDS_MAX = 1024 };
	CLEANUP_BUF struct buf words = BUF_INIT(WORDS_MAX);
	int rc = 0;

	for (size_t i = 0; i < n_commands && rc == 0; i++)
		if (command_is_in(&commands[i], group))
			rc = buf_addf(
			    &words, "%s%s", words.len > 0 ? ", " : "", command_word(&commands[i]));
	if (rc < 0)
		return error_memory(err);
	error_set(err, ERROR_USAGE, "`shipit %s` needs to know which: %s", group->name, words.data);
	return help_hint(group, err);
}

/* "the environment", or the argument as usage has it. */
static char *argument_called(const struct command *command, size_t i)
{
	const char *at = command->arguments;

	for (; i > 0 && *at != '\0'; i--) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	if (strncmp(at, "ENV", 3) == 0)
		return strdup("the environment");
	return strndup(at, strcspn(at, " "));
}

static int check_arity(const struct parsed *parsed, struct error *err)
{
	const struct command *command = parsed->command;
	int least, most;

	if (command->run == NULL)
		return which(command, err);
	command_arity(command, &least, &most);
	if (parsed->arguments.n < (size_t)least) {
		CLEANUP_FREE char *what = argument_called(command, parsed->arguments.n);

		error_set(err, ERROR_USAGE, "`shipit %s` needs to know %s", command->name,
		    what != NULL ? what : command->arguments);
	} else if (most >= 0 && parsed->arguments.n > (size_t)most)
		error_set(err, ERROR_USAGE, "`shipit %s` does not take \"%s\"", command->name,
		    parsed->arguments.v[most]);
	else
		return 0;
	return error_hint(err, "usage: shipit %s%s%s", command->name,
	    command->arguments[0] != '\0' ? " " : "", command->arguments);
}

int command_parse(int argc, char *const argv[], struct parsed *ret, struct error *err)
{
	struct reader r = {.argc = argc, .argv = argv, .next = 1, .out = ret};
	bool only_arguments = false;

	memset(ret, 0, sizeof(*ret));
	while (r.next < argc) {
		const char *word = argv[r.next++];
		int rc = 0;

		if (ret->command != NULL && ret->command->words_from > 0 &&
		    ret->arguments.n >= ret->command->words_from)
			only_arguments = true;
		if (only_arguments || word[0] != '-' || word[1] == '\0')
			rc = take_argument(ret, word, err);
		else if (word[1] != '-')
			rc = take_letters(&r, word + 1, err);
		else if (word[2] != '\0')
			rc = take_long(&r, word + 2, err);
		else
			only_arguments = true;
		if (rc < 0)
			return -1;
	}
	if (ret->settings.help || ret->command == NULL)
		return 0;
	return check_arity(ret, err);
}

void parsed_release(struct parsed *parsed)
{
	strv_release(&parsed->arguments);
	memset(parsed, 0, sizeof(*parsed));
}
