/* Where a question of `ready:` goes. Whether it is answered well is asked of real containers
 * (tests/e2e/deploy/ready.sh). */
#include "deploy/probe.h"

#include "tests/unit/deploy_check.h"

#define NETWORK(ip, ip6) "{\"IPAddress\": \"" ip "\", \"GlobalIPv6Address\": \"" ip6 "\"}"
#define PORTS(ports)                                                                               \
	"{\"NetworkSettings\": {\"Ports\": {" ports                                                \
	"}, \"Networks\": {\"a\": " NETWORK("172.18.0.2", "") "}}}"
#define NETWORKS(text) "{\"NetworkSettings\": {\"Ports\": {}, \"Networks\": {" text "}}}"

static void where_it_goes(void **state UNUSED)
{
	static const struct {
		const char *inspect;
		const char *host;
		int port;
		const char *want; /* NULL: nowhere */
	} cases[] = {
	    {PORTS("\"80/tcp\": [{\"HostIp\": \"0.0.0.0\", \"HostPort\": \"8080\"}]"), NULL, 8080,
		"127.0.0.1:8080"},
	    {PORTS("\"80/tcp\": [{\"HostIp\": \"\", \"HostPort\": \"8080\"}]"), NULL, 8080,
		"127.0.0.1:8080"},
	    {PORTS("\"80/tcp\": [{\"HostIp\": \"::\", \"HostPort\": \"8080\"}]"), NULL, 8080,
		"[::1]:8080"},
	    {PORTS("\"80/tcp\": [{\"HostIp\": \"10.0.0.9\", \"HostPort\": \"8080\"}]"), NULL, 8080,
		"10.0.0.9:8080"},
	    /* The container's own port, published or not. */
	    {PORTS("\"80/tcp\": [{\"HostIp\": \"0.0.0.0\", \"HostPort\": \"8080\"}]"), NULL, 80,
		"172.18.0.2:80"},
	    {PORTS("\"53/udp\": [{\"HostIp\": \"0.0.0.0\", \"HostPort\": \"53\"}]"), NULL, 53,
		"172.18.0.2:53"},
	    {PORTS("\"80/tcp\": null"), NULL, 80, "172.18.0.2:80"},
	    /* A name is the host's to look up. */
	    {PORTS("\"80/tcp\": null"), "db", 5432, "db:5432"},
	    {PORTS("\"80/tcp\": null"), "fe80::1", 80, "[fe80::1]:80"},
	    {NETWORKS("\"a\": " NETWORK("", "fd00::2")), NULL, 80, "[fd00::2]:80"},
	    {NETWORKS("\"a\": " NETWORK("", "") ", \"b\": " NETWORK("172.19.0.2", "")), NULL, 80,
		"172.19.0.2:80"},
	    {NETWORKS("\"host\": " NETWORK("", "")), NULL, 80, "127.0.0.1:80"},
	    {NETWORKS("\"none\": " NETWORK("", "")), NULL, 80, NULL},
	    {NETWORKS(""), NULL, 80, NULL},
	    {"{}", NULL, 80, NULL},
	    {"{\"NetworkSettings\": {\"Ports\": {\"80/tcp\": [7, {\"HostPort\": 80}]}, "
	     "\"Networks\": [1]}}",
		NULL, 80, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_JSON json_t *inspect = json_loads(cases[i].inspect, 0, NULL);
		CLEANUP_FREE char *address = NULL;
		CLEANUP_ERROR struct error err = {0};
		const struct probe probe = {
		    .host = (char *)(uintptr_t)cases[i].host, .port = cases[i].port};
		int rc = probe_address(&probe, inspect, &address, &err);

		assert_non_null(inspect);
		assert_int_equal(rc, cases[i].want != NULL ? 0 : -1);
		if (cases[i].want != NULL)
			assert_string_equal(address, cases[i].want);
		else
			assert_contains(error_text(&err), "no address");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(where_it_goes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
