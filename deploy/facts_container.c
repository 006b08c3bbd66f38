#include "deploy/facts_container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/names.h"
#include "deploy/options.h"

void container_release(struct container *container)
{
	char *const all[] = {container->id, container->name, container->service, container->release,
	    container->rollout, container->image, container->config, container->restart,
	    container->policy, container->by, container->at, container->source, container->status,
	    container->health, container->image_id};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]);
}

/* A copy of a member; NULL where it is missing and `otherwise` is NULL. */
static int copy(const json_t *json, const char *path, const char *otherwise, char **ret)
{
	const char *text = json_str(json, path, otherwise);

	*ret = text != NULL ? strdup(text) : NULL;
	return text != NULL && *ret == NULL ? -1 : 0;
}

static const char *label(const json_t *inspect, const char *name)
{
	return json_string_value(json_object_get(json_at(inspect, "Config.Labels"), name));
}

static int copy_label(const json_t *inspect, const char *name, const char *otherwise, char **ret)
{
	const char *value = label(inspect, name);

	if (value == NULL)
		value = otherwise;
	*ret = value != NULL ? strdup(value) : NULL;
	return value != NULL && *ret == NULL ? -1 : 0;
}

/* "on-failure" with its count, as `docker update` takes it. */
static char *policy_of(const json_t *inspect)
{
	const char *name = json_str(inspect, "HostConfig.RestartPolicy.Name", "no");
	int64_t most = json_int(inspect, "HostConfig.RestartPolicy.MaximumRetryCount", 0);

	if (strcmp(name, "on-failure") == 0 && most > 0)
		return string_printf("%s:%d", name, (int)most);
	return strdup(*name != '\0' ? name : "no");
}

/* "+01:00" in seconds: podman tells its host's time. */
static int64_t zone_of(const char *text)
{
	char *end;
	long hours, minutes;

	if (*text != '+' && *text != '-')
		return 0;
	hours = strtol(text + 1, &end, 10);
	minutes = *end == ':' ? strtol(end + 1, NULL, 10) : 0;
	if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return 0;
	return (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static int64_t started_at(const json_t *inspect)
{
	const char *text = json_str(inspect, "State.StartedAt", "");
	char whole[CLOCK_UTC_SIZE];
	time_t when = 0;

	/* "2026-11-22T17:54:32.123456789Z": the fraction does not matter. */
	if (strlen(text) < 20 || strncmp(text, "0001", 4) == 0)
		return 0;
	memcpy(whole, text, 19);
	memcpy(whole + 19, "Z", 2);
	if (clock_parse_utc(whole, &when) < 0)
		return 0;
	return (int64_t)when - zone_of(text + 19 + strspn(text + 19, ".0123456789"));
}

size_t container_name_parse(const char *prefix, const char *name, const char **ret_release)
{
	size_t len = strlen(prefix), service_len;
	char service[64];

	if (strncmp(name, prefix, len) != 0 || name[len] != '.')
		return 0;
	name += len + 1;
	service_len = strcspn(name, ".");
	if (service_len >= sizeof(service))
		return 0;
	memcpy(service, name, service_len);
	service[service_len] = '\0';
	*ret_release = name[service_len] == '.' ? name + service_len + 1 : NULL;
	if (!text_is_name(service) || strcmp(service, LEDGER_SERVICE) == 0 ||
	    (*ret_release != NULL && !name_is_release(*ret_release)))
		return 0;
	return service_len;
}

static time_t created_at(const json_t *inspect)
{
	char whole[CLOCK_UTC_SIZE];
	time_t when = 0;

	snprintf(whole, sizeof(whole), "%.19sZ", json_str(inspect, "Created", ""));
	return clock_parse_utc(whole, &when) < 0 ? 0 : when;
}

static int replace(char **text, char *by)
{
	free(*text);
	*text = by;
	return by == NULL ? -1 : 0;
}

int container_by_name(const char *prefix, const json_t *inspect, struct container *c)
{
	const char *release, *image = json_str(inspect, "Image", "");
	size_t len = container_name_parse(prefix, c->name, &release);
	char made[RELEASE_SIZE] = "";

	if (len == 0)
		return 0;
	if (release == NULL) {
		char id[DIGEST_TEXT_SIZE];

		if (digest_text(c->id, strlen(c->id), id, NULL) < 0 ||
		    name_release(created_at(inspect), id, made, NULL) < 0)
			return -1;
		release = made;
	}
	c->by_hand = true;
	if (replace(&c->service, strndup(c->name + strlen(prefix) + 1, len)) < 0 ||
	    replace(&c->release, strdup(release)) < 0 || replace(&c->image, strdup(image)) < 0)
		return -1;
	/* When it was retired it was made to stay down, and what it had been is not known. */
	return c->running || strcmp(c->policy, "no") != 0
		   ? 0
		   : replace(&c->restart, strdup(RESTART_DEFAULT));
}

int container_parse(const json_t *inspect, struct container *ret)
{
	const char *name = json_str(inspect, "Name", "");
	struct container c = {
	    .running = json_flag(inspect, "State.Running", false),
	    .auto_remove = json_flag(inspect, "HostConfig.AutoRemove", false),
	    .exit_code = (int)json_int(inspect, "State.ExitCode", 0),
	    .started_at = started_at(inspect),
	    .stop_grace_s = (int)json_int(inspect, "Config.StopTimeout", 10),
	    .policy = policy_of(inspect),
	    .name = strdup(*name == '/' ? name + 1 : name),
	};

	if (c.policy == NULL || c.name == NULL || copy(inspect, "Id", "", &c.id) < 0 ||
	    copy(inspect, "Image", "", &c.image_id) < 0 ||
	    copy(inspect, "State.Status", "unknown", &c.status) < 0 ||
	    copy(inspect, "State.Health.Status", NULL, &c.health) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "service", "", &c.service) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "release", "", &c.release) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "rollout", "", &c.rollout) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "image", "", &c.image) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "config", "", &c.config) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "restart", c.policy, &c.restart) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "by", "", &c.by) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "at", "", &c.at) < 0 ||
	    copy_label(inspect, LABEL_PREFIX "source", NULL, &c.source) < 0) {
		container_release(&c);
		return -1;
	}
	/* podman says "" where there is no healthcheck. */
	if (c.health != NULL && *c.health == '\0')
		free(steal_ptr(c.health));
	/* A label that somebody altered: what it has is what it wants. */
	if (!options_is_restart(c.restart)) {
		free(c.restart);
		c.restart = strdup(c.policy);
		if (c.restart == NULL) {
			container_release(&c);
			return -1;
		}
	}
	*ret = c;
	return 0;
}
