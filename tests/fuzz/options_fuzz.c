/* Run options as a ledger may have them, any JSON at all: a body and a line are made of what
 * options_check takes, and of nothing else; neither a crash nor a number that overflows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/container.h"
#include "deploy/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static const struct identity identity = {.project = "shop",
    .environment = "prod",
    .prefix = "shop.prod",
    .service = "web",
    .release = "20261122-175432-9f3c2a1",
    .rollout = "20261122-175432-r04be2c",
    .image = "sha256:x",
    .config = "1:x",
    .by = "ann@laptop",
    .at = "2026-11-22T17:54:32Z"};

/* Each port of options that were taken can be taken apart. */
static void ports_are_ports(const json_t *options)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(options, "ports"), i, port)
	{
		char ip[PORT_IP_SIZE], protocol[8];
		int outer, inner;

		must(options_port(json_string_value(port), ip, &outer, &inner, protocol) == 0);
		must(inner > 0 && inner < 65536 && outer >= 0 && outer < 65536);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JSON json_t *options = NULL;
	CLEANUP_JSON json_t *body = NULL;
	CLEANUP_FREE char *line = NULL;
	CLEANUP_STRV struct strv networks = {0};
	CLEANUP_BUF struct buf tar = BUF_INIT(1024);
	char hash[CONFIG_HASH_SIZE];
	bool fit;

	if (json_parse((const char *)data, size, "it", &options, NULL) < 0)
		return 0;
	fit = options_check(options, NULL) == 0;
	line = container_run_line(&identity, options, "image:tag");
	/* There are no secrets to be had here. */
	must((container_body(&identity, options, "id", NULL, &body, NULL) == 0) ==
	     (fit && json_object_size(json_object_get(options, "secret_environment")) == 0));
	must((container_secret_files(options, NULL, &tar, NULL) == 0) ==
	     (fit && json_array_size(json_object_get(options, "secret_files")) == 0));
	must((line != NULL) == fit);
	must(*options_restart(options) != '\0' || !fit);
	must(options_hash(options, "sha256:x", hash, NULL) == 0);
	if (fit) {
		must(options_is_restart(options_restart(options)));
		must(options_stop_grace_ms(options) >= 0);
		CLEANUP_JSON json_t *endpoint = container_endpoint(&identity, options, "a");

		must(endpoint != NULL);
		must(container_networks(&identity, options, &networks, NULL) == 0);
		must((networks.n == 0) == (json_object_get(options, "network_mode") != NULL));
		ports_are_ports(options);
	}
	return 0;
}
