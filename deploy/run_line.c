/* The `docker run` line of a container, for people: container_run_line. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/container_put.h"
#include "deploy/names.h"
#include "deploy/options.h"
#include "deploy/settings.h"

/* What the ledger takes of options, and each byte of it quoted. */
enum { RUN_LINE_MAX = 16 * 1024 * 1024 };

/* Quoted for sh where it needs to be; a single quote as '\''. */
static int add_word(struct buf *line, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_@%+=:,./-";
	int rc = buf_addc(line, ' ');

	if (*word != '\0' && word[strspn(word, plain)] == '\0')
		return rc < 0 ? rc : buf_adds(line, word);
	rc = rc < 0 ? rc : buf_addc(line, '\'');
	for (; *word != '\0' && rc == 0; word++)
		rc = *word == '\'' ? buf_adds(line, "'\\''") : buf_addc(line, *word);
	return rc < 0 ? rc : buf_addc(line, '\'');
}

static int add_option(struct buf *line, const char *option, const char *value)
{
	return buf_addf(line, " %s", option) < 0 ? -1 : add_word(line, value);
}

/* Of a secret the name alone: docker takes the value from the environment of who runs the line. */
static int add_pairs(struct buf *line, const char *option, const json_t *object, bool secret)
{
	CLEANUP_STRV struct strv list = {0};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if ((secret || json_is_null(value)
			    ? strv_add(&list, key)
			    : strv_addf(&list, "%s=%s", key, json_string_value(value))) < 0)
			return -1;
	}
	strv_sort(&list);
	for (size_t i = 0; i < list.n; i++)
		if (add_option(line, option, list.v[i]) < 0)
			return -1;
	return 0;
}

static int add_list(struct buf *line, const char *option, const json_t *array)
{
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		const char *text = json_string_value(value);

		if ((option != NULL ? add_option(line, option, text) : add_word(line, text)) < 0)
			return -1;
	}
	return 0;
}

/* The command line leaves out what is empty, and wants brackets around an IPv6 address. */
static char *publish(const char *port)
{
	char ip[PORT_IP_SIZE], protocol[8], outer[16] = "";
	int host_port, inner;
	bool v6;

	if (options_port(port, ip, &host_port, &inner, protocol) < 0)
		return NULL;
	v6 = strchr(ip, ':') != NULL && ip[0] != '[';
	if (host_port > 0)
		snprintf(outer, sizeof(outer), "%d", host_port);
	return string_printf("%s%s%s%s%s%s%d/%s", v6 ? "[" : "", ip, v6 ? "]" : "",
	    *ip != '\0' ? ":" : "", outer, *ip != '\0' || host_port > 0 ? ":" : "", inner,
	    protocol);
}

static int add_ports(struct buf *line, const json_t *ports)
{
	json_t *value;
	size_t i;

	json_array_foreach(ports, i, value)
	{
		CLEANUP_FREE char *text = publish(json_string_value(value));

		if (text == NULL || add_option(line, "--publish", text) < 0)
			return -1;
	}
	return 0;
}

static int add_volumes(struct buf *line, const json_t *volumes)
{
	json_t *value;
	size_t i;

	json_array_foreach(volumes, i, value)
	{
		const char *text = json_string_value(value);
		CLEANUP_FREE char *anonymous = NULL;

		/* An anonymous one is its target alone. */
		if (*text == ':') {
			anonymous = strndup(text + 1, strcspn(text + 1, ":"));
			if (anonymous == NULL)
				return -1;
			text = anonymous;
		}
		if (add_option(line, "--volume", text) < 0)
			return -1;
	}
	return 0;
}

static int add_mounts(struct buf *line, const json_t *mounts)
{
	json_t *mount;
	size_t i;

	json_array_foreach(mounts, i, mount)
	{
		CLEANUP_FREE char *words = mount_words(mount);

		if (words == NULL || add_option(line, "--mount", words) < 0)
			return -1;
	}
	return 0;
}

/* The command line knows only what a shell runs: ["CMD-SHELL", TEXT] is that text, and the words of
 * ["CMD", WORD...] are quoted for that shell. */
static int add_health_command(struct buf *line, const json_t *test)
{
	bool shell = strcmp(json_string_value(json_array_get(test, 0)), "CMD-SHELL") == 0;
	CLEANUP_BUF struct buf command = BUF_INIT(RUN_LINE_MAX);

	for (size_t i = 1; i < json_array_size(test); i++) {
		const char *word = json_string_value(json_array_get(test, i));

		if (shell ? buf_addf(&command, " %s", word) < 0 : add_word(&command, word) < 0)
			return -1;
	}
	return command.len > 0 ? add_option(line, "--health-cmd", command.data + 1) : 0;
}

static int add_healthcheck(struct buf *line, const json_t *check)
{
	static const struct {
		const char *key, *option;
	} numbers[] = {{"interval_ms", "--health-interval"}, {"timeout_ms", "--health-timeout"},
	    {"start_period_ms", "--health-start-period"},
	    {"start_interval_ms", "--health-start-interval"}};
	const json_t *test = json_object_get(check, "test");
	const char *kind = json_string_value(json_array_get(test, 0));

	if (check == NULL)
		return 0;
	if (json_flag(check, "disable", false) || (kind != NULL && strcmp(kind, "NONE") == 0))
		return buf_adds(line, " --no-healthcheck");
	if (kind != NULL && add_health_command(line, test) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (json_int(check, numbers[i].key, 0) > 0 &&
		    buf_addf(line, " %s %lldms", numbers[i].option,
			(long long)json_int(check, numbers[i].key, 0)) < 0)
			return -1;
	return json_int(check, "retries", 0) == 0
		   ? 0
		   : buf_addf(line, " --health-retries %d", (int)json_int(check, "retries", 0));
}

static int add_entrypoint(struct buf *line, const json_t *entrypoint)
{
	if (entrypoint == NULL)
		return 0;
	return add_option(line, "--entrypoint",
	    json_array_size(entrypoint) > 0 ? json_string_value(json_array_get(entrypoint, 0))
					    : "");
}

static int add_command(struct buf *line, const json_t *options)
{
	const json_t *entrypoint = json_object_get(options, "entrypoint");

	for (size_t i = 1; i < json_array_size(entrypoint); i++)
		if (add_word(line, json_string_value(json_array_get(entrypoint, i))) < 0)
			return -1;
	return add_list(line, NULL, json_object_get(options, "command"));
}

/* "NAME", or with options of its driver "name=NAME,driver-opt=KEY=VALUE". */
static int add_network_name(struct buf *line, const char *name, const json_t *options)
{
	CLEANUP_BUF struct buf word = BUF_INIT(RUN_LINE_MAX);
	const char *key;
	json_t *value;

	if (json_object_size(options) == 0)
		return add_option(line, "--network", name);
	if (buf_addf(&word, "name=%s", name) < 0)
		return -1;
	json_object_foreach((json_t *)(uintptr_t)options, key, value)
	{
		const char *text = json_string_value(value);
		const char *quote = strpbrk(text, ",\"") != NULL ? "\"" : "";

		if (buf_addf(&word, ",%sdriver-opt=%s=%s%s", quote, key, text, quote) < 0)
			return -1;
	}
	return add_option(line, "--network", word.data);
}

/* The first one: the others are connected afterwards. */
static int add_network(struct buf *line, const struct identity *identity, const json_t *options)
{
	static const char *const words[][2] = {
	    {"ipv4_address", "--ip"}, {"ipv6_address", "--ip6"}, {"mac_address", "--mac-address"}};
	const char *mode = json_str(options, "network_mode", NULL);
	CLEANUP_STRV struct strv networks = {0};
	const json_t *own;

	if (mode != NULL)
		return add_option(line, "--network", mode);
	if (container_networks(identity, options, &networks, NULL) < 0)
		return -1;
	own = json_object_get(json_object_get(options, "network_options"), networks.v[0]);
	if (add_network_name(line, networks.v[0], json_object_get(own, "driver_opts")) < 0 ||
	    add_option(line, "--network-alias", identity->service) < 0 ||
	    add_list(line, "--network-alias", json_object_get(own, "aliases")) < 0 ||
	    add_list(line, "--link-local-ip", json_object_get(own, "link_local_ips")) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *text = json_string_value(json_object_get(own, words[i][0]));

		if (text != NULL && add_option(line, words[i][1], text) < 0)
			return -1;
	}
	return 0;
}

static int add_settings(struct buf *line, const json_t *options)
{
	CLEANUP_STRV struct strv words = {0};

	for (size_t i = 0; i < n_settings; i++) {
		const json_t *value = json_object_get(options, settings[i].key);

		if (value != NULL && setting_words(&settings[i], value, &words) < 0)
			return -1;
	}
	for (size_t i = 0; i < words.n; i++)
		if (add_word(line, words.v[i]) < 0)
			return -1;
	return 0;
}

static int add_logging(struct buf *line, const json_t *options)
{
	const char *driver = json_str(options, "logging.driver", NULL);

	if (driver == NULL)
		return buf_adds(line, " --log-opt max-size=10m --log-opt max-file=3");
	if (add_option(line, "--log-driver", driver) < 0)
		return -1;
	return add_pairs(line, "--log-opt", json_at(options, "logging.options"), false);
}

char *container_run_line(const struct identity *identity, const json_t *options, const char *image)
{
	struct buf line = BUF_INIT(RUN_LINE_MAX);
	CLEANUP_FREE char *name = name_container(identity->prefix, identity->service);
	const char *user = json_str(options, "user", NULL);
	char *text = NULL;

	if (name == NULL || options_check(options, NULL) < 0)
		return NULL;
	if (buf_adds(&line, "docker run --detach") == 0 && add_option(&line, "--name", name) == 0 &&
	    add_option(&line, "--restart", options_restart(options)) == 0 &&
	    add_network(&line, identity, options) == 0 && add_settings(&line, options) == 0 &&
	    (user == NULL || add_option(&line, "--user", user) == 0) &&
	    add_ports(&line, json_object_get(options, "ports")) == 0 &&
	    add_volumes(&line, json_object_get(options, "volumes")) == 0 &&
	    add_mounts(&line, json_object_get(options, "mounts")) == 0 &&
	    add_list(&line, "--device", json_object_get(options, "devices")) == 0 &&
	    add_pairs(&line, "--env", json_object_get(options, "environment"), false) == 0 &&
	    add_pairs(&line, "--env", json_object_get(options, "secret_environment"), true) == 0 &&
	    add_pairs(&line, "--label", json_object_get(options, "labels"), false) == 0 &&
	    add_healthcheck(&line, json_object_get(options, "healthcheck")) == 0 &&
	    buf_addf(&line, " --stop-timeout %lld",
		(long long)(options_stop_grace_ms(options) + 999) / 1000) == 0 &&
	    add_logging(&line, options) == 0 &&
	    add_entrypoint(&line, json_object_get(options, "entrypoint")) == 0 &&
	    add_word(&line, image) == 0 && add_command(&line, options) == 0)
		text = buf_steal(&line);
	buf_release(&line);
	return text;
}
