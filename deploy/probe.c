#include "deploy/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/text.h"
#include "transport/http.h"

enum {
	BODY_MAX = 64 * 1024,
	HEAD_MAX = 32 * 1024,
	SHOWN_MAX = 160, /* of what was answered */
	HOLDS_MS = 200,	 /* a proxy in front of nothing accepts, and hangs up */
};

/* --- where it is */

static char *join(const char *host, int port)
{
	return string_printf(strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
}

/* The host's end of a published port; NULL: it does not publish this one. */
static const char *published(const json_t *inspect, int port)
{
	json_t *bindings, *binding;
	const char *key;
	size_t i;

	json_object_foreach(json_at(inspect, "NetworkSettings.Ports"), key, bindings)
	{
		json_array_foreach(bindings, i, binding)
		{
			const char *ip = json_str(binding, "HostIp", "");

			if (strstr(key, "/udp") != NULL ||
			    strtol(json_str(binding, "HostPort", "0"), NULL, 10) != port)
				continue;
			if (strcmp(ip, "::") == 0)
				return "::1";
			return *ip == '\0' || strcmp(ip, "0.0.0.0") == 0 ? "127.0.0.1" : ip;
		}
	}
	return NULL;
}

static const char *own_address(const json_t *inspect)
{
	const char *name;
	json_t *network;

	json_object_foreach(json_at(inspect, "NetworkSettings.Networks"), name, network)
	{
		const char *ip = json_str(network, "IPAddress", "");

		if (strcmp(name, "host") == 0)
			return "127.0.0.1";
		if (*ip == '\0')
			ip = json_str(network, "GlobalIPv6Address", "");
		if (*ip != '\0')
			return ip;
	}
	return NULL;
}

int probe_address(const struct probe *probe, const json_t *inspect, char **ret, struct error *err)
{
	const char *host = probe->host;

	if (host == NULL)
		host = published(inspect, probe->port);
	if (host == NULL)
		host = own_address(inspect);
	if (host == NULL)
		return error_set(err, ERROR_FAILED, "the container has no address");
	*ret = join(host, probe->port);
	return *ret != NULL ? 0 : error_memory(err);
}

/* --- what is said of an answer */

static bool failed(struct buf *words, const struct error *err)
{
	buf_adds(words, error_text(err));
	return false;
}

/* The beginning of what was answered, on one line. */
static void quote(struct buf *words, const char *text, size_t len)
{
	CLEANUP_BUF struct buf clean = BUF_INIT(8 * SHOWN_MAX);

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (len == 0)
		return;
	if (text_clean(&clean, text, len < SHOWN_MAX ? len : SHOWN_MAX, true) == 0)
		buf_addf(words, ": %s%s", clean.data, len > SHOWN_MAX ? "..." : "");
}

/* --- http */

static enum http_sink take(void *context, const char *data, size_t len, struct error *err)
{
	struct buf *body = context;
	size_t room = body->max - body->len;

	if (buf_add(body, data, len < room ? len : room) < 0) {
		error_memory(err);
		return HTTP_FAILED;
	}
	return len < room ? HTTP_MOVED : HTTP_DONE;
}

/* The value of a header in a head; false: it is not there. */
static bool header(const struct buf *head, const char *name, char *value, size_t size)
{
	const char *line = head->data;
	bool found = false;

	for (size_t left = head->len; left > 0;) {
		const char *end = memchr(line, '\n', left);
		size_t len = end != NULL ? (size_t)(end - line) + 1 : left;

		if (len > strlen(name) && strncasecmp(line, name, strlen(name)) == 0 &&
		    line[strlen(name)] == ':') {
			http_take_header(line, len, name, value, size);
			found = true;
		}
		line += len;
		left -= len;
	}
	return found;
}

static bool judge_headers(const struct probe *probe, const struct buf *head, struct buf *words)
{
	for (size_t i = 0; i < probe->headers.n; i++) {
		const struct pair *wanted = &probe->headers.v[i];
		char value[1024] = "";

		if (!header(head, wanted->key, value, sizeof(value))) {
			buf_addf(words, "the answer has no header %s", wanted->key);
			return false;
		}
		if (strcmp(value, wanted->value != NULL ? wanted->value : "") != 0) {
			buf_addf(words, "%s of the answer is not as wanted", wanted->key);
			quote(words, value, strlen(value));
			return false;
		}
	}
	return true;
}

static bool judge(const struct probe *probe, int status, const struct buf *head,
    const struct buf *body, struct buf *words)
{
	const char *text = body->data != NULL ? body->data : "";

	if (status < probe->status[0] || status > probe->status[1]) {
		if (probe->status[0] == probe->status[1])
			buf_addf(words, "%d, where %d is wanted", status, probe->status[0]);
		else
			buf_addf(words, "%d, where %d to %d is wanted", status, probe->status[0],
			    probe->status[1]);
		quote(words, text, body->len);
		return false;
	}
	if (!judge_headers(probe, head, words))
		return false;
	if (probe->body == NULL ||
	    memmem(text, body->len, probe->body, strlen(probe->body)) != NULL)
		return true;
	buf_addf(words, "the answer does not contain \"%s\"", probe->body);
	quote(words, text, body->len);
	return false;
}

void probe_way_release(struct probe_way *way)
{
	free(way->address);
	free(way->path);
	*way = (struct probe_way){0};
}

static int find_way(const struct probe_target *target, const struct probe *probe,
    struct probe_way *way, struct error *err)
{
	CLEANUP_FREE char *address = NULL;

	if (probe_address(probe, target->inspect, &address, err) < 0 || address == NULL)
		return -1;
	if (way->address != NULL && strcmp(way->address, address) == 0)
		return 0;
	probe_way_release(way);
	if (session_forward_local(target->session, address, false, &way->path, err) < 0)
		return -1;
	way->address = steal_ptr(address);
	return 0;
}

static int get(const struct probe_target *target, const struct probe *probe,
    const struct http_request *request, struct probe_way *way, struct http_response *ret,
    struct error *err)
{
	struct http *http = NULL;
	int rc;

	if (find_way(target, probe, way, err) < 0 ||
	    http_open(way->path, target->cancel_fd, &http, err) < 0)
		return -1;
	if (probe->tls)
		http_set_tls(http);
	rc = http_perform(http, request, ret, err);
	http_close(http);
	/* The host's own words are better than that our end was closed. */
	if (rc < 0 && err->kind == ERROR_UNREACHABLE)
		session_forward_error(target->session, way->path, err);
	return rc;
}

static bool ask_http(const struct probe_target *target, const struct probe *probe,
    struct probe_way *way, int64_t deadline_ms, struct buf *words)
{
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_BUF struct buf head = BUF_INIT(HEAD_MAX), body = BUF_INIT(BODY_MAX);
	CLEANUP_FREE char *name =
	    join(probe->host != NULL ? probe->host : "localhost", probe->port);
	CLEANUP_FREE char *host = name != NULL ? string_printf("Host: %s", name) : NULL;
	const char *headers[] = {host, "Connection: close", NULL};
	const struct http_request request = {
	    .method = "GET",
	    .target = probe->path,
	    .headers = headers,
	    .deadline_ms = deadline_ms,
	    .sink = take,
	    .context = &body,
	    .head = &head,
	};
	struct http_response response = {0};
	bool good = false;

	if (host == NULL)
		return false;
	if (get(target, probe, &request, way, &response, &err) < 0)
		failed(words, &err);
	else
		good = judge(
		    probe, response.status, &head, body.len > 0 ? &body : &response.body, words);
	http_response_release(&response);
	return good;
}

/* --- tcp */

/* What accepts and hangs up at once is a proxy in front of nothing, such as the engine's own. */
static bool ask_tcp(const struct probe_target *target, const struct probe *probe,
    int64_t deadline_ms, struct buf *words)
{
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_FREE char *address = NULL;
	CLEANUP_CLOSE int fd = -1;
	struct pollfd slot = {.events = POLLIN};
	char byte;
	bool holds;

	if (probe_address(probe, target->inspect, &address, &err) < 0 ||
	    (fd = session_connect(target->session, address, deadline_ms, &err)) < 0)
		return failed(words, &err);
	slot.fd = fd;
	holds = poll(&slot, 1, HOLDS_MS) == 0 || recv(fd, &byte, 1, MSG_DONTWAIT) > 0;
	if (!holds)
		buf_adds(words, "the connection is accepted and closed at once");
	return holds;
}

/* --- exec */

static bool ask_exec(const struct probe_target *target, const struct probe *probe,
    int64_t deadline_ms, struct buf *words)
{
	CLEANUP_ERROR struct error err = {0};
	CLEANUP_BUF struct buf out = BUF_INIT(BODY_MAX);
	int status = 0;

	if (engine_container_exec(target->engine, target->container, &probe->command, deadline_ms,
		&out, &status, &err) < 0)
		return failed(words, &err);
	if (status == 0)
		return true;
	buf_addf(words, "exit %d", status);
	quote(words, out.data != NULL ? out.data : "", out.len);
	return false;
}

bool probe_ask(const struct probe_target *target, const struct probe *probe, struct probe_way *way,
    int64_t deadline_ms, struct buf *words)
{
	switch (probe->kind) {
	case PROBE_HTTP:
		return ask_http(target, probe, way, deadline_ms, words);
	case PROBE_TCP:
		return ask_tcp(target, probe, deadline_ms, words);
	case PROBE_EXEC:
		return ask_exec(target, probe, deadline_ms, words);
	}
	return false;
}
