#include "cmd/serve_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

static int refuse(const char *text, struct error *err)
{
	error_set(err, ERROR_USAGE, "--listen takes ADDRESS:PORT, not \"%s\"", text);
	return error_hint(
	    err, "the address is one of this machine in numbers: 127.0.0.1:5000, or [::1]:5000");
}

/* Digits and nothing else, as strtoul would take more. */
static int parse_port(const char *text, uint16_t *ret)
{
	unsigned long port;

	if (*text == '\0' || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
		return -1;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return -1;
	*ret = (uint16_t)port;
	return 0;
}

static int parse_v4(const char *host, struct serve_address *ret)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) != 1)
		return -1;
	ret->loopback = ntohl(address.s_addr) >> 24 == 127;
	ret->any = address.s_addr == htonl(INADDR_ANY);
	return 0;
}

static int parse_v6(const char *host, struct serve_address *ret)
{
	struct in6_addr address;

	if (inet_pton(AF_INET6, host, &address) != 1)
		return -1;
	ret->v6 = true;
	ret->loopback = IN6_IS_ADDR_LOOPBACK(&address) ||
			(IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
	ret->any = IN6_IS_ADDR_UNSPECIFIED(&address);
	return 0;
}

int serve_address_parse(const char *text, struct serve_address *ret, struct error *err)
{
	const char *colon = strrchr(text, ':'), *host = text;
	struct serve_address address = {0};
	bool brackets = *text == '[';
	size_t len;
	int rc;

	if (colon == NULL || colon == text || parse_port(colon + 1, &address.port) < 0)
		return refuse(text, err);
	len = (size_t)(colon - text);
	if (brackets && (len < 2 || text[len - 1] != ']'))
		return refuse(text, err);
	if (brackets) {
		host++;
		len -= 2;
	}
	if (len >= sizeof(address.host))
		return refuse(text, err);
	memcpy(address.host, host, len);
	if (!brackets && strcmp(address.host, "localhost") == 0)
		strcpy(address.host, "127.0.0.1");
	rc = brackets ? parse_v6(address.host, &address) : parse_v4(address.host, &address);
	if (rc < 0)
		return refuse(text, err);
	*ret = address;
	return 0;
}

void serve_address_format(const struct serve_address *address, char out[SERVE_ADDRESS_SIZE])
{
	snprintf(out, SERVE_ADDRESS_SIZE, address->v6 ? "[%s]:%u" : "%s:%u", address->host,
	    (unsigned int)address->port);
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

int serve_account_parse(const char *text, struct serve_account *ret, struct error *err)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL || colon == text || colon[1] == '\0' || has_control(text)) {
		error_set(err, ERROR_USAGE, "SHIPIT_REGISTRY_AUTH is not USER:PASSWORD");
		return error_hint(err, "both are needed, and neither holds control characters");
	}
	ret->user = strndup(text, (size_t)(colon - text));
	if (ret->user == NULL)
		return error_memory(err);
	ret->password = colon + 1;
	return 0;
}

void serve_account_release(struct serve_account *account)
{
	free(account->user);
	*account = (struct serve_account){0};
}
