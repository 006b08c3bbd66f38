/* The keys of the file itself, and the small sections. */
#include <stddef.h>
#include <string.h>

#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

static int read_project(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_registry(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct inventory, field)

/* Keys are read in this order: hosts take the engine's settings, and what services and environments
 * name is checked against what was read before. */
static const struct key top_keys[] = {
    IGNORED("version", "accepted for the sake of Compose files, without effect"),
    NEEDED("project", read_project, AT(project), "what all of this is called"),
    KEY("compose", read_elsewhere, 0, "Compose files that services and more are taken from"),
    KEY_ARG("ssh", read_table, &ssh_table, AT(ssh),
	"how to log in, over what ssh's own configuration says"),
    KEY("engine", read_engine, AT(engine), "the container engine of the hosts"),
    KEY("registry", read_registry, AT(registry), "the registry that images go through"),
    KEY("delivery", read_delivery, AT(delivery), "how images come to the hosts"),
    KEY_ARG("hooks", read_table, &hooks_table, AT(hooks), "programs that run on this machine"),
    KEY("notify", read_notify, AT(notify), "who is told of rollouts"),
    KEY("secrets", read_secrets, 0, "values that nobody is to see, and where they come from"),
    KEY("networks", read_networks, 0, "networks that need more than a name"),
    KEY("volumes", read_named_volumes, 0, "volumes that need more than a name"),
    NEEDED("hosts", read_hosts, 0, "the machines"),
    KEY("builds", read_builds, 0, "steps of building, each with a name"),
    NEEDED("services", read_services, 0, "the containers"),
    NEEDED("environments", read_environments, 0, "which services run on which hosts"),
    REPLACED("name", "project", "a project's name is written `project: NAME`"),
    REFUSED(
	"configs", "a file of the host is mounted by `volumes`, one of this computer by `secrets`"),
    REFUSED("include", "`compose` takes a list of Compose files"),
    REFUSED("models", "no model runner is on the hosts"),
};

static const char *const delivery_names[] = {
    [DELIVERY_AUTO] = "auto",
    [DELIVERY_PULL] = "pull",
    [DELIVERY_LOAD] = "load",
};
static const struct choices deliveries = {
    "auto, pull or load", delivery_names, ARRAY_SIZE(delivery_names)};

const struct key_table top_table = KEY_TABLE("shipit.yml", top_keys);

/* A registry that is not ours can only be pulled from. */
int read_delivery(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	bool load =
	    value->kind == NODE_SCALAR && strcmp(value->text, delivery_names[DELIVERY_LOAD]) == 0;

	if (!load || !r->inv->registry)
		return read_choice(r, value, field, &deliveries);
	return mistake(r, value, "`load` takes the embedded registry, and `registry` is \"%s\"",
	    r->inv->registry);
}

static int read_project(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "the project's name", &text);

	if (got <= 0)
		return got;
	return check_name(r, value, "a project") < 0 ? -1 : read_string(r, value, field, arg);
}

/* ---- ssh ---- */

static const char *const transport_names[] = {
    [TRANSPORT_AUTO] = "auto",
    [TRANSPORT_LIBSSH2] = "libssh2",
    [TRANSPORT_OPENSSH] = "openssh",
};
static const struct choices transports = {
    "auto, libssh2 or openssh", transport_names, ARRAY_SIZE(transport_names)};

static const char *const policy_names[] = {
    [HOST_KEYS_STRICT] = "strict",
    [HOST_KEYS_ACCEPT_NEW] = "accept-new",
};
static const struct choices policies = {
    "strict or accept-new", policy_names, ARRAY_SIZE(policy_names)};

static int read_login(struct reader *r, const struct node *value, void *field, const void *arg);

#undef AT
#define AT(field) offsetof(struct ssh_settings, field)

static const struct key ssh_keys[] = {
    KEY("user", read_login, AT(user), "who to log in as"),
    KEY("config", read_path, AT(config), "another configuration file, as `ssh -F`"),
    KEY_ARG("transport", read_choice, &transports, AT(transport), "which SSH client to use"),
    KEY_ARG("host_keys", read_choice, &policies, AT(host_keys), "what to do with unknown hosts"),
};

const struct key_table ssh_table = KEY_TABLE("`ssh`", ssh_keys);

static int read_login(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "a user's name", &text);

	if (got <= 0)
		return got;
	return is_user_name(text) ? read_string(r, value, field, arg)
				  : mistake_value(r, value, "a user's name");
}

/* ---- hooks ---- */

#undef AT
#define AT(field) offsetof(struct hooks, field)

static const struct key hooks_keys[] = {
    KEY("before_deploy", read_words, AT(before_deploy), "before anything else of a deploy"),
    KEY("after_deploy", read_words, AT(after_deploy),
	"after a deploy or rollback that is all done"),
    KEY("on_failure", read_words, AT(on_failure), "after a deploy or rollback that is not"),
};

const struct key_table hooks_table = KEY_TABLE("`hooks`", hooks_keys);

/* ---- engine, registry ---- */

static int read_command(struct reader *r, const struct node *value, void *field, const void *arg);

#undef AT
#define AT(field) offsetof(struct engine_settings, field)

static const struct key engine_keys[] = {
    KEY("command", read_command, AT(command), "docker, podman, or the path of either"),
    KEY("sudo", read_bool, AT(sudo), "run it by `sudo -n`"),
};

const struct key_table engine_table = KEY_TABLE("`engine`", engine_keys);

int read_engine(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping such as {command: podman}");
	return schema_read(r, value, &engine_table, field, NULL);
}

/* It travels as one word of a command line. */
static bool is_engine_command(const char *text)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-";

	if (strcmp(text, "docker") == 0 || strcmp(text, "podman") == 0)
		return true;
	return text[0] == '/' && strlen(text) < 4096 && !text[strspn(text, allowed)];
}

static int read_command(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "docker, podman, or an absolute path";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return is_engine_command(text) ? read_string(r, value, field, arg)
				       : mistake_value(r, value, expected);
}

static int read_registry(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] =
	    "`embedded`, or HOST:PORT of a registry, such as localhost:5000";
	struct address address;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (strcmp(text, "embedded") == 0)
		return 0; /* what it is without being said */
	const char *wrong = address_parse(text, &address);
	bool no_memory = !wrong && !address.host;
	bool good = !wrong && !address.user && address.port > 0 && !strchr(text, '/');
	address_release(&address);
	if (no_memory)
		return -1;
	return good ? read_string(r, value, field, arg) : mistake_value(r, value, expected);
}
