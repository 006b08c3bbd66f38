/* `deploy:` of a service, of which what a single engine can do is honoured, and `gpus:`. */
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* ---- gpus ---- */

struct gpu {
	char *driver;
	int count; /* -1: all; 0: not said */
	struct strv ids, capabilities;
	struct pairs options;
};

static const struct range count_range = {1, 1000};
static const struct pairs_rule option_rule = {.what = "an option"};

static int read_gpu_count(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	int *count = field;

	if (value->kind == NODE_SCALAR && !value->bad &&
	    (strcmp(value->text, "all") == 0 || strcmp(value->text, "-1") == 0)) {
		*count = -1;
		return 0;
	}
	return read_count(r, value, count, &count_range);
}

#define AT(field) offsetof(struct gpu, field)

static const struct key gpu_keys[] = {
    KEY("driver", read_text, AT(driver), "who gives them: nvidia"),
    KEY("count", read_gpu_count, AT(count), "how many, or `all`"),
    KEY("device_ids", read_list, AT(ids), "which ones"),
    KEY("capabilities", read_list, AT(capabilities), "what they can: gpu, compute, utility, ..."),
    KEY_ARG("options", read_pairs, &option_rule, AT(options), "of the driver"),
};

const struct key_table gpu_table = KEY_TABLE("a device request", gpu_keys);

static void gpu_release(struct gpu *gpu)
{
	free(gpu->driver);
	strv_release(&gpu->ids);
	strv_release(&gpu->capabilities);
	pairs_release(&gpu->options);
}

/* In the form of the run option `gpus`; NULL: out of memory. */
static json_t *gpu_value(struct gpu *gpu)
{
	json_t *all = json_object();
	CLEANUP_JSON json_t *options = pairs_object(&gpu->options);
	int rc = options != NULL ? 0 : -1;

	strv_sort(&gpu->capabilities);
	if (rc == 0 && gpu->driver != NULL)
		rc = json_set(all, "driver", json_string(gpu->driver));
	if (rc == 0 && gpu->ids.n > 0)
		rc = json_set(all, "device_ids", json_words(&gpu->ids));
	else if (rc == 0)
		rc = json_set(all, "count", json_integer(gpu->count != 0 ? gpu->count : -1));
	if (rc == 0)
		rc = json_set(all, "capabilities", json_words(&gpu->capabilities));
	if (rc == 0 && json_object_size(options) > 0)
		rc = json_object_set(all, "options", options);
	if (rc == 0)
		return all;
	json_decref(all);
	return NULL;
}

/* `gpus` of the service and the devices that `deploy` reserves are one list. */
static int add_gpu(json_t **settings, struct gpu *gpu)
{
	json_t *list = *settings != NULL ? json_object_get(*settings, "gpus") : NULL;

	if (list == NULL) {
		if (settings_set(settings, "gpus", json_array()) < 0)
			return -1;
		list = json_object_get(*settings, "gpus");
	}
	return json_array_append_new(list, gpu_value(gpu));
}

static int read_gpu(struct reader *r, const struct node *item, json_t **settings, bool any)
{
	struct gpu gpu = {0};
	size_t before = r->problems->n;
	int rc = schema_read(r, item, &gpu_table, &gpu, NULL);

	if (rc == 0 && gpu.count != 0 && gpu.ids.n > 0)
		rc = mistake(r, item, "a device request has `count` or `device_ids`");
	if (rc == 0 && any && gpu.capabilities.n == 0 && r->problems->n == before) {
		rc = mistake(r, item, "the key `capabilities` is missing in a device request");
		if (rc == 0)
			rc = mistake_hint(r, "of graphics cards it is [gpu]");
	}
	if (rc == 0 && !any && !strv_has(&gpu.capabilities, "gpu"))
		rc = strv_add(&gpu.capabilities, "gpu");
	if (rc == 0 && r->problems->n == before)
		rc = add_gpu(settings, &gpu);
	gpu_release(&gpu);
	return rc;
}

static int read_requests(
    struct reader *r, const struct node *value, json_t **settings, bool any, const char *expected)
{
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, expected);
	for (size_t i = 0; i < value->n; i++)
		if (read_gpu(r, value->items[i], settings, any) < 0)
			return -1;
	return 0;
}

int setting_gpus(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "`all`, or a list of device requests";
	struct gpu all = {.count = -1};
	int rc;

	if (value->kind != NODE_SCALAR)
		return read_requests(r, value, field, false, expected);
	if (value->bad || strcmp(value->text, "all") != 0)
		return mistake_value(r, value, expected);
	rc = strv_add(&all.capabilities, "gpu");
	if (rc == 0)
		rc = add_gpu(field, &all);
	gpu_release(&all);
	return rc;
}

static int setting_requests(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_requests(r, value, field, true, "a list of device requests");
}

/* ---- deploy ---- */

static const char scheduler[] = "only the scheduler of Swarm looks at it; without effect";

static const struct key limits_keys[] = {
    KEY_ARG("cpus", setting_cpus, "cpus", 0, "processors it may use at most"),
    KEY_ARG("memory", setting_size, "mem_limit", 0, "memory it may use at most"),
    KEY_ARG("pids", setting_number, "pids_limit", 0, "processes it may have at most"),
};

const struct key_table limits_table = INNER_TABLE("`deploy.resources.limits`", limits_keys);

static const struct key reservations_keys[] = {
    IGNORED("cpus", scheduler),
    KEY_ARG("memory", setting_size, "mem_reservation", 0, "memory it keeps when memory is scarce"),
    KEY("devices", setting_requests, 0, "graphics cards and the like"),
    REFUSED("generic_resources", "there is no Swarm that counts them"),
};

const struct key_table reservations_table =
    INNER_TABLE("`deploy.resources.reservations`", reservations_keys);

static const struct key resources_keys[] = {
    KEY_ARG("limits", read_table, &limits_table, 0, "what it may use at most"),
    KEY_ARG("reservations", read_table, &reservations_table, 0, "what is kept for it"),
};

const struct key_table resources_table = KEY_TABLE("`deploy.resources`", resources_keys);

static const struct key deploy_keys[] = {
    KEY_ARG(
	"resources", read_table, &resources_table, 0, "what it may use, and what is kept for it"),
    REFUSED("endpoint_mode", "there is no Swarm; `networks` and `ports` say how it is reached"),
    REFUSED("job", "there is no Swarm; `before` runs a program once"),
    REFUSED("labels", "they are of a Swarm service; `labels` of the service are on its container"),
    REFUSED("mode", "a service is one container on each of its hosts"),
    REFUSED("placement", "`hosts` of the service, and environments, say where it runs"),
    REFUSED("replicas", "a service is one container on each of its hosts"),
    REFUSED("restart_policy", "`restart` of the service says it"),
    REFUSED("rollback_config", "`rollout` of an environment says it"),
    REFUSED("update_config", "`rollout` of an environment says it"),
};

const struct key_table deploy_table = KEY_TABLE("`deploy`", deploy_keys);

/* The same limit may stand in two places, as long as both say the same. */
static int merge(struct reader *r, const struct node *value, json_t **settings, json_t *found)
{
	const char *key;
	json_t *item;

	json_object_foreach(found, key, item)
	{
		json_t *old = *settings != NULL ? json_object_get(*settings, key) : NULL;
		int rc = 0;

		if (old != NULL && strcmp(key, "gpus") == 0)
			rc = json_array_extend(old, item);
		else if (old != NULL && !json_equal(old, item))
			rc = mistake(
			    r, value, "`resources` says something else than `%s` does", key);
		else if (old == NULL)
			rc = settings_set(settings, key, json_incref(item));
		if (rc < 0)
			return -1;
	}
	return 0;
}

int read_deploy(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	json_t *found = NULL;
	int rc = schema_read(r, value, &deploy_table, &found, NULL);

	if (rc == 0)
		rc = merge(r, value, field, found);
	json_decref(found);
	return rc;
}
