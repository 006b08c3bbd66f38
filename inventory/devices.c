/* `devices:` */
#include <stddef.h>
#include <string.h>

#include "base/buf.h"

#include "inventory/keys.h"

static const char device_form[] = "/dev/HOST, /dev/HOST:/dev/CONTAINER or "
				  "/dev/HOST:/dev/CONTAINER:rwm";

struct device {
	char *source, *target, *permissions;
};

static bool is_permissions(const char *text)
{
	return *text && strlen(text) <= 3 && !text[strspn(text, "rwm")];
}

/* HOST[:CONTAINER[:PERMISSIONS]], or HOST:PERMISSIONS as Docker has it. */
static bool is_device(char *text)
{
	char *rest = text;
	const char *source = strsep(&rest, ":");
	const char *target = strsep(&rest, ":");
	const char *permissions = strsep(&rest, ":");

	if (rest || source[0] != '/' || source[1] == '\0')
		return false;
	if (target && target[0] != '/')
		return !permissions && is_permissions(target);
	return !permissions || is_permissions(permissions);
}

static int read_short(struct reader *r, const struct node *node, void *context)
{
	const char *text = node->text;
	struct strv *devices = context;
	CLEANUP_FREE char *copy = strdup(text);
	const char *colon = strchr(text, ':');

	if (!copy)
		return -1;
	if (!is_device(copy))
		return mistake_value(r, node, device_form);
	if (colon && colon[1] != '/')
		return strv_addf(devices, "%s:%s:%s", copy, copy, colon + 1);
	return strv_add(devices, text);
}

#define AT(field) offsetof(struct device, field)

static const struct key device_keys[] = {
    NEEDED("source", read_text, AT(source), "the device on the host"),
    KEY("target", read_text, AT(target), "the device in the container"),
    KEY("permissions", read_text, AT(permissions), "of r, w and m"),
};

const struct key_table device_table = KEY_TABLE("a device", device_keys);

static int add_long(
    struct reader *r, const struct node *node, const struct device *device, struct strv *devices)
{
	const char *target = device->target ? device->target : device->source;
	const char *permissions = device->permissions ? device->permissions : "rwm";
	CLEANUP_FREE char *text = string_printf("%s:%s:%s", device->source, target, permissions);
	CLEANUP_FREE char *copy = text ? strdup(text) : NULL;

	if (!copy)
		return -1;
	if (!is_device(copy))
		return mistake(r, node, "expected absolute paths and permissions of r, w and m");
	return strv_add(devices, text);
}

static int read_long(struct reader *r, const struct node *node, void *devices)
{
	struct device device = {0};
	size_t before = r->problems->n;
	int result = schema_read(r, node, &device_table, &device, NULL);

	if (result == 0 && r->problems->n == before)
		result = add_long(r, node, &device, devices);
	free(device.source);
	free(device.target);
	free(device.permissions);
	return result;
}

int read_devices(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const struct forms forms = {"a list of devices", device_form, read_short, read_long};

	return each_form(r, value, &forms, field);
}
