/* What the tests of deploy/ have in common: lists written in one line, and golden files. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_CHECK_H
#define SHIPIT_TESTS_UNIT_DEPLOY_CHECK_H

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit/base_check.h"

/* A struct strv and a struct pairs of literals, for initializers. */
#define STRV(...)                                                                                  \
	{                                                                                          \
		.v = (char *[]){__VA_ARGS__, NULL},                                                \
		.n = sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)                              \
	}
#define PAIRS(...)                                                                                 \
	{                                                                                          \
		.v = (struct pair[]){__VA_ARGS__},                                                 \
		.n = sizeof((struct pair[]){__VA_ARGS__}) / sizeof(struct pair)                    \
	}

static inline json_t *json_of(const char *text)
{
	struct error err = {0};
	json_t *json = NULL;

	if (json_parse(text, strlen(text), text, &json, &err) < 0)
		fail_msg("%s", error_text(&err));
	return json;
}

/* Compare with tests/unit/golden/deploy/NAME. GOLDEN_UPDATE=1 writes what is, to be read by
 * somebody before it is committed. */
static inline void golden(const char *name, const char *text)
{
	char path[256];
	struct buf want = BUF_INIT(1 << 20);
	char chunk[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "tests/unit/golden/deploy/%s", name);
	if (getenv("GOLDEN_UPDATE") != NULL) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot read %s: run the tests at the top of the repository", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&want, chunk, n);
	fclose(file);
	assert_string_equal(text, want.data);
	buf_release(&want);
}

/* Run options with each member that the engine takes as it is (deploy/settings.c). */
#define EVERY_SETTING                                                                              \
	"{\"annotations\":{\"com.example.note\":\"1\"},\"blkio_weight\":300,"                      \
	"\"blkio_weight_device\":[\"/dev/sda:400\"],\"cap_add\":[\"NET_ADMIN\"],"                  \
	"\"cap_drop\":[\"ALL\"],\"cgroup\":\"private\",\"cgroup_parent\":\"/shop\","               \
	"\"cpu_period\":50000,\"cpu_quota\":25000,\"cpu_rt_period\":1400,"                         \
	"\"cpu_rt_runtime\":400000,\"cpu_shares\":512,\"cpus\":1500000000,"                        \
	"\"cpuset\":\"0-2\",\"device_cgroup_rules\":[\"c 1:3 mr\"],"                               \
	"\"device_read_bps\":[\"/dev/sda:1024\",\"/dev/odd:x:7\"],"                                \
	"\"device_read_iops\":[\"/dev/sda:1\"],\"device_write_bps\":[\"/dev/sda:2\"],"             \
	"\"device_write_iops\":[\"/dev/sda:3\"],\"dns\":[\"10.0.0.2\"],"                           \
	"\"dns_opt\":[\"ndots:2\"],"                                                               \
	"\"dns_search\":[\"a.example.com\"],\"domainname\":\"example.com\","                       \
	"\"expose\":[\"3000/tcp\",\"53/udp\"],"                                                    \
	"\"extra_hosts\":[\"db:10.0.0.9\"],\"gpus\":[{\"capabilities\":[\"gpu\"],\"count\":-1},"   \
	"{\"capabilities\":[\"gpu\",\"utility\"],\"device_ids\":[\"0\",\"1\"],"                    \
	"\"driver\":\"nvidia\",\"options\":{\"a\":\"b\"}},"                                        \
	"{\"capabilities\":[\"gpu\"],\"count\":2}],"                                               \
	"\"group_add\":[\"video\"],\"hostname\":\"shop\","                                         \
	"\"init\":false,\"ipc\":\"host\",\"logging\":{\"driver\":\"local\",\"options\":"           \
	"{\"max-size\":\"50m\"}},\"mac_address\":\"02:42:ac:11:00:02\","                           \
	"\"mem_limit\":1024,\"mem_reservation\":512,"                                              \
	"\"mem_swappiness\":0,\"memswap_limit\":-1,\"oom_kill_disable\":true,"                     \
	"\"oom_score_adj\":-500,\"pid\":\"host\",\"pids_limit\":200,\"privileged\":true,"          \
	"\"read_only\":true,\"runtime\":\"runc\",\"security_opt\":[\"no-new-privileges:true\"],"   \
	"\"shm_size\":4096,\"stdin_open\":true,\"stop_signal\":\"SIGQUIT\","                       \
	"\"storage_opt\":{\"size\":\"10G\"},\"sysctls\":{\"net.core.somaxconn\":\"1024\"},"        \
	"\"tmpfs\":[\"/run\",\"/tmp:size=64m\"],\"tty\":true,"                                     \
	"\"ulimits\":[\"core=-1:-1\",\"nofile=1024:65536\"],\"userns_mode\":\"host\","             \
	"\"uts\":\"host\",\"working_dir\":\"/srv\"}"

#endif
