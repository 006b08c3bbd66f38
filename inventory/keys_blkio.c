/* `blkio_config:` of a service: what it may read and write. */
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* Of a device of the host: bytes or operations a second, or its weight. */
struct rate {
	char *path;
	int64_t number;
};

static int read_rate(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct rate *rate = field;

	return read_size(r, value, &rate->number, arg);
}

static const struct range weight_range = {10, 1000};

static int read_weight(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct rate *rate = field;
	int weight = 0;

	if (read_count(r, value, &weight, &weight_range) < 0)
		return -1;
	rate->number = weight;
	return 0;
}

static const struct key rate_keys[] = {
    NEEDED("path", read_text, offsetof(struct rate, path), "the device on the host"),
    NEEDED("rate", read_rate, 0, "bytes (with a unit, if need be) or operations a second"),
};

const struct key_table rate_table = INNER_TABLE("a rate of a device", rate_keys);

static const struct key weight_keys[] = {
    NEEDED("path", read_text, offsetof(struct rate, path), "the device on the host"),
    NEEDED("weight", read_weight, 0, "10 to 1000"),
};

const struct key_table weight_table = INNER_TABLE("a weight of a device", weight_keys);

/* "/dev/sda:1048576" */
static int add_rate(
    struct reader *r, const struct node *item, const struct key_table *table, json_t *array)
{
	struct rate rate = {0};
	size_t before = r->problems->n;
	CLEANUP_FREE char *line = NULL;
	char shown[SHOWN_SIZE];
	int rc = schema_read(r, item, table, &rate, NULL);

	if (rc == 0 && r->problems->n == before && rate.path != NULL) {
		if (rate.path[0] != '/')
			rc = mistake(
			    r, item, "\"%s\" is not an absolute path", show_text(shown, rate.path));
		else if ((line = string_printf("%s:%lld", rate.path, (long long)rate.number)) ==
			 NULL)
			rc = -1;
		else
			rc = json_array_append_new(array, json_string(line));
	}
	free(rate.path);
	return rc;
}

static int read_devices_of(struct reader *r, const struct node *value, void *field,
    const char *member, const struct key_table *table)
{
	CLEANUP_JSON json_t *array = json_array();

	if (array == NULL)
		return -1;
	if (value->kind != NODE_LIST)
		return mistake_kind(r, value, "a list of devices");
	for (size_t i = 0; i < value->n; i++)
		if (add_rate(r, value->items[i], table, array) < 0)
			return -1;
	return settings_set_list(field, member, array);
}

static int setting_rates(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return read_devices_of(r, value, field, arg, &rate_table);
}

static int setting_weights(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return read_devices_of(r, value, field, arg, &weight_table);
}

static int setting_weight(struct reader *r, const struct node *value, void *field, const void *arg)
{
	int weight = 0;

	if (read_count(r, value, &weight, &weight_range) < 0)
		return -1;
	return weight > 0 ? settings_set(field, arg, json_integer(weight)) : 0;
}

static const struct key blkio_keys[] = {
    KEY_ARG("weight", setting_weight, "blkio_weight", 0, "its weight beside others, 10 to 1000"),
    KEY_ARG("weight_device", setting_weights, "blkio_weight_device", 0, "the same for a device"),
    KEY_ARG("device_read_bps", setting_rates, "device_read_bps", 0, "bytes read a second at most"),
    KEY_ARG("device_read_iops", setting_rates, "device_read_iops", 0, "reads a second at most"),
    KEY_ARG(
	"device_write_bps", setting_rates, "device_write_bps", 0, "bytes written a second at most"),
    KEY_ARG("device_write_iops", setting_rates, "device_write_iops", 0, "writes a second at most"),
};

const struct key_table blkio_table = KEY_TABLE("`blkio_config`", blkio_keys);
