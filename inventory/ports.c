/* `ports:`, the short form and the long one. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"
#include "inventory/traps.h"

static const char short_form[] = "a port such as 80, 8080:80, 127.0.0.1:8080:80/udp or "
				 "8000-8009:8000-8009";

struct port_span {
	int first, last;
};

/* "8000-8009" or "8000". */
static bool parse_span(char *text, struct port_span *ret)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	if (parse_int(text, 1, 65535, &ret->first) < 0)
		return false;
	ret->last = ret->first;
	if (dash && parse_int(dash + 1, 1, 65535, &ret->last) < 0)
		return false;
	return ret->first <= ret->last;
}

static bool is_protocol(const char *text)
{
	return strcmp(text, "tcp") == 0 || strcmp(text, "udp") == 0 || strcmp(text, "sctp") == 0;
}

bool is_ip_address(const char *text)
{
	struct in6_addr ignored;

	return inet_pton(AF_INET, text, &ignored) == 1 || inet_pton(AF_INET6, text, &ignored) == 1;
}

static int add_port(
    struct reader *r, const struct node *node, struct service *service, const struct port *model)
{
	if (r->n_ports == MAX_PORTS)
		return mistake(r, node, "more than %d published ports", MAX_PORTS);
	r->n_ports++;
	if (array_grow(&service->ports, service->n_ports, sizeof(*service->ports)) < 0)
		return -1;
	struct port *port = &service->ports[service->n_ports];
	*port = *model;
	port->host_ip = NULL;
	service->n_ports++;
	return model->host_ip ? set_string(&port->host_ip, model->host_ip) : 0;
}

/* `host` NULL: the engine picks the host's ports. */
static int add_span(struct reader *r, const struct node *node, struct service *service,
    struct port *model, const struct port_span *container, const struct port_span *host)
{
	if (host && host->last - host->first != container->last - container->first)
		return mistake(r, node, "both sides have to have the same number of ports");
	if (r->n_ports + (size_t)(container->last - container->first) >= MAX_PORTS)
		return mistake(r, node, "more than %d published ports", MAX_PORTS);
	for (int i = 0; i <= container->last - container->first; i++) {
		model->container_port = container->first + i;
		model->host_port = host ? host->first + i : 0;
		if (add_port(r, node, service, model) < 0)
			return -1;
	}
	return 0;
}

/* Cut the part after the last `c` off; NULL when there is none. */
static char *cut_last(char *text, char c)
{
	char *at = strrchr(text, c);

	if (at)
		*at = '\0';
	return at ? at + 1 : NULL;
}

/* An address, perhaps in brackets; NULL when it is neither. */
static char *parse_ip(char *text)
{
	size_t len = strlen(text);

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		text++;
	}
	return is_ip_address(text) ? text : NULL;
}

/* [[IP:]HOST:]CONTAINER[/PROTOCOL] */
static int read_short(struct reader *r, const struct node *node, void *context)
{
	struct service *service = context;
	struct port model = {.protocol = "tcp", .pos = node->pos};
	struct port_span container, host;
	CLEANUP_FREE char *text = strdup(node->text);

	if (!text || warn_trap(r, node) < 0)
		return -1;
	char *protocol = cut_last(text, '/');
	if (protocol && !is_protocol(protocol))
		return mistake_value(r, node, "/tcp, /udp or /sctp after the port");
	if (protocol)
		snprintf(model.protocol, sizeof(model.protocol), "%s", protocol);
	char *last = cut_last(text, ':');
	if (!last)
		return parse_span(text, &container)
			   ? add_span(r, node, service, &model, &container, NULL)
			   : mistake_value(r, node, short_form);
	char *middle = cut_last(text, ':');
	if (middle && !(model.host_ip = parse_ip(text)))
		return mistake_value(r, node, "an IP address before the ports");
	char *published = middle ? middle : text;
	bool any = middle && !*middle;
	if (!parse_span(last, &container) || (!any && !parse_span(published, &host)))
		return mistake_value(r, node, short_form);
	return add_span(r, node, service, &model, &container, any ? NULL : &host);
}

/* ---- the long form ---- */

static int read_published(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_ip(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_protocol(struct reader *r, const struct node *value, void *field, const void *arg);

static const struct range port_range = {1, 65535};
static const char *const mode_names[] = {"ingress", "host"};
static const struct choices modes = {"host or ingress", mode_names, ARRAY_SIZE(mode_names)};

#define AT(field) offsetof(struct port, field)

static int read_mode(
    struct reader *r, const struct node *value, void *field UNUSED, const void *arg)
{
	unsigned ignored;

	return read_choice(r, value, &ignored, arg);
}

static const struct key port_keys[] = {
    {"target", read_count, AT(container_port), &port_range, KEY_REQUIRED,
	"the port in the container"},
    KEY("published", read_published, AT(host_port), "the port on the host"),
    KEY("host_ip", read_ip, AT(host_ip), "the address on the host"),
    KEY("protocol", read_protocol, 0, "tcp, udp or sctp"),
    KEY_ARG("mode", read_mode, &modes, 0, "host or ingress: the same without a swarm"),
    IGNORED("name", "a name for people, without effect"),
    IGNORED("app_protocol", "what is spoken there, for people; without effect"),
};

const struct key_table port_table = KEY_TABLE("a port", port_keys);

static int read_published(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	if (value->kind == NODE_SCALAR && !value->bad && strchr(value->text, '-'))
		return mistake(r, value,
		    "a range of ports is supported in the short form only: "
		    "\"8000-8009:8000-8009\"");
	return read_count(r, value, field, &port_range);
}

static int read_ip(struct reader *r, const struct node *value, void *field, const void *arg)
{
	const char *text;
	int got = scalar_text(r, value, "an IP address", &text);

	if (got <= 0)
		return got;
	return is_ip_address(text) ? read_string(r, value, field, arg)
				   : mistake_value(r, value, "an IP address");
}

static int read_protocol(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct port *port = field;
	const char *text;
	int got = scalar_text(r, value, "tcp, udp or sctp", &text);

	if (got <= 0)
		return got;
	if (!is_protocol(text))
		return mistake_value(r, value, "tcp, udp or sctp");
	snprintf(port->protocol, sizeof(port->protocol), "%s", text);
	return 0;
}

static int read_long(struct reader *r, const struct node *node, void *service)
{
	struct port model = {.protocol = "tcp", .pos = node->pos};
	int result = schema_read(r, node, &port_table, &model, NULL);

	if (result == 0 && model.container_port)
		result = add_port(r, node, service, &model);
	free(model.host_ip);
	return result;
}

int read_ports(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct forms forms = {"a list of ports", short_form, read_short, read_long};

	return each_form(r, value, &forms, field);
}

/* ---- expose ---- */

/* "80/tcp", each port of a range */
static int add_exposed(struct reader *r, const struct node *item, const char *text, void *context)
{
	static const char expected[] = "a port such as 80, 80/udp or 8000-8010";
	enum { MANY = 1000 };
	CLEANUP_FREE char *copy = strdup(text);
	struct port_span span;

	if (!copy)
		return -1;
	const char *protocol = cut_last(copy, '/');
	if (!parse_span(copy, &span) || (protocol && !is_protocol(protocol)))
		return mistake_value(r, item, expected);
	if ((size_t)(span.last - span.first) + json_object_size(context) > MANY)
		return mistake(r, item, "more than %d exposed ports", MANY);
	for (int port = span.first; port <= span.last; port++) {
		char key[32];

		snprintf(key, sizeof(key), "%d/%s", port, protocol ? protocol : "tcp");
		if (json_set(context, key, json_true()) < 0)
			return -1;
	}
	return 0;
}

int setting_expose(struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_JSON json_t *set = json_object(), *array = NULL;
	CLEANUP_STRV struct strv ports = {0};
	const char *key;
	json_t *ignored;

	if (set == NULL || each_text(r, value, "a list of ports", add_exposed, set) < 0)
		return -1;
	json_object_foreach(set, key, ignored)
	{
		if (strv_add(&ports, key) < 0)
			return -1;
	}
	strv_sort(&ports);
	array = json_words(&ports);
	if (array == NULL)
		return -1;
	return ports.n > 0 ? settings_set(field, arg, json_incref(array)) : 0;
}
