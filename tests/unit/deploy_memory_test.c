/* Every allocation fails in turn, alone and with all that come after it: that is an error like any
 * other, which says so; nothing crashes, nothing leaks, nothing is decided differently. Here what
 * is planned and written. */
#include "tests/unit/deploy_memory.h"

#include "base/json.h"
#include "deploy/container.h"
#include "deploy/resources.h"
#include "deploy/undo.h"
#include "tests/unit/deploy_scene.h"
#include "transport/tar.h"

/* --- options and containers */

static struct volume mounts[] = {
    {.kind = VOLUME_NAMED, .source = (char[]){"data"}, .target = (char[]){"/d"}},
    {.kind = VOLUME_BIND, .source = (char[]){"/etc"}, .target = (char[]){"/e"}},
    {.kind = VOLUME_ANONYMOUS, .target = (char[]){"/x"}},
};
static struct volume deep[] = {
    {.kind = VOLUME_NAMED, .source = (char[]){"data"}, .target = (char[]){"/d"}},
    {.kind = VOLUME_TMPFS, .target = (char[]){"/t"}},
};
static struct resource resources[] = {
    {.key = (char[]){"data"}, .name = (char[]){"made"}},
    {.key = (char[]){"front"}},
};
static struct service inner = {
    .name = (char[]){"web"},
    .restart = (char[]){"no"},
    .stop_grace_ms = 10000,
    .networks = STRV("front"),
    .volumes = deep,
    .n_volumes = ARRAY_SIZE(deep),
};
static struct port ports[] = {
    {.host_port = 80, .container_port = 80, .protocol = "tcp"},
    {.host_ip = (char[]){"::1"}, .container_port = 53, .protocol = "udp"},
};
static struct service everything = {
    .name = (char[]){"web"},
    .restart = (char[]){"no"},
    .user = (char[]){"1000"},
    .has_command = true,
    .command = STRV("serve", "x y"),
    .has_entrypoint = true,
    .entrypoint = STRV("/bin/sh", "-c"),
    .environment = PAIRS({"A", "1", false}, {"B", "2", false}, {"P", "pass", true}),
    .secrets =
	&(struct secret_file){
	    .secret = (char[]){"pass"}, .target = (char[]){"/run/secrets/x"}, .mode = 0440},
    .n_secrets = 1,
    .labels = PAIRS({"l", "1", false}),
    .networks = STRV("front", "default"),
    .devices = STRV("/dev/a", "/dev/b:/dev/c:r"),
    .healthcheck = {.set = true, .test = STRV("CMD", "/bin/check"), .interval_ms = 1, .retries = 2},
    .ports = ports,
    .n_ports = ARRAY_SIZE(ports),
    .volumes = mounts,
    .n_volumes = ARRAY_SIZE(mounts),
};
static const struct identity shop = {.project = "shop",
    .environment = "prod",
    .prefix = "shop.prod",
    .service = "web",
    .release = "20261122-175432-9f3c2a1",
    .rollout = "20261122-175432-r04be2c",
    .image = "sha256:x",
    .config = "1:x",
    .by = "ann@laptop",
    .at = "2026-11-22T17:54:32Z",
    .source = "4f9e2d1"};

static int make_options(void *context, struct error *err)
{
	struct environment env = {.name = (char *)(uintptr_t) "prod"};
	struct host host = {.name = (char *)(uintptr_t) "web1"};
	struct inventory inventory = {.project = (char *)(uintptr_t) "shop",
	    .networks = resources,
	    .n_networks = ARRAY_SIZE(resources),
	    .volumes = resources,
	    .n_volumes = ARRAY_SIZE(resources)};
	char hash[CONFIG_HASH_SIZE];
	CLEANUP_JSON json_t *options = NULL;

	if (options_make(&inventory, &env, context, &host, &options, err) < 0 ||
	    options_hash(options, "sha256:x", hash, err) < 0)
		return -1;
	say(hash);
	return 0;
}

static struct secret pass = {.name = (char[]){"pass"}, .variable = (char[]){"SHIPIT_TEST_PASS"}};
static struct secrets *known;

static int have_secret(void *context UNUSED, struct error *err)
{
	const struct inventory inventory = {.secrets = &pass, .n_secrets = 1};
	struct secrets *secrets = NULL;
	CLEANUP_JSON json_t *options = NULL;
	struct secret_value value;
	int rc = secrets_new(&inventory, -1, &secrets, err);

	if (rc == 0)
		rc = secrets_get(secrets, "pass", &value, err);
	if (rc == 0) {
		options = json_pack("{s:{s:s}}", "secret_environment", "P", "pass");
		rc = options == NULL ? error_memory(err)
				     : secrets_seal(secrets, "key", options, NULL, err);
	}
	secrets_free(secrets);
	return rc;
}

static int make_body(void *context, struct error *err)
{
	CLEANUP_JSON json_t *body = NULL;
	CLEANUP_STRV struct strv networks = {0};
	CLEANUP_FREE char *text = NULL;

	if (container_body(&shop, context, "sha256:id", known, &body, err) < 0 ||
	    container_networks(&shop, context, &networks, err) < 0)
		return -1;
	text = json_canonical(body);
	if (text == NULL)
		return error_memory(err);
	say(text);
	say(networks.v[0]);
	return 0;
}

static int make_line(void *context, struct error *err)
{
	CLEANUP_FREE char *line = container_run_line(&shop, context, "image:tag");

	if (line == NULL)
		return error_memory(err);
	say(line);
	return 0;
}

static int make_labels(void *context UNUSED, struct error *err)
{
	CLEANUP_JSON json_t *labels = container_owner_labels("shop", "prod", "shop.prod");
	CLEANUP_JSON json_t *endpoint = container_endpoint(&shop, NULL, "x");

	return labels != NULL && endpoint != NULL ? 0 : error_memory(err);
}

#define ODD_OPTIONS                                                                                \
	"{\"expose\":[\"9/tcp\"],\"mounts\":[{\"type\":\"volume\",\"source\":\"d\",\"target\":\"/" \
	"d\","                                                                                     \
	"\"subpath\":\"a\"},{\"type\":\"tmpfs\",\"target\":\"/"                                    \
	"t\",\"size\":7}],\"networks\":[\"a\","                                                    \
	"\"b\"],\"network_options\":{\"b\":{\"priority\":7,\"aliases\":[\"www\"],"                 \
	"\"ipv4_address\":\"10.0.0.9\",\"driver_opts\":{\"a\":\"b,c\"}}}}"
#define DEFINITION                                                                                 \
	"{\"driver\":\"bridge\",\"driver_opts\":{\"a\":\"b\"},\"internal\":true,"                  \
	"\"labels\":{\"c\":\"d\"},\"ipam\":{\"driver\":\"x\",\"config\":["                         \
	"{\"subnet\":\"10.0.0.0/24\",\"aux_addresses\":{\"e\":\"10.0.0.7\"}}]}}"
#define THERE                                                                                      \
	"{\"Driver\":\"other\",\"Options\":{\"a\":\"other\"},\"Labels\":{},"                       \
	"\"IPAM\":{\"Driver\":\"y\",\"Config\":[{\"Subnet\":\"10.0.0.0/24\"}]}}"

struct made {
	json_t *definition, *there;
};

static int make_network(void *context, struct error *err)
{
	const struct made *made = context;
	CLEANUP_JSON json_t *body = resource_body(RESOURCE_NETWORK, made->definition);
	CLEANUP_JSON json_t *labels = resource_labels(made->definition, made->there);
	CLEANUP_STRV struct strv differences = {0}, marks = {0};
	CLEANUP_FREE char *text = body != NULL ? json_canonical(body) : NULL;

	if (text == NULL || labels == NULL ||
	    resource_differences(
		RESOURCE_NETWORK, made->definition, made->there, &differences, &marks) < 0)
		return error_memory(err);
	say(text);
	for (size_t i = 0; i < differences.n; i++)
		say(differences.v[i]);
	return 0;
}

static int make_names(void *context UNUSED, struct error *err)
{
	char *const names[] = {name_container("p", "s"), name_retained("p", "s", "r"),
	    name_image("p", "s"), name_image_tag("p", "s", "t"), name_default_network("p"),
	    name_ledger("p")};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		rc = names[i] == NULL ? -1 : rc;
		say(names[i]);
		free(names[i]);
	}
	return rc < 0 ? error_memory(err) : 0;
}

static void options_and_containers(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = NULL;
	struct environment env = {.name = (char *)(uintptr_t) "prod"};
	struct host host = {.name = (char *)(uintptr_t) "web1"};
	struct inventory inventory = {.project = (char *)(uintptr_t) "shop"};

	struct secret_value value;

	setenv("SHIPIT_TEST_PASS", "hush", 1);
	inventory.secrets = &pass;
	inventory.n_secrets = 1;
	assert_int_equal(secrets_new(&inventory, -1, &known, NULL), 0);
	assert_int_equal(secrets_get(known, "pass", &value, NULL), 0);
	assert_int_equal(options_make(&inventory, &env, &everything, &host, &options, NULL), 0);
	starve("secrets", have_secret, NULL);
	starve("options", make_options, &everything);
	starve("body", make_body, options);
	starve("run line", make_line, options);
	json_t *all = json_of(EVERY_SETTING), *odd = json_of(ODD_OPTIONS);
	starve("body of every setting", make_body, all);
	starve("run line of every setting", make_line, all);
	starve("body of mounts and networks", make_body, odd);
	starve("run line of mounts and networks", make_line, odd);
	json_decref(all);
	json_decref(odd);
	starve("labels", make_labels, NULL);
	deep[0].mount = json_of("{\"subpath\":\"a\"}");
	deep[1].mount = json_of("{\"size\":1}");
	inner.network_options = json_of("{\"front\":{\"aliases\":[\"www\"]}}");
	resources[1].settings = json_of(DEFINITION);
	starve("options of mounts and networks", make_options, &inner);
	struct made made = {json_of(DEFINITION), json_of(THERE)};
	starve("a network", make_network, &made);
	json_decref(made.definition);
	json_decref(made.there);
	json_decref(deep[0].mount);
	json_decref(deep[1].mount);
	json_decref(inner.network_options);
	json_decref(resources[1].settings);
	starve("names", make_names, NULL);
	secrets_free(known);
}

/* --- the ledger */

static int go_round(void *context, struct error *err)
{
	CLEANUP_JSON json_t *json = ledger_entry_json(context);
	struct ledger_entry copy;

	if (json == NULL || ledger_entry_copy(&copy, context) < 0)
		return error_memory(err);
	ledger_entry_release(&copy);
	if (ledger_entry_parse(json, &copy, err) < 0)
		return -1;
	say(copy.by);
	say(copy.image);
	say(json_str(copy.options, "user", NULL));
	ledger_entry_release(&copy);
	return 0;
}

static int parse_line(void *context, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	CLEANUP_FREE char *text = NULL;

	if (json_parse(context, strlen(context), "it", &json, err) < 0)
		return -1;
	text = json_canonical(json);
	if (text == NULL)
		return error_memory(err);
	say(text);
	return 0;
}

static void the_ledger(void **state UNUSED)
{
	static char line[] =
	    "{\"a\":[1,2.5,true,null,{\"b\":\"a string of some length\"}],\"c\":{}}";
	struct ledger ledger =
	    ledger_of((const char *const[]){"1 deploy committed web b a r1", NULL});

	free(ledger.v[0].by);
	ledger.v[0].by = strdup("J\xfcrgen"); /* is cleaned on its way */
	starve("entry", go_round, &ledger.v[0]);
	starve("json", parse_line, line);
	ledger_release(&ledger);
}

/* A line that there is no memory for is not one that is not there. */
static int read_archive(void *context, struct error *err)
{
	const struct buf *tar = context;
	struct ledger ledger = {0};
	int rc;

	memory_ours_only = true;
	rc = ledger_parse_tar(tar->data, tar->len, &ledger, err);
	memory_ours_only = false;
	for (size_t i = 0; i < ledger.n; i++)
		say(ledger.v[i].release);
	ledger_release(&ledger);
	return rc;
}

static void an_archive_is_read_whole_or_not_at_all(void **state UNUSED)
{
	static const char text[] =
	    "{\"v\":1,\"seq\":%d,\"kind\":\"deploy\",\"result\":\"committed\","
	    "\"service\":\"web\",\"release\":\"r%d\",\"options\":{\"a\":1}}\n";
	struct buf tar = BUF_INIT(1 << 20);
	char lines[3][200], names[3][32];
	struct tar_entry files[3];

	for (int i = 0; i < 3; i++) {
		snprintf(names[i], sizeof(names[i]), "ledger/%06d.json", i + 1);
		snprintf(lines[i], sizeof(lines[i]), text, i + 1, i + 1);
		files[i] =
		    (struct tar_entry){.name = names[i], .data = lines[i], .len = strlen(lines[i])};
	}
	assert_int_equal(tar_make(files, 3, &tar, NULL), 0);
	starve("archive", read_archive, &tar);
	buf_release(&tar);
}

/* --- found, plans, undo */

static int find(void *context, struct error *err)
{
	struct scene *scene = context;
	struct found found;

	if (found_make(&scene->facts, BOX_PREFIX, BOX_SERVICE, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.n_repairs; i++)
		say(found.repairs[i].value);
	for (size_t i = 0; i < found.words.n; i++)
		say(found.words.v[i]);
	found_release(&found);
	return 0;
}

static struct image_variant web_variants[] = {{.os = (char[]){"linux"},
    .arch = (char[]){"amd64"},
    .config = (char[]){"sha256:b"},
    .size = 1000}};
static struct image_variant api_variants[] = {{.os = (char[]){"linux"},
    .arch = (char[]){"amd64"},
    .config = (char[]){"sha256:d"},
    .size = 1000}};
static struct image images[SCENE_SERVICES] = {
    {.variants = web_variants, .n = 1}, {.variants = api_variants, .n = 1}};
static char releases[SCENE_SERVICES][RELEASE_SIZE] = {
    "20261122-180000-bbbbbbb", "20261122-180000-ddddddd"};

static int look_and_say(struct scene *scene, const struct plan *plan, struct error *err)
{
	CLEANUP_STRV struct strv words = {0};

	if (plan_preflight(&scene->input, plan, err) < 0)
		return -1;
	if (plan_words(plan, &words, err) < 0)
		return -1;
	for (size_t i = 0; i < words.n; i++)
		say(words.v[i]);
	return 0;
}

static int deploy(void *context, struct error *err)
{
	struct scene *scene = context;
	struct plan plan;
	int rc;

	if (plan_deploy(&scene->input, images, releases, false, &plan, err) < 0)
		return -1;
	rc = look_and_say(scene, &plan, err);
	plan_release(&plan);
	return rc;
}

static int roll_back(void *context, struct error *err)
{
	struct scene *scene = context;
	struct plan plan;
	int rc;

	if (plan_rollback(&scene->input, NULL, "r2", &plan, err) < 0)
		return -1;
	rc = look_and_say(scene, &plan, err);
	plan_release(&plan);
	return rc;
}

static int undo(void *context, struct error *err)
{
	const struct scene *scene = context;
	const struct ledger *ledger = &scene->box.ledger;
	const char *service = "web";
	struct undo chosen = {0};
	int rc = undo_choose(&ledger, 1, &service, 1, NULL, &chosen, err);

	say(chosen.rollout);
	undo_release(&chosen);
	return rc;
}

static void found_and_plans(void **state UNUSED)
{
	static const struct {
		const char *name;
		const char *containers[4];
		const char *ledger[5];
	} scenes[] = {
	    {"return", {"a = exited no always", "b * running always always"},
		{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}},
	    {"interrupted",
		{"a = running no always", "b * running always always", "c = created no no"},
		{"1 deploy committed web a - r1", "2 deploy committed web b a r2",
		    "3 deploy pending web c b r3"}},
	    {"by hand", {"a odd running unless-stopped always", "b * exited always always"},
		{"1 deploy committed web b - r1"}},
	    {"again", {"b * running always always"},
		{"1 deploy committed web a - r1", "2 deploy committed web b a r2"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
		struct strv names = {0}, ids = {0};
		struct scene scene;

		scene_make(&scene, scenes[i].containers, scenes[i].ledger);
		strv_addf(&names, "localhost/shipit/shop.prod.web:%s", release_named("a"));
		strv_add(&ids, "sha256:id");
		scene.facts.images = names;
		scene.facts.image_ids = ids;
		starve(scenes[i].name, find, &scene);
		starve(scenes[i].name, deploy, &scene);
		starve(scenes[i].name, roll_back, &scene);
		starve(scenes[i].name, undo, &scene);
		strv_release(&names);
		strv_release(&ids);
		scene_release(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_and_containers),
	    cmocka_unit_test(the_ledger),
	    cmocka_unit_test(an_archive_is_read_whole_or_not_at_all),
	    cmocka_unit_test(found_and_plans),
	};

	if (!memory_can_fail()) {
		print_message("memory cannot be made to fail here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
