/* Compose's keys that the engine takes as they are, of a service or its build: each becomes a
 * member of `settings`, in the form that docs/formats.md has for run options. */
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

enum { LIST_MAX = 1000 };

int settings_set(json_t **settings, const char *key, json_t *value)
{
	if (*settings == NULL)
		*settings = json_object();
	return json_set(*settings, key, value);
}

int settings_set_list(json_t **settings, const char *key, json_t *array)
{
	return json_array_size(array) > 0 ? settings_set(settings, key, json_incref(array)) : 0;
}

/* --- single values; `arg` is the name */

int setting_text(struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_FREE char *text = NULL;

	if (read_text(r, value, &text, NULL) < 0)
		return -1;
	return text != NULL ? settings_set(field, arg, json_string(text)) : 0;
}

/* False is what all of them have without it. */
int setting_flag(struct reader *r, const struct node *value, void *field, const void *arg)
{
	bool flag = false;

	if (read_bool(r, value, &flag, NULL) < 0)
		return -1;
	return flag ? settings_set(field, arg, json_true()) : 0;
}

/* The engine's own default may be another: false is said, too. */
int setting_choice(struct reader *r, const struct node *value, void *field, const void *arg)
{
	size_t before = r->problems->n;
	bool flag = false;

	if (read_bool(r, value, &flag, NULL) < 0)
		return -1;
	return r->problems->n == before && !value->bad
		   ? settings_set(field, arg, json_boolean(flag))
		   : 0;
}

static int read_number(struct reader *r, const struct node *value, json_t **settings,
    const char *key, const struct range *range)
{
	int number = INT32_MIN;

	if (read_count(r, value, &number, range) < 0)
		return -1;
	return number != INT32_MIN ? settings_set(settings, key, json_integer(number)) : 0;
}

int setting_number(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const struct range range = {-1, INT32_MAX};

	return read_number(r, value, field, arg, &range);
}

/* Compose takes a number of microseconds, or a duration. */
int setting_us(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "microseconds, or a duration such as 400ms";
	int64_t ms;
	int us;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (parse_int(text, 0, INT32_MAX, &us) == 0)
		return settings_set(field, arg, json_integer(us));
	size_t digits = strspn(text, "0123456789");
	if (digits > 0 && digits < 10 && strcmp(text + digits, "us") == 0)
		return settings_set(field, arg, json_integer(strtol(text, NULL, 10)));
	if (parse_duration(text, &ms) < 0 || ms > INT32_MAX / 1000)
		return mistake_value(r, value, expected);
	return settings_set(field, arg, json_integer(ms * 1000));
}

static const char *const cgroup_names[] = {"host", "private"};
static const struct choices cgroups = {"host or private", cgroup_names, ARRAY_SIZE(cgroup_names)};

int setting_cgroup(struct reader *r, const struct node *value, void *field, const void *arg)
{
	unsigned choice = ARRAY_SIZE(cgroup_names);

	if (read_choice(r, value, &choice, &cgroups) < 0)
		return -1;
	return choice < ARRAY_SIZE(cgroup_names)
		   ? settings_set(field, arg, json_string(cgroup_names[choice]))
		   : 0;
}

static bool is_mac_address(const char *text)
{
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' && text[i] != '-'
			       : !isxdigit((unsigned char)text[i]))
			return false;
	return text[17] == '\0';
}

int setting_mac(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "an address such as 02:42:ac:11:00:02";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return is_mac_address(text) ? settings_set(field, arg, json_string(text))
				    : mistake_value(r, value, expected);
}

int setting_oom_score(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const struct range range = {-1000, 1000};

	return read_number(r, value, field, arg, &range);
}

/* As Docker reads sizes: all units are powers of 1024. -1: it is none. */
static int parse_size(const char *text, int64_t *ret)
{
	enum { DIGITS_MAX = 15 };
	static const char units[] = "bkmgt";
	size_t digits = strspn(text, "0123456789.");
	const char *rest = text + digits, *dot = memchr(text, '.', digits);
	double size = digits > 0 && digits <= DIGITS_MAX ? strtod(text, NULL) : 0;

	if (digits == 0 || digits > DIGITS_MAX || *text == '.' ||
	    (dot != NULL && (dot + 1 == rest || memchr(dot + 1, '.', (size_t)(rest - dot - 1)))))
		return -1;
	if (*rest != '\0') {
		const char *unit = strchr(units, *rest | 0x20);

		if (unit == NULL)
			return -1;
		for (const char *power = units; power < unit; power++)
			size *= 1024;
		rest++;
		if (unit > units && (strcasecmp(rest, "b") == 0 || strcasecmp(rest, "ib") == 0))
			rest += strlen(rest);
	}
	if (*rest != '\0' || size > (double)(INT64_MAX / 2))
		return -1;
	*ret = (int64_t)size;
	return 0;
}

int read_size(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "a size such as 64m, 1gb or a number of bytes";
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	return parse_size(text, field) == 0 ? 0 : mistake_value(r, value, expected);
}

int setting_size(struct reader *r, const struct node *value, void *field, const void *arg)
{
	int64_t size = -1;

	/* Of swap that means: as much as there is. */
	if (strcmp(arg, "memswap_limit") == 0 && value->kind == NODE_SCALAR &&
	    strcmp(value->text, "-1") == 0)
		return settings_set(field, arg, json_integer(-1));
	if (read_size(r, value, &size, NULL) < 0)
		return -1;
	return size >= 0 ? settings_set(field, arg, json_integer(size)) : 0;
}

/* "1.5" as billionths. */
int setting_cpus(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "a number of processors such as 2 or 0.5";
	enum { WHOLE_MAX = 4, PLACES = 9 };
	const char *text;
	int64_t nano = 0;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	size_t whole = strspn(text, "0123456789");
	const char *fraction = text[whole] == '.' ? text + whole + 1 : "";
	size_t places = strspn(fraction, "0123456789");

	if (whole > WHOLE_MAX || places > PLACES || whole + places == 0 ||
	    (text[whole] != '\0' && text[whole] != '.') || fraction[places] != '\0')
		return mistake_value(r, value, expected);
	for (size_t i = 0; i < whole; i++)
		nano = nano * 10 + (text[i] - '0');
	for (size_t i = 0; i < PLACES; i++)
		nano = nano * 10 + (i < places ? fraction[i] - '0' : 0);
	return nano > 0 ? settings_set(field, arg, json_integer(nano))
			: mistake_value(r, value, expected);
}

/* --- lists */

/* In the order of the file; what is there twice is once. */
static int add_text(json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return 0;
	}
	return json_array_append_new(array, json_string(text));
}

static int add_item(struct reader *r, const struct node *item, const char *text, void *context)
{
	if (*text == '\0')
		return mistake(r, item, "expected a text, this is empty");
	if (json_array_size(context) >= LIST_MAX)
		return mistake(r, item, "more than %d of them", LIST_MAX);
	return add_text(context, text);
}

static int read_items(struct reader *r, const struct node *value, json_t **settings,
    const char *key, const char *expected, item_fn *item)
{
	CLEANUP_JSON json_t *array = json_array();

	if (array == NULL || each_text(r, value, expected, item, array) < 0)
		return -1;
	return settings_set_list(settings, key, array);
}

int setting_list(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return read_items(r, value, field, arg, "a list of texts", add_item);
}

/* "NAME:ADDRESS" or "NAME=ADDRESS"; an address has colons of its own. */
static int add_host(struct reader *r, const struct node *item, const char *text, void *context)
{
	static const char expected[] = "NAME:ADDRESS";
	size_t len = strcspn(text, ":=");
	CLEANUP_FREE char *line = NULL;

	if (len == 0 || text[len] == '\0' || text[len + 1] == '\0')
		return mistake_value(r, item, expected);
	line = string_printf("%.*s:%s", (int)len, text, text + len + 1);
	return line != NULL ? add_item(r, item, line, context) : -1;
}

static int add_host_entry(struct reader *r, const struct entry *entry, json_t *array)
{
	const struct node *value = entry->value;
	size_t n = value->kind == NODE_LIST ? value->n : 1;

	for (size_t i = 0; i < n; i++) {
		const struct node *item = value->kind == NODE_LIST ? value->items[i] : value;
		CLEANUP_FREE char *line = NULL;
		const char *text;
		int got = scalar_text(r, item, "an address", &text);

		if (got < 0)
			return -1;
		if (got == 0)
			continue;
		line = string_printf("%s:%s", entry->key->text, text);
		if (line == NULL || add_item(r, item, line, array) < 0)
			return -1;
	}
	return 0;
}

int setting_hosts(struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_JSON json_t *array = NULL;

	if (value->kind != NODE_MAP)
		return read_items(r, value, field, arg, "a list of NAME:ADDRESS", add_host);
	array = json_array();
	if (array == NULL)
		return -1;
	for (size_t i = 0; i < value->n; i++)
		if (add_host_entry(r, &value->entries[i], array) < 0)
			return -1;
	return settings_set_list(field, arg, array);
}

static int add_path(struct reader *r, const struct node *item, const char *text, void *context)
{
	if (*text != '/')
		return mistake_value(r, item, "an absolute path, as in /run or /run:size=64m");
	return add_item(r, item, text, context);
}

static int add_rule(struct reader *r, const struct node *item, const char *text, void *context)
{
	static const char expected[] = "a rule such as \"c 1:3 mr\"";
	const char *rest = text + 2;

	if (strchr("abc", text[0]) == NULL || text[0] == '\0' || text[1] != ' ')
		return mistake_value(r, item, expected);
	rest += strspn(rest, "0123456789*");
	if (*rest != ':' || rest == text + 2)
		return mistake_value(r, item, expected);
	size_t len = strspn(++rest, "0123456789*");
	rest += len;
	if (len == 0 || rest[0] != ' ' || rest[1] == '\0' ||
	    rest[1 + strspn(rest + 1, "rwm")] != '\0')
		return mistake_value(r, item, expected);
	return add_item(r, item, text, context);
}

int setting_rules(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return read_items(r, value, field, arg, "a list of rules", add_rule);
}

int setting_paths(struct reader *r, const struct node *value, void *field, const void *arg)
{
	return read_items(r, value, field, arg, "a list of paths", add_path);
}

/* --- mappings */

json_t *pairs_object(struct pairs *pairs)
{
	json_t *object = json_object();

	for (size_t i = 0; i < pairs->n && object != NULL; i++) {
		const char *value = pairs->v[i].value != NULL ? pairs->v[i].value : "";

		if (json_set(object, pairs->v[i].key, json_string(value)) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	pairs_release(pairs);
	return object;
}

int setting_pairs(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const struct pairs_rule rule = {.what = "a setting"};
	struct pairs pairs = {0};
	int rc = read_pairs(r, value, &pairs, &rule);
	CLEANUP_JSON json_t *object = pairs_object(&pairs);

	if (rc < 0 || object == NULL)
		return -1;
	return json_object_size(object) > 0 ? settings_set(field, arg, json_incref(object)) : 0;
}

struct limits {
	int soft, hard;
};

static const struct range limit_range = {-1, INT32_MAX};

static const struct key limit_keys[] = {
    {"soft", read_count, offsetof(struct limits, soft), &limit_range, KEY_REQUIRED, "what it has"},
    {"hard", read_count, offsetof(struct limits, hard), &limit_range, KEY_REQUIRED,
	"to what it may raise that"},
};

const struct key_table limit_table = KEY_TABLE("a limit", limit_keys);

/* "nofile=1024:2048" */
static int add_limit(struct reader *r, const struct entry *entry, json_t *array)
{
	size_t before = r->problems->n;
	struct limits limits = {0};
	CLEANUP_FREE char *line = NULL;
	int rc;

	if (entry->value->kind == NODE_MAP) {
		rc = schema_read(r, entry->value, &limit_table, &limits, NULL);
	} else {
		rc = read_count(r, entry->value, &limits.soft, &limit_range);
		limits.hard = limits.soft;
	}
	if (rc < 0 || r->problems->n > before || entry->value->bad)
		return rc;
	if (limits.hard >= 0 && limits.soft > limits.hard)
		return mistake(r, entry->value, "`soft` is more than `hard`");
	line = string_printf("%s=%d:%d", entry->key->text, limits.soft, limits.hard);
	return line != NULL ? add_text(array, line) : -1;
}

int setting_limits(struct reader *r, const struct node *value, void *field, const void *arg)
{
	CLEANUP_JSON json_t *array = NULL;

	if (value->kind != NODE_MAP)
		return mistake_kind(r, value, "a mapping of limits, such as `nofile: 4096`");
	array = json_array();
	if (array == NULL)
		return -1;
	for (size_t i = 0; i < value->n; i++)
		if (add_limit(r, &value->entries[i], array) < 0)
			return -1;
	return settings_set_list(field, arg, array);
}

struct logging {
	char *driver;
	struct pairs options;
};

static const struct pairs_rule log_rule = {.what = "an option"};

static const struct key logging_keys[] = {
    KEY("driver", read_text, offsetof(struct logging, driver), "json-file, local, journald, ..."),
    KEY_ARG("options", read_pairs, &log_rule, offsetof(struct logging, options), "of that driver"),
};

const struct key_table logging_table = KEY_TABLE("`logging`", logging_keys);

/* All of it replaces the default; options alone are those of the default driver. */
int setting_logging(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct logging logging = {0};
	int rc = schema_read(r, value, &logging_table, &logging, NULL);
	json_t *all =
	    json_pack("{s:s, s:o}", "driver", logging.driver != NULL ? logging.driver : "json-file",
		"options", pairs_object(&logging.options));

	free(logging.driver);
	if (rc == 0)
		return settings_set(field, arg, all);
	json_decref(all);
	return -1;
}

/* --- networks that are none of its own */

int setting_network_mode(struct reader *r, const struct node *value, void *field, const void *arg)
{
	static const char expected[] = "host, none, bridge or container:NAME";
	static const char *const modes[] = {"host", "none", "bridge"};
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (strncmp(text, "service:", 8) == 0) {
		if (mistake(r, value, "a service cannot be in the network of another one") < 0)
			return -1;
		return mistake_hint(r, "services of one network find each other by their names");
	}
	if (strcmp(text, "host") != 0 && strcmp(text, "none") != 0 && strcmp(text, "bridge") != 0 &&
	    (strncmp(text, "container:", 10) != 0 || text[10] == '\0'))
		return mistake_choice(r, value, expected, modes, ARRAY_SIZE(modes));
	return settings_set(field, arg, json_string(text));
}

int check_network_mode(struct reader *r, const struct node *node, const struct service *service)
{
	const char *mode = json_str(service->settings, "network_mode", NULL);
	const struct entry *entry = node_find(node, "network_mode");

	if (mode == NULL || entry == NULL)
		return 0;
	if (service->networks.n > 0)
		return mistake(r, entry->value, "a service has `network_mode` or `networks`") < 0
			   ? -1
			   : mistake_hint(r, "take one of the two away");
	if (service->n_ports > 0 && strcmp(mode, "bridge") != 0)
		return mistake(
		    r, entry->value, "with `network_mode: %s` there are no `ports`", mode);
	return 0;
}
