#include "deploy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* clang-format off */
const struct setting settings[] = {
    {"annotations",       SETTING_PAIRS,  true,  "Annotations",       "--annotation"},
    {"blkio_weight",      SETTING_NUMBER, true,  "BlkioWeight",       "--blkio-weight"},
    {"blkio_weight_device", SETTING_RATES, true, "BlkioWeightDevice", "--blkio-weight-device"},
    {"cap_add",           SETTING_LIST,   true,  "CapAdd",            "--cap-add"},
    {"cap_drop",          SETTING_LIST,   true,  "CapDrop",           "--cap-drop"},
    {"cgroup",            SETTING_TEXT,   true,  "CgroupnsMode",      "--cgroupns"},
    {"cgroup_parent",     SETTING_TEXT,   true,  "CgroupParent",      "--cgroup-parent"},
    {"cpu_period",        SETTING_NUMBER, true,  "CpuPeriod",         "--cpu-period"},
    {"cpu_quota",         SETTING_NUMBER, true,  "CpuQuota",          "--cpu-quota"},
    {"cpu_rt_period",     SETTING_NUMBER, true,  "CpuRealtimePeriod", "--cpu-rt-period"},
    {"cpu_rt_runtime",    SETTING_NUMBER, true,  "CpuRealtimeRuntime", "--cpu-rt-runtime"},
    {"cpu_shares",        SETTING_NUMBER, true,  "CpuShares",         "--cpu-shares"},
    {"cpus",              SETTING_CPUS,   true,  "NanoCpus",          "--cpus"},
    {"cpuset",            SETTING_TEXT,   true,  "CpusetCpus",        "--cpuset-cpus"},
    {"device_cgroup_rules", SETTING_LIST, true,  "DeviceCgroupRules", "--device-cgroup-rule"},
    {"device_read_bps",   SETTING_RATES,  true,  "BlkioDeviceReadBps", "--device-read-bps"},
    {"device_read_iops",  SETTING_RATES,  true,  "BlkioDeviceReadIOps", "--device-read-iops"},
    {"device_write_bps",  SETTING_RATES,  true,  "BlkioDeviceWriteBps", "--device-write-bps"},
    {"device_write_iops", SETTING_RATES,  true,  "BlkioDeviceWriteIOps", "--device-write-iops"},
    {"dns",               SETTING_LIST,   true,  "Dns",               "--dns"},
    {"dns_opt",           SETTING_LIST,   true,  "DnsOptions",        "--dns-option"},
    {"dns_search",        SETTING_LIST,   true,  "DnsSearch",         "--dns-search"},
    {"domainname",        SETTING_TEXT,   false, "Domainname",        "--domainname"},
    {"expose",            SETTING_LIST,   false, NULL,                "--expose"},
    {"extra_hosts",       SETTING_LIST,   true,  "ExtraHosts",        "--add-host"},
    {"gpus",              SETTING_GPUS,   true,  "DeviceRequests",    "--gpus"},
    {"group_add",         SETTING_LIST,   true,  "GroupAdd",          "--group-add"},
    {"hostname",          SETTING_TEXT,   false, "Hostname",          "--hostname"},
    {"init",              SETTING_FLAG,   true,  "Init",              "--init"},
    {"ipc",               SETTING_TEXT,   true,  "IpcMode",           "--ipc"},
    {"mac_address",       SETTING_TEXT,   false, "MacAddress",        "--mac-address"},
    {"mem_limit",         SETTING_NUMBER, true,  "Memory",            "--memory"},
    {"mem_reservation",   SETTING_NUMBER, true,  "MemoryReservation", "--memory-reservation"},
    {"mem_swappiness",    SETTING_NUMBER, true,  "MemorySwappiness",  "--memory-swappiness"},
    {"memswap_limit",     SETTING_NUMBER, true,  "MemorySwap",        "--memory-swap"},
    {"oom_kill_disable",  SETTING_FLAG,   true,  "OomKillDisable",    "--oom-kill-disable"},
    {"oom_score_adj",     SETTING_NUMBER, true,  "OomScoreAdj",       "--oom-score-adj"},
    {"pid",               SETTING_TEXT,   true,  "PidMode",           "--pid"},
    {"pids_limit",        SETTING_NUMBER, true,  "PidsLimit",         "--pids-limit"},
    {"privileged",        SETTING_FLAG,   true,  "Privileged",        "--privileged"},
    {"read_only",         SETTING_FLAG,   true,  "ReadonlyRootfs",    "--read-only"},
    {"runtime",           SETTING_TEXT,   true,  "Runtime",           "--runtime"},
    {"security_opt",      SETTING_LIST,   true,  "SecurityOpt",       "--security-opt"},
    {"shm_size",          SETTING_NUMBER, true,  "ShmSize",           "--shm-size"},
    {"stdin_open",        SETTING_FLAG,   false, "OpenStdin",         "--interactive"},
    {"stop_signal",       SETTING_TEXT,   false, "StopSignal",        "--stop-signal"},
    {"storage_opt",       SETTING_PAIRS,  true,  "StorageOpt",        "--storage-opt"},
    {"sysctls",           SETTING_PAIRS,  true,  "Sysctls",           "--sysctl"},
    {"tmpfs",             SETTING_TMPFS,  true,  "Tmpfs",             "--tmpfs"},
    {"tty",               SETTING_FLAG,   false, "Tty",               "--tty"},
    {"ulimits",           SETTING_LIMITS, true,  "Ulimits",           "--ulimit"},
    {"userns_mode",       SETTING_TEXT,   true,  "UsernsMode",        "--userns"},
    {"uts",               SETTING_TEXT,   true,  "UTSMode",           "--uts"},
    {"working_dir",       SETTING_TEXT,   false, "WorkingDir",        "--workdir"},
};
/* clang-format on */
const size_t n_settings = ARRAY_SIZE(settings);

/* "NAME=SOFT:HARD" */
static bool parse_limit(const char *text, long long *ret_soft, long long *ret_hard)
{
	const char *equals = strchr(text, '=');
	char *end;

	if (equals == NULL || equals == text)
		return false;
	*ret_soft = strtoll(equals + 1, &end, 10);
	if (end == equals + 1 || *end != ':')
		return false;
	text = end + 1;
	*ret_hard = strtoll(text, &end, 10);
	return end != text && *end == '\0';
}

bool setting_is_limit(const char *text)
{
	long long soft, hard;

	return parse_limit(text, &soft, &hard);
}

bool setting_is_rate(const char *text)
{
	const char *colon = strrchr(text, ':');

	return text[0] == '/' && colon != NULL && colon[1] != '\0' && strlen(colon + 1) <= 18 &&
	       colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

static bool is_texts(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	return json_is_array(list);
}

bool setting_is_gpu(const json_t *value)
{
	json_t *driver = json_object_get(value, "driver"), *count = json_object_get(value, "count"),
	       *ids = json_object_get(value, "device_ids"), *option,
	       *options = json_object_get(value, "options");
	const char *key;

	json_object_foreach(options, key, option)
	{
		if (!json_is_string(option))
			return false;
	}
	return is_texts(json_object_get(value, "capabilities")) &&
	       (driver == NULL || json_is_string(driver)) &&
	       (count == NULL || json_is_integer(count)) && (ids == NULL || is_texts(ids)) &&
	       (options == NULL || json_is_object(options));
}

/* --- for the engine */

static json_t *tmpfs_of(const json_t *list)
{
	json_t *object = json_object();
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);
		size_t len = strcspn(text, ":");
		CLEANUP_FREE char *path = strndup(text, len);

		if (path == NULL ||
		    json_set(object, path, json_string(text + len + (text[len] == ':'))) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *limits_of(const json_t *list)
{
	json_t *array = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);
		long long soft = 0, hard = 0;

		parse_limit(text, &soft, &hard);
		if (json_array_append_new(
			array, json_pack("{s:s%, s:I, s:I}", "Name", text, strcspn(text, "="),
				   "Soft", (json_int_t)soft, "Hard", (json_int_t)hard)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *rates_of(const char *member, const json_t *list)
{
	json_t *array = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item), *colon = strrchr(text, ':');

		if (json_array_append_new(
			array, json_pack("{s:s%, s:I}", "Path", text, (size_t)(colon - text),
				   member, (json_int_t)strtoll(colon + 1, NULL, 10))) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *request_of(const json_t *gpu)
{
	json_t *request = json_object();
	json_t *ids = json_object_get(gpu, "device_ids"),
	       *options = json_object_get(gpu, "options");

	if (json_set(request, "Driver", json_string(json_str(gpu, "driver", ""))) == 0 &&
	    json_set(request, "Count", json_integer(json_int(gpu, "count", 0))) == 0 &&
	    (ids == NULL || json_object_set(request, "DeviceIDs", ids) == 0) &&
	    (options == NULL || json_object_set(request, "Options", options) == 0) &&
	    json_set(request, "Capabilities",
		json_pack("[O]", json_object_get(gpu, "capabilities"))) == 0)
		return request;
	json_decref(request);
	return NULL;
}

static json_t *requests_of(const json_t *list)
{
	json_t *array = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_array_append_new(array, request_of(item)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *value_of(const struct setting *setting, json_t *value)
{
	switch (setting->form) {
	case SETTING_TMPFS:
		return tmpfs_of(value);
	case SETTING_LIMITS:
		return limits_of(value);
	case SETTING_RATES:
		return rates_of(
		    strcmp(setting->key, "blkio_weight_device") == 0 ? "Weight" : "Rate", value);
	case SETTING_GPUS:
		return requests_of(value);
	default:
		return json_incref(value);
	}
}

int settings_put(json_t *body, json_t *host, const json_t *options)
{
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *setting = &settings[i];
		json_t *value = json_object_get(options, setting->key);

		if (value != NULL && setting->name != NULL &&
		    json_set(setting->of_host ? host : body, setting->name,
			value_of(setting, value)) < 0)
			return -1;
	}
	return 0;
}

/* --- for people */

static int add_words(const struct setting *setting, const char *text, struct strv *words)
{
	return strv_add(words, setting->option) < 0 ? -1 : strv_add(words, text);
}

static int list_words(const struct setting *setting, const json_t *list, struct strv *words)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (add_words(setting, json_string_value(item), words) < 0)
			return -1;
	}
	return 0;
}

static int pair_words(const struct setting *setting, const json_t *object, struct strv *words)
{
	CLEANUP_STRV struct strv list = {0};
	json_t *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (strv_addf(&list, "%s=%s", key, json_string_value(value)) < 0)
			return -1;
	}
	strv_sort(&list);
	for (size_t i = 0; i < list.n; i++)
		if (add_words(setting, list.v[i], words) < 0)
			return -1;
	return 0;
}

/* "1.5" of 1500000000 */
static int cpus_words(const struct setting *setting, json_int_t nano, struct strv *words)
{
	enum { BILLION = 1000000000 };
	char text[32];
	size_t len;

	snprintf(text, sizeof(text), "%lld.%09lld", (long long)(nano / BILLION),
	    (long long)(nano % BILLION));
	len = strlen(text);
	while (text[len - 1] == '0')
		text[--len] = '\0';
	if (text[len - 1] == '.')
		text[--len] = '\0';
	return add_words(setting, text, words);
}

static int add_field(struct buf *line, const char *key, const json_t *list, const char *one)
{
	bool many = json_array_size(list) > 1;
	json_t *item;
	size_t i;
	int rc = buf_addf(line, "%s%s%s=%s", line->len > 0 ? "," : "", many ? "\"" : "", key,
	    one != NULL ? one : "");

	json_array_foreach(list, i, item)
	{
		if (rc == 0)
			rc = buf_addf(line, "%s%s", i > 0 ? "," : "", json_string_value(item));
	}
	return rc == 0 && many ? buf_addc(line, '"') : rc;
}

/* "all", or fields as of a table: driver=nvidia,"device=0,1","capabilities=gpu,utility" */
static int gpu_words(const struct setting *setting, const json_t *gpu, struct strv *words)
{
	CLEANUP_BUF struct buf line = BUF_INIT(1024 * 1024);
	const char *driver = json_str(gpu, "driver", NULL);
	json_t *ids = json_object_get(gpu, "device_ids");
	char count[24] = "all";

	if (json_int(gpu, "count", -1) >= 0)
		snprintf(count, sizeof(count), "%lld", (long long)json_int(gpu, "count", 0));
	if ((driver != NULL && add_field(&line, "driver", NULL, driver) < 0) ||
	    (ids != NULL ? add_field(&line, "device", ids, NULL)
			 : add_field(&line, "count", NULL, count)) < 0 ||
	    add_field(&line, "capabilities", json_object_get(gpu, "capabilities"), NULL) < 0)
		return -1;
	return add_words(setting, line.data, words);
}

static int gpus_words(const struct setting *setting, const json_t *list, struct strv *words)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (gpu_words(setting, item, words) < 0)
			return -1;
	}
	return 0;
}

int setting_words(const struct setting *setting, const json_t *value, struct strv *words)
{
	if (setting->option == NULL)
		return 0;
	switch (setting->form) {
	case SETTING_FLAG:
		return json_is_true(value) ? strv_add(words, setting->option)
					   : strv_addf(words, "%s=false", setting->option);
	case SETTING_NUMBER:
		return strv_add(words, setting->option) < 0
			   ? -1
			   : strv_addf(words, "%lld", (long long)json_integer_value(value));
	case SETTING_CPUS:
		return cpus_words(setting, json_integer_value(value), words);
	case SETTING_TEXT:
		return add_words(setting, json_string_value(value), words);
	case SETTING_PAIRS:
		return pair_words(setting, value, words);
	case SETTING_GPUS:
		return gpus_words(setting, value, words);
	case SETTING_LIST:
	case SETTING_TMPFS:
	case SETTING_LIMITS:
	case SETTING_RATES:
		break;
	}
	return list_words(setting, value, words);
}
