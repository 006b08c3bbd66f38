#include "cmd/command.h"

#include <string.h>

#include "base/attr.h"
#include "base/text.h"

#define AT(member) offsetof(struct settings, member)

const struct option_spec global_options[] = {
    {"file", 'f', OPTION_TEXTS, "FILE", AT(files),
	"inventories; default: $SHIPIT_FILE, ./shipit.yml"},
    {"parallel", 0, OPTION_NUMBER, "N", AT(parallel), "hosts worked on at once; default: 16"},
    {"limit", 0, OPTION_TEXT, "PATTERN", AT(limit), "only hosts that match: web*,!web3,tag:db"},
    {"json", 0, OPTION_SWITCH, NULL, AT(json), "one JSON object per line, for programs"},
    {"quiet", 'q', OPTION_SWITCH, NULL, AT(quiet), "errors and the result, nothing else"},
    {"verbose", 'v', OPTION_COUNT, NULL, AT(verbose),
	"every step, and SSH; -vv: every remote call"},
    {"yes", 0, OPTION_SWITCH, NULL, AT(yes), "take every question as answered with yes"},
    {"no-color", 0, OPTION_SWITCH, NULL, AT(no_color), NULL},
    {"refresh-inventory", 0, OPTION_SWITCH, NULL, AT(ask_anew), NULL},
    {"help", 'h', OPTION_SWITCH, NULL, AT(help), "this; after a command: what that takes"},
};
const size_t n_global_options = ARRAY_SIZE(global_options);

static const struct option_spec check_options[] = {
    {"offline", 0, OPTION_SWITCH, NULL, AT(offline), "read the inventory only, connect to nothing"},
};

static const struct option_spec config_options[] = {
    {"origins", 0, OPTION_SWITCH, NULL, AT(origins), "tell where each value comes from"},
    {"schema", 0, OPTION_SWITCH, NULL, AT(schema), "a JSON Schema of shipit.yml, for editors"},
};

static const struct option_spec build_options[] = {
    {"pull", 0, OPTION_SWITCH, NULL, AT(pull), "fetch newer base images first"},
    {"no-cache", 0, OPTION_SWITCH, NULL, AT(no_cache), "build every layer anew"},
};

static const struct option_spec deploy_options[] = {
    {"dry-run", 0, OPTION_SWITCH, NULL, AT(dry_run), "say what would be done; change nothing"},
    {"no-build", 0, OPTION_SWITCH, NULL, AT(no_build), "take the images as they are here"},
    {"force", 0, OPTION_SWITCH, NULL, AT(force), "replace what is unchanged, too"},
    {"adopt", 0, OPTION_SWITCH, NULL, AT(adopt), "replace what was run by hand and holds its port"},
    {"prune-services", 0, OPTION_SWITCH, NULL, AT(prune_services),
	"take down services that left the inventory"},
    {"prune-first", 0, OPTION_SWITCH, NULL, AT(prune_first),
	"remove old releases first, for their disk"},
    {"batch", 0, OPTION_TEXT, "N|N%", AT(batch), "so many hosts at a time"},
    {"canary", 0, OPTION_NUMBER, "N", AT(canary), "so many hosts alone, first"},
    {"retry", 0, OPTION_SWITCH, NULL, AT(retry), "only hosts that the last deploy did not change"},
    {"unreachable", 0, OPTION_CHOICE, "skip|fail", AT(unreachable),
	"hosts that do not answer: skip (default), or fail"},
    {"max-rate", 0, OPTION_SIZE, "RATE", AT(max_rate),
	"bytes per second to all hosts together: 20M, 500K"},
    {"log-file", 0, OPTION_TEXT, "FILE", AT(log_file), "add every step, with its time, to FILE"},
    {"report", 0, OPTION_TEXT, "FILE.html", AT(report),
	"write a page about it: timeline, failures"},
};

static const struct option_spec refresh_options[] = {
    {"max-rate", 0, OPTION_SIZE, "RATE", AT(max_rate),
	"bytes per second to all hosts together: 20M, 500K"},
    {"log-file", 0, OPTION_TEXT, "FILE", AT(log_file), "add every step, with its time, to FILE"},
    {"report", 0, OPTION_TEXT, "FILE.html", AT(report),
	"write a page about it: timeline, failures"},
};

static const struct option_spec rollback_options[] = {
    {"to", 0, OPTION_TEXT, "RELEASE", AT(to), "this release instead of the one before"},
    {"dry-run", 0, OPTION_SWITCH, NULL, AT(dry_run), "say what would be done; change nothing"},
    {"log-file", 0, OPTION_TEXT, "FILE", AT(log_file), "add every step, with its time, to FILE"},
    {"report", 0, OPTION_TEXT, "FILE.html", AT(report),
	"write a page about it: timeline, failures"},
};

/* start, stop, restart, down, prune */
static const struct option_spec act_options[] = {
    {"dry-run", 0, OPTION_SWITCH, NULL, AT(dry_run), "say what would be done; change nothing"},
    {"log-file", 0, OPTION_TEXT, "FILE", AT(log_file), "add every step, with its time, to FILE"},
    {"report", 0, OPTION_TEXT, "FILE.html", AT(report),
	"write a page about it: timeline, failures"},
};

static const struct option_spec history_options[] = {
    {"number", 'n', OPTION_NUMBER, "N", AT(number), "the newest N lines; default: 20"},
};

static const struct option_spec logs_options[] = {
    {"follow", 'f', OPTION_SWITCH, NULL, AT(follow), "go on with what comes"},
    {"number", 'n', OPTION_NUMBER, "N", AT(number), "the last N lines of each; default: 100"},
    {"since", 0, OPTION_TEXT, "TIME", AT(since), "what was said since: 10m, 2026-11-22T17:54:32Z"},
};

static const struct option_spec exec_options[] = {
    {"host", 0, OPTION_TEXT, "HOST", AT(limit), "on this host alone; the same as --limit"},
    {"no-terminal", 'T', OPTION_SWITCH, NULL, AT(no_terminal), "give it none, though this is one"},
};

static const struct option_spec gc_options[] = {
    {"max-size", 0, OPTION_SIZE, "SIZE", AT(max_size),
	"what the store may take, as in 500MB or 10G; default: 20G"},
};

static const struct option_spec serve_options[] = {
    {"listen", 0, OPTION_TEXT, "ADDRESS:PORT", AT(listen), "where; default: 127.0.0.1:5000"},
    {"beyond-loopback", 0, OPTION_SWITCH, NULL, AT(beyond_loopback),
	"an address that others can reach, too"},
};

#define OPTIONS(array) .options = (array), .n_options = ARRAY_SIZE(array)

const struct command commands[] = {
    {.name = "init",
	.arguments = "",
	.summary = "write a commented shipit.yml",
	.details = "Writes a shipit.yml for this folder. A Compose file in it is taken as it is;\n"
		   "else a Dockerfile says what is built, and its EXPOSE which port. Never\n"
		   "overwrites one; -f FILE writes another.",
	.run = init_run},
    {.name = "check",
	.arguments = "[ENV]",
	.summary = "the inventory, then every host: login, forwarding, engine, disk",
	.details =
	    "Reads the inventory and tells all its mistakes at once; then looks at every host\n"
	    "and says what would be in the way of a deploy, and what to do about it.\n"
	    "Changes nothing. Without ENV: all environments.",
	OPTIONS(check_options),
	.run = check_run},
    {.name = "build",
	.arguments = "[SERVICE...]",
	.summary = "build images; `refresh`: from new bases, and deploy what changed",
	.details =
	    "Builds on this machine what `build:` describes, and shows what the engine says.\n"
	    "A deploy does this by itself. Without SERVICE: all that have a `build:`.",
	OPTIONS(build_options),
	.run = build_run},
    {.name = "deploy",
	.arguments = "ENV [SERVICE...]",
	.summary = "build, deliver and start; what does not work goes back",
	.details =
	    "Builds the images, brings them to the hosts of ENV through SSH, replaces the\n"
	    "containers, and waits until the new ones work. Where one does not, the host goes\n"
	    "back to what ran before. Without SERVICE: all services of ENV.",
	OPTIONS(deploy_options),
	.run = deploy_run},
    {.name = "rollback",
	.arguments = "[ENV] [SERVICE...]",
	.summary = "go back to the release before",
	.details =
	    "Starts again what ran before the last rollout, with the options it had. Hosts\n"
	    "that never got the release are left alone. Twice returns where you were.\n"
	    "Without ENV: takes back what was rolled out last from here, from this inventory.",
	OPTIONS(rollback_options),
	.run = rollback_run},
    {.name = "refresh",
	.arguments = "ENV [SERVICE...]",
	.details =
	    "Builds without cache from the newest base images, and deploys where that gives\n"
	    "another content than what runs, not only other times. Says which packages\n"
	    "changed. What does not work goes back, and is not tried again until it differs.",
	OPTIONS(refresh_options),
	.run = refresh_run},
    {.name = "start",
	.arguments = "ENV [SERVICE...]",
	.details =
	    "Starts the containers that are there, with the restart policy that they had, and\n"
	    "waits until they are up. Without SERVICE: all services of ENV.",
	OPTIONS(act_options),
	.run = start_run},
    {.name = "stop",
	.arguments = "ENV [SERVICE...]",
	.summary = "stop services until `start`; `restart` does both",
	.details =
	    "Stops the containers, each after those that depend on it, and leaves them there.\n"
	    "They stay stopped when the engine or the host starts again.",
	OPTIONS(act_options),
	.run = stop_run},
    {.name = "restart",
	.arguments = "ENV [SERVICE...]",
	.details =
	    "Stops the containers and starts them again, one after the other, and waits until\n"
	    "each is up. Nothing new is delivered: `deploy` does that.",
	OPTIONS(act_options),
	.run = restart_run},
    {.name = "down",
	.arguments = "ENV",
	.summary = "remove what is on the hosts but volumes; `prune` what is old",
	.details =
	    "Removes the containers of ENV, also the kept ones, their images and networks.\n"
	    "Volumes stay, and among them the ledger: `history` still knows. Asks before it\n"
	    "begins, unless --yes.",
	OPTIONS(act_options),
	.run = down_run},
    {.name = "prune",
	.arguments = "ENV",
	.details = "Removes releases beyond `retain`, what interrupted deploys left, and, after\n"
		   "asking (or with --yes), services that are no longer in the inventory. Nothing\n"
		   "that shipit did not make; no volumes and no networks.",
	OPTIONS(act_options),
	.run = prune_run},
    {.name = "status",
	.arguments = "[ENV]",
	.summary = "what runs where: release, age, health",
	.details = "Asks the hosts, not a file: two people see the same. Changes nothing.\n"
		   "Without ENV: all environments.",
	.run = status_run},
    {.name = "history",
	.arguments = "[ENV]",
	.summary = "what was rolled out when and by whom, newest first",
	.details = "Merges the ledgers of all hosts: one line for each rollout of each service.\n"
		   "Without ENV: all environments.",
	OPTIONS(history_options),
	.run = history_run},
    {.name = "logs",
	.arguments = "ENV [SERVICE...]",
	.summary = "what the containers say; `exec` runs a program in them",
	.details = "The last lines of each container. With -f it goes on: through restarts and\n"
		   "deploys, and where a link is lost from where it was. Here -f is --follow; the\n"
		   "inventory is named by --file, or by -f before the word logs.",
	OPTIONS(logs_options),
	.run = logs_command_run},
    {.name = "exec",
	.arguments = "ENV SERVICE COMMAND [ARG...]",
	.words_from = 3,
	.details =
	    "Runs a program in the containers of a service.\n"
	    "On one host with this terminal, or what stdin has, and ends as the program does\n"
	    "(255: it could not be run). On several side by side, without stdin, each line\n"
	    "with its host in front. Ctrl-C there ends the waiting, not the programs.",
	OPTIONS(exec_options),
	.run = exec_command_run},
    {.name = "config",
	.arguments = "[ENV]",
	.summary = "print the inventory as shipit understands it",
	.details =
	    "The inventory with ranges, variables, defaults and host patterns worked out, as\n"
	    "YAML, or with --json as JSON. Connects to nothing. Without ENV: all of them.",
	OPTIONS(config_options),
	.run = config_run},
    {.name = "registry",
	.arguments = "COMMAND",
	.summary = "the images that shipit keeps here",
	.details = "Images are kept in one file, which all shipits of one user share:\n"
		   "~/.local/share/shipit/store.db, or $SHIPIT_STORE. `registry list` says where."},
    {.name = "registry list",
	.arguments = "",
	.summary = "which images there are, and what room they take",
	.details =
	    "SIZE is what travels, STORED what it takes here, SHARED the part of that which\n"
	    "other images use too. `gc` never removes the tags that are KEPT: a rollback\n"
	    "may need them.",
	.run = registry_list_run},
    {.name = "registry gc",
	.arguments = "",
	.summary = "remove what no image needs, and old images beyond a size",
	.details =
	    "Removes what no image refers to; then, while the rest takes more than SIZE, the\n"
	    "images used least recently. What a rollback may need is kept. Deploys and\n"
	    "pushes can go on meanwhile. G is 1024^3 bytes, GB 1000^3.",
	OPTIONS(gc_options),
	.run = registry_gc_run},
    {.name = "registry verify",
	.arguments = "",
	.summary = "check every byte of the images",
	.details =
	    "Reads everything and compares it with its digest. Repairs nothing, and says for\n"
	    "what is damaged how to get it again. Ends with 1 when something is wrong.",
	.run = registry_verify_run},
    {.name = "registry serve",
	.arguments = "",
	.summary = "be a registry for `docker push` and the like, until Ctrl-C",
	.details = "Serves the images over HTTP, for every client of an OCI registry to push and\n"
		   "pull. $SHIPIT_REGISTRY_AUTH=USER:PASSWORD makes it ask for these; beyond\n"
		   "loopback that is a must, as anybody there could read and write.",
	OPTIONS(serve_options),
	.run = registry_serve_run},
    {.name = "version",
	.arguments = "",
	.summary = "print the versions of shipit and of its libraries",
	.details = "Prints the version of shipit and of the libraries it runs with.",
	.run = version_run},
    {.name = "help",
	.arguments = "[COMMAND...]",
	.details = "The same as `shipit COMMAND -h`.",
	.run = help_run},
};
const size_t n_commands = ARRAY_SIZE(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const char *command_word(const struct command *command)
{
	const char *space = strchr(command->name, ' ');

	return space != NULL ? space + 1 : command->name;
}

bool command_is_in(const struct command *command, const struct command *group)
{
	size_t len = (size_t)(command_word(command) - command->name);

	if (group == NULL)
		return len == 0;
	return len == strlen(group->name) + 1 && memcmp(command->name, group->name, len - 1) == 0;
}

const struct command *command_in(const struct command *group, const char *word)
{
	for (size_t i = 0; i < n_commands; i++)
		if (command_is_in(&commands[i], group) &&
		    strcmp(command_word(&commands[i]), word) == 0)
			return &commands[i];
	return NULL;
}

/* What other tools call them. */
static const char *command_elsewhere(const char *word)
{
	static const char *const words[][2] = {
	    {"ls", "status"},
	    {"ps", "status"},
	    {"up", "deploy"},
	    {"run", "deploy"},
	    {"push", "deploy"},
	    {"rm", "down"},
	    {"destroy", "down"},
	    {"remove", "down"},
	    {"ssh", "exec"},
	    {"validate", "check"},
	    {"undo", "rollback"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i][0], word) == 0)
			return words[i][1];
	return NULL;
}

const char *command_nearest(const struct command *group, const char *word)
{
	const char *elsewhere = group == NULL ? command_elsewhere(word) : NULL;
	const char *words[ARRAY_SIZE(commands)];
	size_t n = 0;

	if (elsewhere != NULL)
		return elsewhere;
	for (size_t i = 0; i < n_commands; i++)
		if (command_is_in(&commands[i], group))
			words[n++] = command_word(&commands[i]);
	return text_nearest(word, words, n);
}

void command_arity(const struct command *command, int *ret_min, int *ret_max)
{
	int least = 0, most = 0;
	const char *at = command->arguments;

	while (*at != '\0') {
		size_t len = strcspn(at, " ");

		if (*at != '[')
			least++;
		if (memmem(at, len, "...", 3) != NULL)
			most = -1;
		else if (most >= 0)
			most++;
		at += len;
		at += strspn(at, " ");
	}
	*ret_min = least;
	*ret_max = most;
}
