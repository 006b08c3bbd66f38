#include "transport/registry/content_rules.h"

#include <string.h>

#include "base/attr.h"
#include "base/json.h"

/* What is in these folders does not count. */
static const char *const folders[] = {"var/log/", "var/cache/apt/", "var/cache/debconf/",
    "var/cache/ldconfig/", "var/cache/apk/", "var/cache/dnf/", "var/cache/yum/",
    "var/cache/libdnf5/", "var/lib/apt/lists/", "var/lib/dnf/", "var/lib/yum/", "var/tmp/", "tmp/",
    "run/",
    /* Databases in which each package has the time of its installation: its files are compared. */
    "var/lib/rpm/", "usr/lib/sysimage/rpm/"};

static const char *const files[] = {"var/lib/dpkg/status-old", "var/lib/dpkg/available-old",
    "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old", "lib/apk/db/scripts.tar",
    "usr/lib/apk/db/scripts.tar", "lib/apk/db/scripts.tar.gz", "usr/lib/apk/db/scripts.tar.gz",
    "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"};

bool content_left_out(const char *path)
{
	const char *slash = strrchr(path, '/');

	/* A whiteout hides what lies in other layers. */
	if (strncmp(slash != NULL ? slash + 1 : path, ".wh.", 4) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(path, files[i]) == 0)
			return true;
	/* Python reads these only beside their source (PEP 3147), and that is compared. */
	return strncmp(path, "__pycache__/", 12) == 0 || strstr(path, "/__pycache__/") != NULL;
}

bool content_is_shadow(const char *path)
{
	return strcmp(path, "etc/shadow") == 0;
}

size_t content_drop_days(char *text, size_t len)
{
	size_t field = 0, to = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			field = 0;
		else if (text[i] == ':')
			field++;
		else if (field == 2)
			continue;
		text[to++] = text[i];
	}
	return to;
}

/* --- the config (OCI image-spec, config.md) */

static bool tells_of_build(const char *label)
{
	static const char *const prefixes[] = {"org.opencontainers.image.", "org.label-schema."};
	static const char *const labels[] = {"build-date", "vcs-ref", "io.buildah.version"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(label, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		if (strcmp(label, labels[i]) == 0)
			return true;
	return false;
}

static json_t *labels_of(const json_t *config)
{
	json_t *labels = json_object(), *value;
	const char *name;

	json_object_foreach(json_at(config, "config.Labels"), name, value)
	{
		if (tells_of_build(name))
			continue;
		if (json_object_set(labels, name, value) < 0) {
			json_decref(labels);
			return NULL;
		}
	}
	return labels;
}

/* Absent, null and empty are one and the same: builders differ. */
static bool is_nothing(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_string(value) && *json_string_value(value) == '\0');
}

json_t *content_run_options(const json_t *config)
{
	static const char *const top[] = {"architecture", "os", "variant", "os.version"};
	static const char *const members[] = {"Cmd", "Entrypoint", "Env", "ExposedPorts",
	    "Healthcheck", "OnBuild", "Shell", "StopSignal", "User", "Volumes", "WorkingDir"};
	const json_t *of = json_object_get(config, "config");
	json_t *options = json_object();
	json_t *labels = labels_of(config);
	int rc = options == NULL || labels == NULL ? -1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(top) && rc == 0; i++)
		if (!is_nothing(json_object_get(config, top[i])))
			rc = json_object_set(options, top[i], json_object_get(config, top[i]));
	for (size_t i = 0; i < ARRAY_SIZE(members) && rc == 0; i++)
		if (!is_nothing(json_object_get(of, members[i])))
			rc = json_object_set(options, members[i], json_object_get(of, members[i]));
	if (rc == 0 && !is_nothing(labels))
		rc = json_object_set(options, "Labels", labels);
	json_decref(labels);
	if (rc == 0)
		return options;
	json_decref(options);
	return NULL;
}
