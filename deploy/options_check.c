/* What run options must look like before anything is done with them: options_check. */
#include <string.h>

#include "base/json.h"
#include "deploy/options.h"
#include "deploy/settings.h"

/* A year: what is longer is a mistake, and what is not can be multiplied without a thought. */
#define MS_MAX (INT64_C(366) * 24 * 3600 * 1000)

enum { RETRIES_MAX = 1000000 };

typedef bool form_fn(const json_t *value);

struct inner {
	const char *key;
	form_fn *has_form;
	bool needed;
};

bool options_is_restart(const char *text)
{
	static const char *const words[] = {"always", "no", "on-failure", "unless-stopped"};
	static const char counted[] = "on-failure:";
	size_t len = sizeof(counted) - 1, digits;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	if (strncmp(text, counted, len) != 0)
		return false;
	digits = strspn(text + len, "0123456789");
	return digits > 0 && digits < 10 && text[len + digits] == '\0';
}

static bool restart_form(const json_t *value)
{
	return json_is_string(value) && options_is_restart(json_string_value(value));
}

static bool ms_form(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       json_integer_value(value) <= MS_MAX;
}

static bool retries_form(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       json_integer_value(value) <= RETRIES_MAX;
}

static bool flag_form(const json_t *value)
{
	return json_is_boolean(value);
}

static bool text_form(const json_t *value)
{
	return json_is_string(value);
}

static bool list_form(const json_t *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	return json_is_array(value);
}

static bool each_text(const json_t *list, bool (*is_right)(const char *text))
{
	const json_t *item;
	size_t i;

	if (!list_form(list))
		return false;
	json_array_foreach(list, i, item)
	{
		if (!is_right(json_string_value(item)))
			return false;
	}
	return true;
}

static bool is_device(const char *text)
{
	size_t host = strcspn(text, ":");
	size_t inner = text[host] == ':' ? strcspn(text + host + 1, ":") : 0;
	const char *permissions = text + host + 1 + inner;

	return host > 0 && inner > 0 && *permissions == ':' && permissions[1] != '\0' &&
	       strchr(permissions + 1, ':') == NULL;
}

static bool devices_form(const json_t *value)
{
	return each_text(value, is_device);
}

static bool is_port(const char *text)
{
	char ip[PORT_IP_SIZE], protocol[8];
	int host_port, container_port;

	return options_port(text, ip, &host_port, &container_port, protocol) == 0;
}

static bool ports_form(const json_t *value)
{
	return each_text(value, is_port);
}

static bool is_volume(const char *text)
{
	const char *target = strchr(text, ':');
	const char *mode = strrchr(text, ':');

	return target != NULL && mode > target + 1 &&
	       (strncmp(mode, ":rw", 3) == 0 || strncmp(mode, ":ro", 3) == 0) &&
	       (mode[3] == '\0' || (mode[3] == ',' && mode[4] != '\0'));
}

static bool volumes_form(const json_t *value)
{
	return each_text(value, is_volume);
}

static bool is_secret_file(const char *text)
{
	struct options_secret_file file;

	return options_secret_file(text, &file) == 0;
}

static bool secret_files_form(const json_t *value)
{
	return each_text(value, is_secret_file);
}

static bool is_filled(const char *text)
{
	return *text != '\0';
}

static bool networks_form(const json_t *value)
{
	return each_text(value, is_filled);
}

/* `unset`: null is a value, too. */
static bool is_map(const json_t *object, bool unset)
{
	void *at = json_object_iter((json_t *)(uintptr_t)object);

	for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		const json_t *value = json_object_iter_value(at);

		if (!json_is_string(value) && !(unset && json_is_null(value)))
			return false;
	}
	return json_is_object(object);
}

static bool environment_form(const json_t *value)
{
	return is_map(value, true);
}

static bool labels_form(const json_t *value)
{
	return is_map(value, false);
}

static bool logging_form(const json_t *value)
{
	return json_is_string(json_object_get(value, "driver")) &&
	       is_map(json_object_get(value, "options"), false);
}

static bool network_mode_form(const json_t *value)
{
	return json_is_string(value) && is_filled(json_string_value(value));
}

static bool is_array_of(const json_t *list, form_fn *is_right)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!is_right(item))
			return false;
	}
	return json_is_array(list);
}

static bool setting_has_form(const struct setting *setting, const json_t *value)
{
	switch (setting->form) {
	case SETTING_FLAG:
		return flag_form(value);
	case SETTING_NUMBER:
	case SETTING_CPUS:
		return json_is_integer(value);
	case SETTING_TEXT:
		return text_form(value);
	case SETTING_PAIRS:
		return is_map(value, false);
	case SETTING_LIMITS:
		return each_text(value, setting_is_limit);
	case SETTING_RATES:
		return each_text(value, setting_is_rate);
	case SETTING_GPUS:
		return is_array_of(value, setting_is_gpu);
	case SETTING_LIST:
	case SETTING_TMPFS:
		break;
	}
	return each_text(value, is_filled);
}

/* Of objects by their names, whose members are all of that form. */
static bool is_object_of(const json_t *object, form_fn *is_right)
{
	void *at = json_object_iter((json_t *)(uintptr_t)object);

	for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at))
		if (!is_right(json_object_iter_value(at)))
			return false;
	return json_is_object(object);
}

/* Members that a JSON path cannot reach: what stands in lists and below names. */
static bool has_members(const json_t *object, const struct inner *inner, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, inner[i].key);

		if (value != NULL ? !inner[i].has_form(value) : inner[i].needed)
			return false;
	}
	return json_is_object(object);
}

static bool number_form(const json_t *value)
{
	return json_is_integer(value);
}

static bool mount_type_form(const json_t *value)
{
	static const char *const types[] = {"bind", "tmpfs", "volume"};

	for (size_t i = 0; i < ARRAY_SIZE(types) && json_is_string(value); i++)
		if (strcmp(json_string_value(value), types[i]) == 0)
			return true;
	return false;
}

static bool mount_form(const json_t *value)
{
	static const struct inner inner[] = {
	    {"type", mount_type_form, true},
	    {"target", text_form, true},
	    {"source", text_form, false},
	    {"read_only", flag_form, false},
	    {"propagation", text_form, false},
	    {"create_host_path", flag_form, false},
	    {"nocopy", flag_form, false},
	    {"subpath", text_form, false},
	    {"size", number_form, false},
	    {"mode", number_form, false},
	};

	return has_members(value, inner, ARRAY_SIZE(inner));
}

static bool mounts_form(const json_t *value)
{
	return is_array_of(value, mount_form);
}

static bool network_option_form(const json_t *value)
{
	static const struct inner inner[] = {
	    {"aliases", list_form, false},
	    {"driver_opts", labels_form, false},
	    {"ipv4_address", text_form, false},
	    {"ipv6_address", text_form, false},
	    {"link_local_ips", list_form, false},
	    {"mac_address", text_form, false},
	    {"priority", number_form, false},
	};

	return has_members(value, inner, ARRAY_SIZE(inner));
}

static bool network_options_form(const json_t *value)
{
	return is_object_of(value, network_option_form);
}

static bool pool_form(const json_t *value)
{
	static const struct inner inner[] = {
	    {"subnet", text_form, false},
	    {"gateway", text_form, false},
	    {"ip_range", text_form, false},
	    {"aux_addresses", labels_form, false},
	};

	return has_members(value, inner, ARRAY_SIZE(inner));
}

static bool pools_form(const json_t *value)
{
	return is_array_of(value, pool_form);
}

static bool ipam_form(const json_t *value)
{
	static const struct inner inner[] = {
	    {"driver", text_form, false},
	    {"options", labels_form, false},
	    {"config", pools_form, false},
	};

	return has_members(value, inner, ARRAY_SIZE(inner));
}

static bool definition_form(const json_t *value)
{
	static const struct inner inner[] = {
	    {"attachable", flag_form, false},
	    {"driver", text_form, false},
	    {"driver_opts", labels_form, false},
	    {"enable_ipv6", flag_form, false},
	    {"internal", flag_form, false},
	    {"ipam", ipam_form, false},
	    {"labels", labels_form, false},
	};

	return has_members(value, inner, ARRAY_SIZE(inner));
}

static bool definitions_form(const json_t *value)
{
	return is_object_of(value, definition_form);
}

static const struct member {
	const char *path;
	form_fn *has_form;
	const char *form;
} members[] = {
    {"command", list_form, "a list of strings"},
    {"definitions.networks", definitions_form, "an object of networks"},
    {"definitions.volumes", definitions_form, "an object of volumes"},
    {"devices", devices_form, "a list of HOST:CONTAINER:PERMISSIONS"},
    {"entrypoint", list_form, "a list of strings"},
    {"environment", environment_form, "an object of strings"},
    {"healthcheck.disable", flag_form, "true or false"},
    {"healthcheck.interval_ms", ms_form, "a number of milliseconds"},
    {"healthcheck.retries", retries_form, "a small number"},
    {"healthcheck.start_interval_ms", ms_form, "a number of milliseconds"},
    {"healthcheck.start_period_ms", ms_form, "a number of milliseconds"},
    {"healthcheck.test", list_form, "a list of strings"},
    {"healthcheck.timeout_ms", ms_form, "a number of milliseconds"},
    {"labels", labels_form, "an object of strings"},
    {"logging", logging_form, "an object of a driver and its options"},
    {"mounts", mounts_form, "a list of mounts"},
    {"network_mode", network_mode_form, "the name of a network"},
    {"network_options", network_options_form, "an object of networks' options"},
    {"networks", networks_form, "a list of names"},
    {"ports", ports_form, "a list of IP:HOSTPORT:CONTAINERPORT/PROTOCOL"},
    {"restart", restart_form, "a restart policy"},
    {"secret_environment", labels_form, "an object of strings"},
    {"secret_files", secret_files_form, "a list of NAME:MODE:UID:GID:PATH"},
    {"secrets", labels_form, "an object of strings"},
    {"stop_grace_ms", ms_form, "a number of milliseconds"},
    {"user", text_form, "a string"},
    {"volumes", volumes_form, "a list of SOURCE:TARGET:MODES"},
};

static int wrong(const char *path, const char *form, struct error *err)
{
	return error_set(
	    err, ERROR_PROTOCOL, "these run options are damaged: `%s` is not %s", path, form);
}

int options_check(const json_t *options, struct error *err)
{
	const json_t *check = json_object_get(options, "healthcheck");

	if (!json_is_object(options))
		return error_set(
		    err, ERROR_PROTOCOL, "these run options are damaged: they are not an object");
	if (check != NULL && !json_is_object(check))
		return wrong("healthcheck", "an object", err);
	for (size_t i = 0; i < n_settings; i++) {
		const json_t *value = json_object_get(options, settings[i].key);

		if (value != NULL && !setting_has_form(&settings[i], value))
			return wrong(settings[i].key, "of its form", err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const json_t *value = json_at(options, members[i].path);

		if (value != NULL && !members[i].has_form(value))
			return wrong(members[i].path, members[i].form, err);
	}
	return 0;
}
