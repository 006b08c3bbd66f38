/* The volumes of a container, as the engine's API takes them. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/container_put.h"

enum { WORDS_MAX = 1024 * 1024 };

/* Of what is made for it: where a member goes to, and what it is called in `--mount`. */
static const struct member {
	const char *key, *group, *name, *word;
} members[] = {
    {"propagation", "BindOptions", "Propagation", "bind-propagation"},
    {"nocopy", "VolumeOptions", "NoCopy", "volume-nocopy"},
    {"subpath", "VolumeOptions", "Subpath", "volume-subpath"},
    {"size", "TmpfsOptions", "SizeBytes", "tmpfs-size"},
    {"mode", "TmpfsOptions", "Mode", "tmpfs-mode"},
};

static int put_members(json_t *made, const json_t *mount)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(mount, members[i].key);

		if (value == NULL)
			continue;
		if (json_object_get(made, members[i].group) == NULL &&
		    json_set(made, members[i].group, json_object()) < 0)
			return -1;
		if (json_object_set(
			json_object_get(made, members[i].group), members[i].name, value) < 0)
			return -1;
	}
	return 0;
}

/* NULL: out of memory. */
static json_t *mount_of(const json_t *mount)
{
	json_t *made = json_object(), *source = json_object_get(mount, "source");

	if (json_set(made, "Type", json_string(json_str(mount, "type", ""))) == 0 &&
	    json_set(made, "Target", json_string(json_str(mount, "target", ""))) == 0 &&
	    (source == NULL || json_object_set(made, "Source", source) == 0) &&
	    (!json_flag(mount, "read_only", false) ||
		json_set(made, "ReadOnly", json_true()) == 0) &&
	    put_members(made, mount) == 0)
		return made;
	json_decref(made);
	return NULL;
}

/* A folder of the host that is missing is made for a bind, and never for a mount. */
static int put_mounts(json_t *host, const json_t *options)
{
	CLEANUP_JSON json_t *list = json_array();
	json_t *mount;
	size_t i;

	json_array_foreach(json_object_get(options, "mounts"), i, mount)
	{
		if (json_array_append_new(list, mount_of(mount)) < 0)
			return -1;
	}
	return json_array_size(list) > 0 ? json_object_set(host, "Mounts", list) : 0;
}

/* "SOURCE:TARGET:rw": a bind or named volume goes to Binds as it is, an anonymous one to Volumes.
 */
int put_volumes(json_t *body, json_t *host, const json_t *options)
{
	CLEANUP_JSON json_t *binds = json_array();
	CLEANUP_JSON json_t *anonymous = json_object();
	json_t *volumes = json_object_get(options, "volumes"), *volume;
	size_t i;

	json_array_foreach(volumes, i, volume)
	{
		const char *text = json_string_value(volume);
		int rc;

		if (text[0] == ':') {
			CLEANUP_FREE char *target = strndup(text + 1, strcspn(text + 1, ":"));

			rc = target == NULL ? -1 : json_set(anonymous, target, json_object());
		} else {
			rc = json_array_append(binds, volume);
		}
		if (rc < 0)
			return -1;
	}
	if (json_array_size(binds) > 0 && json_object_set(host, "Binds", binds) < 0)
		return -1;
	if (json_object_size(anonymous) > 0 && json_object_set(body, "Volumes", anonymous) < 0)
		return -1;
	return put_mounts(host, options);
}

static int add_member(struct buf *line, const struct member *member, const json_t *value)
{
	if (json_is_string(value))
		return buf_addf(line, ",%s=%s", member->word, json_string_value(value));
	if (json_is_boolean(value))
		return buf_addf(
		    line, ",%s=%s", member->word, json_is_true(value) ? "true" : "false");
	return buf_addf(line, strcmp(member->key, "mode") == 0 ? ",%s=%llo" : ",%s=%lld",
	    member->word, (long long)json_integer_value(value));
}

/* The command line is CSV: where a path has a comma or a quote nobody could read it. */
char *mount_words(const json_t *mount)
{
	CLEANUP_BUF struct buf line = BUF_INIT(WORDS_MAX);
	const char *source = json_str(mount, "source", NULL);

	if (buf_addf(&line, "type=%s", json_str(mount, "type", "")) < 0 ||
	    (source != NULL && buf_addf(&line, ",source=%s", source) < 0) ||
	    buf_addf(&line, ",target=%s", json_str(mount, "target", "")) < 0 ||
	    (json_flag(mount, "read_only", false) && buf_adds(&line, ",readonly") < 0))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const json_t *value = json_object_get(mount, members[i].key);

		if (value != NULL && add_member(&line, &members[i], value) < 0)
			return NULL;
	}
	return buf_steal(&line);
}
