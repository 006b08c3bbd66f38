#include "inventory/overlay_items.h"

#include <string.h>

#include "base/attr.h"
#include "base/buf.h"

enum unique_by item_unique_by(const char *key)
{
	static const struct {
		const char *key;
		enum unique_by by;
	} keys[] = {
	    {"volumes", UNIQUE_BY_TARGET},
	    {"devices", UNIQUE_BY_TARGET},
	    {"secrets", UNIQUE_BY_FILE},
	    {"configs", UNIQUE_BY_FILE},
	    {"ports", UNIQUE_BY_PORT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].by;
	return UNIQUE_BY_TEXT;
}

/* A text of a long form, or `missing`. */
static const char *member(const struct node *map, const char *key, const char *missing)
{
	const struct entry *entry = node_find(map, key);

	return entry != NULL && entry->value->kind == NODE_SCALAR ? entry->value->text : missing;
}

/* TARGET of "[SOURCE:]TARGET[:MODE]"; what is no path behind a colon is a mode. */
static int target_of_text(const char *text, char **ret)
{
	const char *colon = strchr(text, ':');

	if (colon != NULL && (colon[1] == '/' || text[0] != '/'))
		text = colon + 1;
	*ret = strndup(text, strcspn(text, ":"));
	return *ret != NULL ? 0 : -1;
}

static int target_of(const struct node *item, char **ret)
{
	const char *target;

	if (item->kind == NODE_SCALAR)
		return target_of_text(item->text, ret);
	target = member(item, "target", member(item, "source", NULL));
	if (target == NULL)
		return 0;
	*ret = strdup(target);
	return *ret != NULL ? 0 : -1;
}

static int file_of(const struct node *item, char **ret)
{
	const char *target = item->kind == NODE_SCALAR
				 ? item->text
				 : member(item, "target", member(item, "source", NULL));

	if (target == NULL)
		return 0;
	*ret = string_printf("%s%s", target[0] == '/' ? "" : "/run/secrets/", target);
	return *ret != NULL ? 0 : -1;
}

/* [[IP:]PUBLISHED:]TARGET[/PROTOCOL]; an address may have colons of its own. */
static int port_of_text(const char *text, char **ret)
{
	static const char any[] = "0.0.0.0";
	const char *slash = strrchr(text, '/'), *end = slash != NULL ? slash : strchr(text, '\0');
	const char *target = memrchr(text, ':', (size_t)(end - text)), *published = NULL;
	const char *ip = any, *host;
	size_t ip_len = strlen(any), published_len;

	host = target != NULL ? memrchr(text, ':', (size_t)(target - text)) : NULL;
	if (host != NULL) {
		ip = *text == '[' ? text + 1 : text;
		ip_len = (size_t)(host - ip);
		if (ip_len > 0 && *text == '[' && ip[ip_len - 1] == ']')
			ip_len--;
	}
	published = host != NULL ? host + 1 : text;
	published_len = target != NULL ? (size_t)(target - published) : 0;
	target = target != NULL ? target + 1 : text;
	*ret = string_printf("%.*s %.*s %.*s %s", (int)ip_len, ip, (int)published_len, published,
	    (int)(end - target), target, slash != NULL ? slash + 1 : "tcp");
	return *ret != NULL ? 0 : -1;
}

static int port_of(const struct node *item, char **ret)
{
	if (item->kind == NODE_SCALAR)
		return port_of_text(item->text, ret);
	if (member(item, "target", NULL) == NULL)
		return 0;
	*ret = string_printf("%s %s %s %s", member(item, "host_ip", "0.0.0.0"),
	    member(item, "published", ""), member(item, "target", ""),
	    member(item, "protocol", "tcp"));
	return *ret != NULL ? 0 : -1;
}

int item_identity(const struct node *item, enum unique_by by, char **ret)
{
	if (by == UNIQUE_NOT || item->tag != TAG_NONE ||
	    (item->kind != NODE_SCALAR && item->kind != NODE_MAP))
		return 0;
	switch (by) {
	case UNIQUE_BY_TARGET:
		return target_of(item, ret);
	case UNIQUE_BY_FILE:
		return file_of(item, ret);
	case UNIQUE_BY_PORT:
		return port_of(item, ret);
	default:
		break;
	}
	if (item->kind != NODE_SCALAR)
		return 0;
	*ret = strdup(item->text);
	return *ret != NULL ? 0 : -1;
}
