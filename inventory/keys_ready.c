/* `ready:` - when a new container counts as working. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

enum { MAX_PROBES = 20 };

static const struct range successes_range = {1, 100};
static const char http_expected[] = "a URL such as http://:8080/healthz";
static const char tcp_expected[] = "a port, or HOST:PORT";

static int read_healthy(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_http(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_tcp(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_exec(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_url(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_address(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_program(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_status(struct reader *r, const struct node *value, void *field, const void *arg);

static const struct pairs_rule header_rule = {.what = "a header"};

/* clang-format off */
#define AT(field) offsetof(struct probe, field)
#define EACH_PROBE                                                                                 \
    KEY("timeout", read_duration, AT(timeout_ms), "how long one answer may take"),                 \
    KEY("interval", read_duration, AT(interval_ms), "time from one question to the next"),         \
    KEY_ARG("successes", read_count, &successes_range, AT(successes), "good answers in a row that are needed")

static const struct key http_keys[] = {
    NEEDED("url", read_url, 0, "what is asked for"),
    KEY("status", read_status, 0, "the answer's status, or a range of them"),
    KEY_ARG("headers", read_pairs, &header_rule, AT(headers), "what headers of the answer must be"),
    KEY("body", read_text, AT(body), "a text that the answer must contain"),
    EACH_PROBE,
};

static const struct key tcp_keys[] = {
    NEEDED("address", read_address, 0, "what must accept a connection"),
    EACH_PROBE,
};

static const struct key exec_keys[] = {
    NEEDED("command", read_program, 0, "what is run in the container, and must end with 0"),
    EACH_PROBE,
};

#undef AT
#define AT(field) offsetof(struct ready, field)

static const struct key ready_keys[] = {
    KEY("running", read_delay, AT(running_ms), "it must have stayed up for so long"),
    KEY("healthy", read_healthy, 0, "its healthcheck must say healthy"),
    KEY("http", read_http, 0, "it must answer by HTTP"),
    KEY("tcp", read_tcp, 0, "it must accept connections"),
    KEY("exec", read_exec, 0, "a command in the container must succeed"),
    KEY("timeout", read_duration, AT(timeout_ms), "how long all of this may take"),
};
/* clang-format on */

const struct key_table http_probe_table = KEY_TABLE("`http`", http_keys);
const struct key_table tcp_probe_table = KEY_TABLE("`tcp`", tcp_keys);
const struct key_table exec_probe_table = KEY_TABLE("`exec`", exec_keys);
const struct key_table ready_table = KEY_TABLE("`ready`", ready_keys);

/* ---- where a probe goes */

/* HOST:PORT, [IPv6]:PORT or :PORT, of `len` bytes; `standard` 0: a port is needed. */
static bool take_address(
    const char *text, size_t len, int standard, struct probe *probe, bool *ret_no_memory)
{
	CLEANUP_FREE char *copy = strndup(text, len);
	struct address address = {0};
	bool good;

	*ret_no_memory = copy == NULL;
	if (copy == NULL)
		return false;
	if (len == 0 || copy[0] == ':') { /* the container itself */
		good = len == 0 || parse_int(copy + 1, 1, 65535, &address.port) == 0;
	} else {
		good = address_parse(copy, &address) == NULL && address.user == NULL;
		*ret_no_memory = good && address.host == NULL;
	}
	if (address.port == 0)
		address.port = standard;
	free(probe->host);
	probe->host = steal_ptr(address.host);
	probe->port = address.port;
	address_release(&address);
	return good && !*ret_no_memory && probe->port != 0;
}

static int complain(
    struct reader *r, const struct node *value, bool no_memory, const char *expected)
{
	return no_memory ? -1 : mistake_value(r, value, expected);
}

static int read_url(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct probe *probe = field;
	const char *text, *rest;
	bool no_memory = false;
	int got = scalar_text(r, value, http_expected, &text);

	if (got <= 0)
		return got;
	probe->tls = strncmp(text, "https://", strlen("https://")) == 0;
	if (!probe->tls && strncmp(text, "http://", strlen("http://")) != 0)
		return mistake_value(r, value, http_expected);
	rest = strstr(text, "//") + 2;
	size_t len = strcspn(rest, "/?");

	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '#')
			return mistake_value(r, value, http_expected);
	if (!take_address(rest, len, probe->tls ? 443 : 80, probe, &no_memory))
		return complain(r, value, no_memory, http_expected);
	free(probe->path);
	probe->path = string_printf("%s%s", rest[len] == '/' ? "" : "/", rest + len);
	return no_memory || probe->path == NULL ? -1 : set_string(&probe->text, text);
}

static int read_address(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct probe *probe = field;
	const char *text;
	bool no_memory = false;
	int got = scalar_text(r, value, tcp_expected, &text);

	if (got <= 0)
		return got;
	if (parse_int(text, 1, 65535, &probe->port) < 0 &&
	    !take_address(text, strlen(text), 0, probe, &no_memory))
		return complain(r, value, no_memory, tcp_expected);
	free(probe->text);
	probe->text = string_printf("tcp %s", text);
	return no_memory || probe->text == NULL ? -1 : 0;
}

static int read_program(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct probe *probe = field;
	CLEANUP_BUF struct buf text = BUF_INIT(SHOWN_SIZE * 4);

	if (read_words(r, value, &probe->command, NULL) < 0)
		return -1;
	if (probe->command.n == 0)
		return value->kind == NODE_LIST || (value->kind == NODE_SCALAR && !value->bad)
			   ? mistake_value(r, value, "a command")
			   : 0;
	for (size_t i = 0; i < probe->command.n; i++)
		buf_addf(&text, "%s%s", i > 0 ? " " : "exec ", probe->command.v[i]);
	return set_string(&probe->text, text.len > 0 ? text.data : "exec");
}

/* "200", "200-299" */
static int read_status(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "a status such as 200, or a range such as 200-299";
	struct probe *probe = field;
	const char *text, *dash;
	char first[8] = "";
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	dash = strchr(text, '-');
	if (dash == NULL || (size_t)(dash - text) >= sizeof(first)) {
		if (parse_int(text, 100, 599, &probe->status[0]) < 0)
			return mistake_value(r, value, expected);
		probe->status[1] = probe->status[0];
		return 0;
	}
	memcpy(first, text, (size_t)(dash - text));
	if (parse_int(first, 100, 599, &probe->status[0]) < 0 ||
	    parse_int(dash + 1, probe->status[0], 599, &probe->status[1]) < 0)
		return mistake_value(r, value, expected);
	return 0;
}

/* ---- the probes */

/* The value is a mapping by `table`, or what its first key takes. */
static int read_probe(struct reader *r, const struct node *value, struct ready *ready,
    enum probe_kind kind, const struct key_table *table)
{
	enum { TIMEOUT_MS = 5000, INTERVAL_MS = 500, SUCCESSES = 2 };
	struct probe *probe;

	if (ready->n_probes == MAX_PROBES)
		return mistake(r, value, "more than %d questions", MAX_PROBES);
	if (array_grow(&ready->probes, ready->n_probes, sizeof(*ready->probes)) < 0)
		return -1;
	probe = &ready->probes[ready->n_probes++];
	*probe = (struct probe){
	    .kind = kind,
	    .status = {200, 399},
	    .timeout_ms = TIMEOUT_MS,
	    .interval_ms = INTERVAL_MS,
	    .successes = SUCCESSES,
	};
	if (value->kind == NODE_MAP)
		return schema_read(r, value, table, probe, NULL);
	return table->keys[0].read(r, value, probe, NULL);
}

static int read_http(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_probe(r, value, field, PROBE_HTTP, &http_probe_table);
}

static int read_tcp(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_probe(r, value, field, PROBE_TCP, &tcp_probe_table);
}

static int read_exec(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_probe(r, value, field, PROBE_EXEC, &exec_probe_table);
}

static void probe_release(struct probe *probe)
{
	free(probe->text);
	free(probe->host);
	free(probe->path);
	pairs_release(&probe->headers);
	free(probe->body);
	strv_release(&probe->command);
}

void ready_release(struct ready *ready)
{
	for (size_t i = 0; i < ready->n_probes; i++)
		probe_release(&ready->probes[i]);
	free(ready->probes);
	*ready = (struct ready){0};
}

/* ---- all of it */

static int read_healthy(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct ready *ready = field;

	ready->healthy_set = true;
	return read_bool(r, value, &ready->healthy, arg);
}

static int read_ready_item(struct reader *r, const struct node *item, struct ready *ready)
{
	static const char expected[] = "running, healthy, or a mapping";
	const char *text;

	if (item->kind == NODE_MAP)
		return schema_read(r, item, &ready_table, ready, NULL);
	int got = scalar_text(r, item, expected, &text);
	if (got <= 0 || strcmp(text, "running") == 0)
		return got < 0 ? -1 : 0;
	if (strcmp(text, "http") == 0 || strcmp(text, "tcp") == 0 || strcmp(text, "exec") == 0) {
		if (mistake(r, item, "`%s` needs to know what is to be asked", text) < 0)
			return -1;
		return mistake_hint(r, "%s",
		    text[0] == 'h'   ? "write {http: \"http://:8080/healthz\"}"
		    : text[0] == 't' ? "write {tcp: 5432}"
				     : "write {exec: [PROGRAM, ...]}");
	}
	if (strcmp(text, "healthy") != 0)
		return mistake_value(r, item, expected);
	ready->healthy = ready->healthy_set = true;
	return 0;
}

int read_ready(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct ready *ready = field;
	int result = 0;

	if (value->kind != NODE_LIST)
		result = read_ready_item(r, value, ready);
	for (size_t i = 0; value->kind == NODE_LIST && i < value->n && result == 0; i++)
		result = read_ready_item(r, value->items[i], ready);
	if (result == 0 && ready->timeout_ms <= ready->running_ms)
		result = mistake(r, value,
		    "`timeout` has to be longer than `running`, or it never becomes ready");
	return result;
}
