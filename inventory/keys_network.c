/* `networks:` of a service, and the networks and named volumes of the file itself. What the engine
 * is told of them is kept in the form of docs/formats.md. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

static const struct resource *find(const struct inventory *inv, const char *key)
{
	for (size_t i = 0; i < inv->n_networks; i++)
		if (strcmp(inv->networks[i].key, key) == 0)
			return &inv->networks[i];
	return NULL;
}

/* ---- a service's ---- */

static int read_priority(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const struct range range = {-1000000, 1000000};
	int number = 0;

	if (read_count(r, value, &number, &range) < 0)
		return -1;
	return number != 0 ? settings_set(field, arg, json_integer(number)) : 0;
}

static int setting_address(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct in6_addr ignored;
	bool four = strcmp(arg, "ipv4_address") == 0;
	const char *expected = four ? "an IPv4 address" : "an IPv6 address", *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (inet_pton(four ? AF_INET : AF_INET6, text, &ignored) != 1)
		return mistake_value(r, value, expected);
	return settings_set(field, arg, json_string(text));
}

static int add_address(struct reader *r, const struct node *item, const char *text, void *context)
{
	if (!is_ip_address(text))
		return mistake_value(r, item, "an IP address");
	return json_array_append_new(context, json_string(text));
}

static int setting_addresses(
    struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_JSON json_t *array = json_array();

	if (array == NULL || each_text(r, value, "a list of IP addresses", add_address, array) < 0)
		return -1;
	return settings_set_list(field, arg, array);
}

static const struct key service_network_keys[] = {
    KEY_ARG("aliases", setting_list, "aliases", 0, "more names that others find it by there"),
    KEY_ARG("ipv4_address", setting_address, "ipv4_address", 0, "its own address there"),
    KEY_ARG("ipv6_address", setting_address, "ipv6_address", 0, "its own IPv6 address there"),
    KEY_ARG("link_local_ips", setting_addresses, "link_local_ips", 0, "link-local addresses"),
    KEY_ARG("mac_address", setting_mac, "mac_address", 0, "the address of its network card there"),
    KEY_ARG("driver_opts", setting_pairs, "driver_opts", 0, "options of the network's driver"),
    KEY_ARG("priority", read_priority, "priority", 0, "the highest one is connected first"),
    REFUSED("gw_priority",
	"the engine chooses the network that leads outside by their names; `priority` orders them"),
    REFUSED("interface_name", "only the newest engines can name a network card"),
};

const struct key_table service_network_table =
    KEY_TABLE("a network of a service", service_network_keys);

/* An engine gives addresses only where the network has a subnet that somebody chose. */
static int check_fixed(
    struct reader *r, const struct node *value, const char *key, const json_t *options)
{
	const struct resource *network = find(r->inv, key);
	json_t *ipam = network ? json_at(network->settings, "ipam.config") : NULL;

	if ((!json_object_get(options, "ipv4_address") &&
		!json_object_get(options, "ipv6_address")) ||
	    (network && network->external) || json_array_size(ipam) > 0)
		return 0;
	if (mistake(r, value, "a fixed address takes a network with a subnet") < 0)
		return -1;
	return mistake_hint(
	    r, "give it one: networks: {%s: {ipam: {config: [{subnet: 10.20.0.0/24}]}}}", key);
}

static int add_network(struct reader *r, const struct node *node, const char *text, void *context)
{
	struct strv *networks = context;
	char shown[SHOWN_SIZE];

	if (!is_resource_key(text))
		return mistake(r, node, "\"%s\" is no network name: use letters, digits, - and _",
		    show_text(shown, text));
	return strv_has(networks, text) ? 0 : strv_add(networks, text);
}

static int read_options(
    struct reader *r, const struct entry *entry, json_t **all, const char *expected)
{
	CLEANUP_JSON json_t *options = NULL;

	if (entry->value->kind == NODE_NULL)
		return 0;
	if (entry->value->kind != NODE_MAP)
		return mistake_kind(r, entry->value, expected);
	if (schema_read(r, entry->value, &service_network_table, &options, NULL) < 0 ||
	    check_fixed(r, entry->value, entry->key->text, options) < 0)
		return -1;
	return options != NULL ? settings_set(all, entry->key->text, json_incref(options)) : 0;
}

int read_service_networks(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct service *service = field;

	if (value->kind != NODE_MAP)
		return each_text(r, value, "a list of networks", add_network, &service->networks);
	for (size_t i = 0; i < value->n; i++) {
		const struct entry *entry = &value->entries[i];

		if (add_network(r, entry->key, entry->key->text, &service->networks) < 0 ||
		    read_options(r, entry, &service->network_options, "options of a network") < 0)
			return -1;
	}
	return 0;
}

bool has_fixed_address(const struct service *service)
{
	static const char *const fixed[] = {
	    "ipv4_address", "ipv6_address", "link_local_ips", "mac_address"};
	const char *key;
	json_t *options;

	if (json_object_get(service->settings, "mac_address"))
		return true;
	json_object_foreach(service->network_options, key, options)
	{
		for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
			if (json_object_get(options, fixed[i]))
				return true;
	}
	return false;
}

/* ---- the file's ---- */

/* "10.20.0.0/24" */
static bool is_subnet(const char *text)
{
	char address[64];
	size_t len = strcspn(text, "/");
	int bits;

	if (text[len] != '/' || len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return is_ip_address(address) &&
	       parse_int(text + len + 1, 0, strchr(address, ':') ? 128 : 32, &bits) == 0;
}

static int setting_subnet(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "a subnet such as 10.20.0.0/24";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return is_subnet(text) ? settings_set(field, arg, json_string(text))
			       : mistake_value(r, value, expected);
}

static int setting_gateway(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "an IP address", &text);

	if (got <= 0)
		return got;
	return is_ip_address(text) ? settings_set(field, arg, json_string(text))
				   : mistake_value(r, value, "an IP address");
}

static const struct key pool_keys[] = {
    KEY_ARG("subnet", setting_subnet, "subnet", 0, "its addresses: 10.20.0.0/24"),
    KEY_ARG("gateway", setting_gateway, "gateway", 0, "the host's address there"),
    KEY_ARG("ip_range", setting_subnet, "ip_range", 0, "the part that containers get"),
    KEY_ARG("aux_addresses", setting_pairs, "aux_addresses", 0, "addresses that others have"),
};

const struct key_table pool_table = INNER_TABLE("a range of addresses", pool_keys);

static int read_pools(struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_JSON json_t *array = json_array();

	if (array == NULL)
		return -1;
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, "a list of ranges of addresses");
	for (size_t i = 0; i < value->n; i++) {
		json_t *pool = NULL;
		int rc = schema_read(r, value->items[i], &pool_table, &pool, NULL);

		if (rc == 0 && pool != NULL)
			rc = json_array_append(array, pool);
		json_decref(pool);
		if (rc < 0)
			return -1;
	}
	return settings_set_list(field, arg, array);
}

static const struct key ipam_keys[] = {
    KEY_ARG("driver", setting_text, "driver", 0, "who gives addresses"),
    KEY_ARG("options", setting_pairs, "options", 0, "of that driver"),
    KEY_ARG("config", read_pools, "config", 0, "ranges of addresses"),
};

const struct key_table ipam_table = INNER_TABLE("`ipam`", ipam_keys);

static int read_ipam(struct reader *r, const struct node *value, void *field, const void *arg)
{
	json_t *ipam = NULL;
	int rc = schema_read(r, value, &ipam_table, &ipam, NULL);

	if (rc == 0 && ipam != NULL)
		return settings_set(field, arg, ipam);
	json_decref(ipam);
	return rc;
}

static int read_labels(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct pairs pairs = {0};
	int rc = read_pairs(r, value, &pairs, &labels_rule);
	CLEANUP_JSON json_t *object = pairs_object(&pairs);

	if (rc < 0 || object == NULL)
		return -1;
	return json_object_size(object) > 0 ? settings_set(field, arg, json_incref(object)) : 0;
}

/* As the engines have it: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
static int read_resource_name(
    struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "a name", &text);

	if (got <= 0)
		return got;
	if (!is_host_name(text) || strpbrk(text, ":%") || strchr("._", text[0]))
		return mistake_value(r, value,
		    "a name that begins with a letter or digit and goes on with these "
		    "and . _ -");
	return read_string(r, value, field, arg);
}

#define AT(field) offsetof(struct resource, field)
#define SETTINGS  AT(settings)

static const char external_doc[] = "it is there already: never created, never removed";
static const char name_doc[] = "what it is called on the host";

static const struct key network_keys[] = {
    KEY("external", read_bool, AT(external), external_doc),
    KEY("name", read_resource_name, AT(name), name_doc),
    KEY_ARG("driver", setting_text, "driver", SETTINGS, "what makes it: bridge, macvlan, ..."),
    KEY_ARG("driver_opts", setting_pairs, "driver_opts", SETTINGS, "options of the driver"),
    KEY_ARG("internal", setting_flag, "internal", SETTINGS, "nothing leads out of it"),
    KEY_ARG("attachable", setting_flag, "attachable", SETTINGS, "by hand, too: of Swarm's"),
    KEY_ARG("enable_ipv6", setting_flag, "enable_ipv6", SETTINGS, "IPv6 as well"),
    KEY_ARG("ipam", read_ipam, "ipam", SETTINGS, "its addresses"),
    KEY_ARG("labels", read_labels, "labels", SETTINGS, "labels on it"),
    REFUSED("enable_ipv4", "only the newest engines have networks without IPv4"),
};

const struct key_table network_table = KEY_TABLE("a network", network_keys);

static const struct key named_volume_keys[] = {
    KEY("external", read_bool, AT(external), external_doc),
    KEY("name", read_resource_name, AT(name), name_doc),
    KEY_ARG("driver", setting_text, "driver", SETTINGS, "who keeps it: local"),
    KEY_ARG("driver_opts", setting_pairs, "driver_opts", SETTINGS, "options of the driver"),
    KEY_ARG("labels", read_labels, "labels", SETTINGS, "labels on it"),
};

const struct key_table named_volume_table = KEY_TABLE("a volume of the file", named_volume_keys);

/* What is said of them, and the words for it. */
struct kind {
	const char *what;
	const struct key_table *table;
};

static int read_resource(
    struct reader *r, const struct entry *entry, struct resource *resource, const struct kind *kind)
{
	char shown[SHOWN_SIZE];

	if (!is_resource_key(entry->key->text))
		return mistake(r, entry->key,
		    "\"%s\" cannot be the name of %s: use letters, digits, - and _",
		    show_text(shown, entry->key->text), kind->what);
	if (entry->value->kind != NODE_NULL &&
	    schema_read(r, entry->value, kind->table, resource, NULL) < 0)
		return -1;
	if (resource->external && resource->settings != NULL &&
	    mistake(r, entry->value,
		"%s that is `external` is as it is: it has a `name` and nothing else",
		kind->what) < 0)
		return -1;
	if (resource->external && !resource->name)
		return set_string(&resource->name, resource->key);
	return 0;
}

static int read_resources(struct reader *r, const struct node *value, struct resource **list,
    size_t *n, const struct kind *kind)
{
	if (value->kind == NODE_NULL)
		return 0;
	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping");
	for (size_t i = 0; i < value->n; i++) {
		const struct entry *entry = &value->entries[i];

		if (array_grow(list, *n, sizeof(**list)) < 0)
			return -1;
		struct resource *resource = &(*list)[*n];
		*resource = (struct resource){.pos = entry->key->pos};
		resource->key = strdup(entry->key->text);
		if (!resource->key)
			return -1;
		++*n;
		if (read_resource(r, entry, resource, kind) < 0)
			return -1;
	}
	return 0;
}

int read_networks(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct kind kind = {"a network", &network_table};
	struct inventory *inv = field;

	return read_resources(r, value, &inv->networks, &inv->n_networks, &kind);
}

int read_named_volumes(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct kind kind = {"a volume", &named_volume_table};
	struct inventory *inv = field;

	return read_resources(r, value, &inv->volumes, &inv->n_volumes, &kind);
}
