/* Networks and volumes: what the engine is asked to make, and how what it has differs. */
#include "base/json.h"
#include "deploy/resources.h"
#include "tests/unit/deploy_check.h"

static void bodies(void **state UNUSED)
{
	static const struct {
		enum resource_kind kind;
		const char *definition, *body;
	} given[] = {
	    {RESOURCE_NETWORK, "{}", "{}"},
	    {RESOURCE_NETWORK,
		"{\"driver\":\"bridge\",\"driver_opts\":{\"a\":\"b\"},\"internal\":true,"
		"\"attachable\":true,\"enable_ipv6\":true,\"labels\":{\"x\":\"y\"},"
		"\"ipam\":{\"driver\":\"default\",\"options\":{\"o\":\"p\"},\"config\":["
		"{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"10.0.0.1\",\"ip_range\":\"10.0.0.0/25\","
		"\"aux_addresses\":{\"h\":\"10.0.0.7\"}},{\"subnet\":\"2001:db8::/64\"}]}}",
		"{\"Attachable\":true,\"Driver\":\"bridge\",\"EnableIPv6\":true,"
		"\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"h\":\"10.0.0.7\"},"
		"\"Gateway\":\"10.0.0.1\",\"IPRange\":\"10.0.0.0/25\",\"Subnet\":\"10.0.0.0/24\"},"
		"{\"Subnet\":\"2001:db8::/64\"}],\"Driver\":\"default\",\"Options\":{\"o\":\"p\"}},"
		"\"Internal\":true,\"Options\":{\"a\":\"b\"}}"},
	    {RESOURCE_VOLUME, "{\"driver\":\"local\",\"driver_opts\":{\"type\":\"nfs\"}}",
		"{\"Driver\":\"local\",\"DriverOpts\":{\"type\":\"nfs\"}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		CLEANUP_JSON json_t *definition = json_of(given[i].definition);
		CLEANUP_JSON json_t *body = resource_body(given[i].kind, definition);
		CLEANUP_FREE char *text = json_canonical(body);

		assert_string_equal(text, given[i].body);
	}
}

/* Ours say whose it is: nobody takes them away. */
static void labels(void **state UNUSED)
{
	CLEANUP_JSON json_t *definition =
	    json_of("{\"labels\":{\"a\":\"b\",\"dev.shipit.prefix\":\"x\"}}");
	CLEANUP_JSON json_t *ours = json_of("{\"dev.shipit.prefix\":\"shop.prod\"}");
	CLEANUP_JSON json_t *all = resource_labels(definition, ours);
	CLEANUP_JSON json_t *alone = resource_labels(NULL, ours);
	CLEANUP_FREE char *text = json_canonical(all);

	assert_string_equal(text, "{\"a\":\"b\",\"dev.shipit.prefix\":\"shop.prod\"}");
	assert_true(json_equal(alone, ours));
}

static void definitions_are_found_by_kind_and_name(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = json_of("{\"definitions\":{\"networks\":{\"a.b\":{}}}}");

	assert_non_null(resource_definition(options, RESOURCE_NETWORK, "a.b"));
	assert_null(resource_definition(options, RESOURCE_VOLUME, "a.b"));
	assert_null(resource_definition(options, RESOURCE_NETWORK, "a"));
	assert_null(resource_definition(NULL, RESOURCE_NETWORK, "a"));
}

/* As a host's engine says it. */
#define THERE                                                                                      \
	"{\"Driver\":\"bridge\",\"Options\":{\"mtu\":\"1400\"},\"Internal\":false,"                \
	"\"Attachable\":true,\"EnableIPv6\":false,\"Labels\":{\"team\":\"shop\"},"                 \
	"\"IPAM\":{\"Driver\":\"default\",\"Config\":[{\"Subnet\":\"10.0.0.0/24\","                \
	"\"Gateway\":\"10.0.0.1\"}]}}"

static void differences(void **state UNUSED)
{
	static const struct {
		const char *definition, *words, *labels;
	} given[] = {
	    {"{\"attachable\":true,\"driver\":\"bridge\",\"driver_opts\":{\"mtu\":\"1400\"},"
	     "\"labels\":{\"team\":\"shop\"},\"ipam\":{\"driver\":\"default\",\"config\":"
	     "[{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"10.0.0.1\"}]}}",
		"", ""},
	    {"{\"driver\":\"macvlan\",\"attachable\":true}",
		"its driver is bridge, and the file says macvlan\n", ""},
	    {"{\"internal\":true}",
		"its internal is false, and the file says true\n"
		"its attachable is true, and the file says false\n",
		""},
	    {"{\"attachable\":true,\"driver_opts\":{\"mtu\":\"9000\",\"new\":\"1\"}}",
		"its option mtu is 1400, and the file says 9000\n"
		"its option new is not set, and the file says 1\n",
		""},
	    {"{\"attachable\":true,\"labels\":{\"team\":\"other\"}}", "",
		"its label team is shop, and the file says other\n"},
	    {"{\"attachable\":true,\"ipam\":{\"config\":[{\"subnet\":\"10.1.0.0/24\"}]}}",
		"its subnet is 10.0.0.0/24, and the file says 10.1.0.0/24\n", ""},
	    {"{\"attachable\":true,\"ipam\":{\"config\":[{\"subnet\":\"10.0.0.0/24\","
	     "\"gateway\":\"10.0.0.2\",\"ip_range\":\"10.0.0.0/25\","
	     "\"aux_addresses\":{\"h\":\"10.0.0.7\"}}]}}",
		"its gateway is 10.0.0.1, and the file says 10.0.0.2\n"
		"its ip_range is not set, and the file says 10.0.0.0/25\n"
		"its auxiliary address h is not set, and the file says 10.0.0.7\n",
		""},
	};
	CLEANUP_JSON json_t *there = json_of(THERE);

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		CLEANUP_JSON json_t *definition = json_of(given[i].definition);
		CLEANUP_STRV struct strv words = {0}, marks = {0};
		CLEANUP_BUF struct buf text = BUF_INIT(4096), label_text = BUF_INIT(4096);

		assert_int_equal(
		    resource_differences(RESOURCE_NETWORK, definition, there, &words, &marks), 0);
		buf_adds(&text, "");
		buf_adds(&label_text, "");
		for (size_t k = 0; k < words.n; k++)
			buf_addf(&text, "%s\n", words.v[k]);
		for (size_t k = 0; k < marks.n; k++)
			buf_addf(&label_text, "%s\n", marks.v[k]);
		assert_string_equal(text.data, given[i].words);
		assert_string_equal(label_text.data, given[i].labels);
	}
}

static void a_volume_has_a_driver_and_options(void **state UNUSED)
{
	CLEANUP_JSON json_t *definition =
	    json_of("{\"driver\":\"local\",\"driver_opts\":{\"type\":\"nfs\"}}");
	CLEANUP_JSON json_t *there = json_of("{\"Driver\":\"local\",\"Options\":null}");
	CLEANUP_STRV struct strv words = {0}, marks = {0};

	assert_int_equal(
	    resource_differences(RESOURCE_VOLUME, definition, there, &words, &marks), 0);
	assert_int_equal(words.n, 1);
	assert_string_equal(words.v[0], "its option type is not set, and the file says nfs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies),
	    cmocka_unit_test(labels),
	    cmocka_unit_test(definitions_are_found_by_kind_and_name),
	    cmocka_unit_test(differences),
	    cmocka_unit_test(a_volume_has_a_driver_and_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
