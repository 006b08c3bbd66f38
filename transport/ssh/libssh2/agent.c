#include "transport/ssh/libssh2/agent.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "transport/socket.h"
#include "transport/ssh/wire.h"

enum {
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
	MESSAGE_MAX = 256 * 1024,
	KEYS_MAX = 256,
};

static int wait_for(const struct agent *agent, short events, struct error *err)
{
	for (;;) {
		struct pollfd slots[2] = {
		    {.fd = agent->fd, .events = events},
		    {.fd = agent->cancel_fd, .events = POLLIN},
		};
		int n = poll(slots, 2, clock_left_ms(agent->deadline_ms));

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && slots[1].revents != 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
		if (n == 0)
			return error_set(err, ERROR_TIMEOUT,
			    "login: the ssh agent did not answer in time (does it wait for a "
			    "touch or a confirmation?)");
		return n < 0 ? error_errno(err, errno, "the ssh agent") : 0;
	}
}

static int send_all(const struct agent *agent, const struct buf *message, struct error *err)
{
	size_t sent = 0;

	while (sent < message->len) {
		ssize_t n =
		    send(agent->fd, message->data + sent, message->len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "writing to the ssh agent");
		else if (wait_for(agent, POLLOUT, err) < 0)
			return -1;
	}
	return 0;
}

static int receive(const struct agent *agent, struct buf *answer, size_t want, struct error *err)
{
	char chunk[4096];

	while (answer->len < want) {
		size_t left = want - answer->len;
		ssize_t n = recv(agent->fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk), 0);

		if (n == 0)
			return error_set(
			    err, ERROR_PROTOCOL, "the ssh agent closed the connection");
		if (n > 0 && buf_add(answer, chunk, (size_t)n) < 0)
			return buf_error(answer, err, "the ssh agent's answer");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "reading from the ssh agent");
		if (n < 0 && wait_for(agent, POLLIN, err) < 0)
			return -1;
	}
	return 0;
}

/* Send `request` and read one answer of type `type` into `answer`, its body without the type. */
static int ask(const struct agent *agent, const struct buf *request, int type, struct buf *answer,
    struct error *err)
{
	CLEANUP_BUF struct buf message = BUF_INIT(MESSAGE_MAX);
	struct wire head;
	uint32_t len;

	if (wire_add_string(&message, request->data, request->len) < 0)
		return buf_error(&message, err, "a request to the ssh agent");
	if (send_all(agent, &message, err) < 0 || receive(agent, answer, 4, err) < 0)
		return -1;
	head = (struct wire){.data = (const unsigned char *)answer->data, .len = 4};
	len = wire_u32(&head);
	if (len < 1 || len > MESSAGE_MAX)
		return error_set(err, ERROR_PROTOCOL, "the ssh agent's answer makes no sense");
	buf_clear(answer);
	if (receive(agent, answer, len, err) < 0)
		return -1;
	if ((unsigned char)answer->data[0] != type)
		return error_set(err, ERROR_AUTH, "the ssh agent refused");
	buf_drop(answer, 1);
	return 0;
}

static int add_key(struct agent *agent, struct wire *wire)
{
	struct agent_key *key = &agent->keys[agent->n];
	size_t len, comment_len;
	const unsigned char *blob = wire_string(wire, &len);
	const unsigned char *comment = wire_string(wire, &comment_len);

	if (wire->failed || len == 0)
		return 0;
	agent->n++;
	key->blob = malloc(len);
	key->len = len;
	key->type = wire_blob_type(blob, len);
	key->comment = strndup((const char *)comment, comment_len);
	if (key->blob == NULL || key->type == NULL || key->comment == NULL)
		return -1;
	memcpy(key->blob, blob, len);
	return 0;
}

static int list_keys(struct agent *agent, struct error *err)
{
	CLEANUP_BUF struct buf request = BUF_INIT(16);
	CLEANUP_BUF struct buf answer = BUF_INIT(MESSAGE_MAX);
	struct wire wire;
	uint32_t n;

	if (wire_add_u8(&request, REQUEST_IDENTITIES) < 0)
		return error_memory(err);
	if (ask(agent, &request, IDENTITIES_ANSWER, &answer, err) < 0)
		return -1;
	wire = (struct wire){.data = (const unsigned char *)answer.data, .len = answer.len};
	n = wire_u32(&wire);
	if (n > KEYS_MAX)
		n = KEYS_MAX;
	agent->keys = calloc(n > 0 ? n : 1, sizeof(*agent->keys));
	if (agent->keys == NULL)
		return error_memory(err);
	for (uint32_t i = 0; i < n && !wire.failed; i++)
		if (add_key(agent, &wire) < 0)
			return error_memory(err);
	return 0;
}

int agent_open(
    struct agent *agent, const char *path, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	struct agent fresh = {.deadline_ms = deadline_ms, .cancel_fd = cancel_fd};

	fresh.fd = socket_connect_unix(path);
	*agent = fresh;
	if (agent->fd < 0)
		return error_errno(err, errno, "no ssh agent at %s", path);
	if (list_keys(agent, err) < 0) {
		agent_close(agent);
		return -1;
	}
	return 0;
}

int agent_sign(struct agent *agent, const struct agent_key *key, const void *data, size_t len,
    uint32_t flags, unsigned char **ret, size_t *ret_len, struct error *err)
{
	CLEANUP_BUF struct buf request = BUF_INIT(MESSAGE_MAX);
	CLEANUP_BUF struct buf answer = BUF_INIT(MESSAGE_MAX);
	struct wire outer, inner;
	size_t n;

	if (wire_add_u8(&request, SIGN_REQUEST) < 0 ||
	    wire_add_string(&request, key->blob, key->len) < 0 ||
	    wire_add_string(&request, data, len) < 0 || wire_add_u32(&request, flags) < 0)
		return buf_error(&request, err, "a request to the ssh agent");
	if (ask(agent, &request, SIGN_RESPONSE, &answer, err) < 0)
		return -1;
	outer = (struct wire){.data = (const unsigned char *)answer.data, .len = answer.len};
	inner.data = wire_string(&outer, &inner.len);
	inner.failed = outer.failed;
	wire_string(&inner, &n); /* the type */
	data = wire_string(&inner, &n);
	if (inner.failed || n == 0)
		return error_set(err, ERROR_PROTOCOL, "the ssh agent's signature makes no sense");
	*ret = malloc(n);
	if (*ret == NULL)
		return error_memory(err);
	memcpy(*ret, data, n);
	*ret_len = n;
	return 0;
}

void agent_close(struct agent *agent)
{
	for (size_t i = 0; i < agent->n; i++) {
		free(agent->keys[i].blob);
		free(agent->keys[i].type);
		free(agent->keys[i].comment);
	}
	free(agent->keys);
	if (agent->fd >= 0)
		close(agent->fd);
	agent->keys = NULL;
	agent->n = 0;
	agent->fd = -1;
}
