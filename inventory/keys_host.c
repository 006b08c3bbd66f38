/* `hosts:` and what each of them may say. */
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

static int read_address(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_user(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_port(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_tags(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_host_key(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct host, field)

/* `user` and `port` come after `address`, which may say them too. */
static const struct key host_keys[] = {
    KEY("address", read_address, 0, "what to connect to, when it is not the host's name"),
    KEY("user", read_user, 0, "who to log in as"),
    KEY("port", read_port, 0, "the port of its SSH server"),
    KEY("tags", read_tags, AT(tags), "names for groups of hosts: `tag:NAME` means them"),
    KEY("host_key", read_host_key, AT(host_key), "the only host key that is accepted"),
    KEY_ARG("environment", read_pairs, &environment_rule, AT(environment),
	"variables for every container on this host"),
    KEY("engine", read_engine, AT(engine), "the container engine of this host"),
    KEY("delivery", read_delivery, AT(delivery), "how images come to this host"),
};

const struct key_table host_table = KEY_TABLE("a host", host_keys);

const struct pairs_rule environment_rule = {"a variable", .inherits = true, .secrets = true};

static int read_address(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct host *host = field;
	struct address address;
	const char *text;
	char shown[SHOWN_SIZE];
	int got = scalar_text(r, value, "an address such as deploy@10.0.0.9:2222", &text);

	if (got <= 0)
		return got;
	const char *wrong = address_parse(text, &address);
	if (wrong || !address.host) {
		address_release(&address);
		return wrong ? mistake(r, value, "the address \"%s\" cannot be used: %s",
				   show_text(shown, text), wrong)
			     : -1;
	}
	host->address = address.host;
	host->user = address.user;
	host->port = address.port;
	return 0;
}

static int read_user(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct host *host = field;
	const char *text;
	char shown[SHOWN_SIZE];
	int got = scalar_text(r, value, "a user's name", &text);

	if (got <= 0)
		return got;
	if (!is_user_name(text))
		return mistake_value(r, value, "a user's name");
	if (host->user && strcmp(host->user, text) != 0)
		return mistake(r, value, "the address says that the user is \"%s\"",
		    show_text(shown, host->user));
	return set_string(&host->user, text);
}

static int read_port(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct range ports = {1, 65535};
	struct host *host = field;
	int port = 0;

	if (read_count(r, value, &port, &ports) < 0)
		return -1;
	if (port && host->port && port != host->port)
		return mistake(r, value, "the address says that the port is %d", host->port);
	if (port)
		host->port = port;
	return 0;
}

static int add_tag(struct reader *r, const struct node *item, const char *text, void *context)
{
	struct strv *tags = context;

	if (!is_resource_key(text))
		return mistake_value(r, item, "a tag of letters, digits, - and _");
	return strv_has(tags, text) ? 0 : strv_add(tags, text);
}

static int read_tags(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return each_text(r, value, "a list of tags", add_tag, field);
}

/* ---- host_key ---- */

static const char *const host_key_types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com"};

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A key's bytes begin with the length and text of its type (RFC 4253 §6.6). */
static bool is_key_of_type(const char *encoded, size_t len, const char *type)
{
	size_t type_len = strlen(type), letters = strspn(encoded, base64);
	unsigned char head[64] = {0};
	unsigned bits = 0;
	size_t n = 0;

	if (letters > len || len - letters > 2 || len % 4 != 0 ||
	    strspn(encoded + letters, "=") < len - letters)
		return false;
	for (size_t i = 0; i < letters && n < sizeof(head); i++) {
		bits = bits << 6 | (unsigned)(strchr(base64, encoded[i]) - base64);
		if (i % 4 != 0)
			head[n++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	return letters > 40 && head[3] == type_len && !head[0] && !head[1] && !head[2] &&
	       memcmp(head + 4, type, type_len) == 0;
}

/* "TYPE BASE64" of "TYPE BASE64 COMMENT". */
static int read_host_key(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] =
	    "a host's public key, \"ssh-ed25519 AAAA...\", as `ssh-keyscan HOST` shows it";
	char **out = field;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	for (size_t i = 0; i < ARRAY_SIZE(host_key_types); i++) {
		size_t len = strlen(host_key_types[i]);
		const char *encoded = text + len + 1;

		if (strncmp(text, host_key_types[i], len) != 0 || text[len] != ' ')
			continue;
		size_t encoded_len = strcspn(encoded, " \t\n");
		if (!is_key_of_type(encoded, encoded_len, host_key_types[i]))
			break;
		*out = strndup(text, len + 1 + encoded_len);
		return *out ? 0 : -1;
	}
	return mistake_value(r, value, expected);
}

/* ---- the list ---- */

void host_release(struct host *host)
{
	free(host->name);
	free(host->address);
	free(host->user);
	free(host->host_key);
	free(host->engine.command);
	strv_release(&host->tags);
	pairs_release(&host->environment);
	*host = (struct host){0};
}

static int copy_string(char **to, const char *from)
{
	return from ? set_string(to, from) : 0;
}

static int copy_host(struct host *to, const struct host *from, const char *name)
{
	*to = (struct host){.port = from->port, .delivery = from->delivery, .pos = from->pos};
	to->engine.sudo = from->engine.sudo;
	if (copy_string(&to->name, name) < 0 || copy_string(&to->address, from->address) < 0 ||
	    copy_string(&to->user, from->user) < 0 ||
	    copy_string(&to->host_key, from->host_key) < 0 ||
	    copy_string(&to->engine.command, from->engine.command) < 0 ||
	    strv_copy(&to->tags, &from->tags) < 0)
		return -1;
	return pairs_set_all(&to->environment, &from->environment);
}

static int add_host(
    struct reader *r, const struct node *key, const struct host *model, const char *name)
{
	struct inventory *inv = r->inv;
	const json_t *place = json_object_get(r->places, name);
	char shown[SHOWN_SIZE], where[POSITION_SIZE];

	if (place) {
		const struct host *same = &inv->hosts[json_integer_value(place)];

		return mistake(r, key, "the host \"%s\" is here twice, first at %s",
		    show_text(shown, name), show_position(where, &same->pos, &key->pos));
	}
	if (inv->n_hosts == MAX_HOSTS) {
		r->hosts_incomplete = true;
		return mistake(r, key, "more than %d hosts", MAX_HOSTS);
	}
	if (!r->places)
		r->places = json_object();
	if (json_set(r->places, name, json_integer((json_int_t)inv->n_hosts)) < 0 ||
	    array_grow(&inv->hosts, inv->n_hosts, sizeof(*inv->hosts)) < 0)
		return -1;
	return copy_host(&inv->hosts[inv->n_hosts++], model, name);
}

static int add_hosts(struct reader *r, const struct node *key, const struct host *model)
{
	CLEANUP_STRV struct strv names = {0};
	char shown[SHOWN_SIZE];
	bool no_memory;
	const char *wrong = expand_ranges(key->text, &names, &no_memory);

	if (no_memory)
		return -1;
	if (!wrong && !is_host_name(names.v[0]))
		wrong = strchr(key->text, '@') || strchr(key->text, '/')
			    ? "give it a name here and write `address:` below it"
			    : "use letters, digits, dots and -";
	if (wrong) {
		r->hosts_incomplete = true;
		return mistake(r, key, "\"%s\" cannot be the name of a host: %s",
		    show_text(shown, key->text), wrong);
	}
	if (names.n > 1 && model->address)
		return mistake(r, key, "the hosts of a range cannot all have the address \"%s\"",
		    show_text(shown, model->address));
	for (size_t i = 0; i < names.n; i++)
		if (add_host(r, key, model, names.v[i]) < 0)
			return -1;
	return 0;
}

/* "web1: 10.0.0.9" */
static int report_address(struct reader *r, const struct node *key, const struct node *value)
{
	char name[SHOWN_SIZE], address[SHOWN_SIZE];

	if (mistake(r, value, "expected a mapping, found a text") < 0)
		return -1;
	return mistake_hint(r, "write `%s: {address: %s}`", show_text(name, key->text),
	    show_text(address, value->text));
}

static int read_host(struct reader *r, const struct node *key, const struct node *value)
{
	struct host model = {
	    .pos = key->pos, .engine.sudo = r->inv->engine.sudo, .delivery = r->inv->delivery};
	int result = copy_string(&model.engine.command, r->inv->engine.command);

	if (value && value->kind == NODE_SCALAR && !value->bad)
		result = report_address(r, key, value);
	else if (result == 0 && value && value->kind != NODE_NULL)
		result = schema_read(r, value, &host_table, &model, NULL);
	if (result == 0)
		result = add_hosts(r, key, &model);
	host_release(&model);
	return result;
}

int read_hosts(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg UNUSED)
{
	if (value->kind != NODE_MAP && value->kind != NODE_LIST) {
		r->hosts_incomplete = true;
		return mistake_kind(r, value, "a mapping of hosts");
	}
	if (value->n == 0)
		return mistake(r, value, "expected at least one host");
	for (size_t i = 0; i < value->n; i++) {
		const struct node *key =
		    value->kind == NODE_MAP ? value->entries[i].key : value->items[i];
		const char *text;
		int result = scalar_text(r, key, "a host's name", &text);

		if (result > 0)
			result = read_host(
			    r, key, value->kind == NODE_MAP ? value->entries[i].value : NULL);
		if (result < 0)
			return -1;
	}
	return 0;
}
