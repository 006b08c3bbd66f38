/* What an engine answers becomes facts, however odd it is. */
#include "deploy/facts.h"
#include "tests/unit/deploy_check.h"
#include "tests/unit/deploy_ledger.h"
#include "tests/unit/engine_fake.h"
#include "transport/engine.h"

#define OK	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
#define VERSION OK "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}"
#define LABELS(release)                                                                            \
	"{\"dev.shipit.prefix\":\"shop.prod\",\"dev.shipit.service\":\"web\","                     \
	"\"dev.shipit.release\":\"" release "\",\"dev.shipit.restart\":\"on-failure:3\"}"
#define RELEASE_A "20261122-175432-000000a"

/* The containers that an engine lists, then what it says of each that is asked for. */
static int refreshed(
    const char *list, const char *const *inspects, struct facts *facts, struct error *err)
{
	struct fake_reply replies[8] = {{VERSION, FAKE_CLOSE}, {list, FAKE_CLOSE}};
	struct engine *engine = NULL;
	struct fake fake;
	size_t n = 2;
	int rc;

	for (; *inspects != NULL; inspects++)
		replies[n++] = (struct fake_reply){*inspects, FAKE_CLOSE};
	fake_start(&fake, replies, n, 0);
	assert_int_equal(engine_open(fake.address, "the engine", -1, &engine, NULL), 0);
	rc = facts_refresh(engine, "shop.prod", facts, err);
	engine_close(engine);
	fake_stop(&fake);
	assert_int_equal(fake.answered, n);
	fake_release(&fake);
	return rc;
}

static void containers_are_ours_or_foreign(void **state UNUSED)
{
	static const char list[] =
	    OK "["
	       "{\"Id\":\"aa\",\"Names\":[\"/shop.prod.web\"],\"Labels\":" LABELS(
		   RELEASE_A) ",\"Ports\":["
			      "{\"IP\":\"0.0.0.0\",\"PublicPort\":8080,\"PrivatePort\":80,\"Type\":"
			      "\"tcp\"},"
			      "{\"IP\":\"::\",\"PublicPort\":8080,\"PrivatePort\":80,\"Type\":"
			      "\"tcp\"},"
			      "{\"PrivatePort\":90,\"Type\":\"tcp\"}]},"
			      "{\"Id\":\"bb\",\"Names\":[\"/db\"],\"Labels\":{},\"Ports\":["
			      "{\"IP\":\"10.0.0.1\",\"PublicPort\":53,\"Type\":\"udp\"}]},"
			      "{\"Id\":\"cc\",\"Names\":[\"/shop.prod.shipit\"],"
			      "\"Labels\":{\"dev.shipit.prefix\":\"shop.prod\"}},"
			      "{\"Id\":\"dd\",\"Names\":[\"/"
			      "other.prod.web\"],\"Labels\":{\"dev.shipit.prefix\":"
			      "\"other.prod\",\"dev.shipit.service\":\"web\",\"dev.shipit."
			      "release\":\"" RELEASE_A "\"}}]";
	static const char *const inspects[] = {OK
	    "{\"Id\":\"aa11\",\"Name\":\"/shop.prod.web\",\"State\":{\"Running\":true,\"Status\":"
	    "\"running\",\"ExitCode\":0,\"StartedAt\":\"2026-11-22T17:54:32.123456789Z\","
	    "\"Health\":{\"Status\":\"healthy\"}},\"Config\":{\"StopTimeout\":7,"
	    "\"Labels\":" LABELS(RELEASE_A) "},\"HostConfig\":{\"RestartPolicy\":{\"Name\":"
					    "\"on-failure\",\"MaximumRetryCount\":3}}}",
	    NULL};
	static const char *const foreign[] = {"db", "shop.prod.shipit", "other.prod.web"};
	struct facts facts = {0};
	const struct container *c;

	assert_int_equal(refreshed(list, inspects, &facts, NULL), 0);
	assert_int_equal(facts.n_containers, 1);
	c = &facts.containers[0];
	assert_string_equal(c->id, "aa11");
	assert_string_equal(c->name, "shop.prod.web");
	assert_string_equal(c->service, "web");
	assert_string_equal(c->release, RELEASE_A);
	assert_string_equal(c->policy, "on-failure:3");
	assert_string_equal(c->restart, "on-failure:3");
	assert_string_equal(c->health, "healthy");
	assert_true(c->running);
	assert_int_equal(c->started_at, 1795370072);
	assert_int_equal(c->stop_grace_s, 7);
	assert_string_equal(c->image, "");
	assert_null(c->source);
	assert_int_equal(facts.foreign.n, ARRAY_SIZE(foreign));
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		assert_string_equal(facts.foreign.v[i], foreign[i]);
	assert_int_equal(facts.n_ports, 3);
	assert_string_equal(facts.ports[0].ip, ""); /* all addresses, v4 and v6 */
	assert_string_equal(facts.ports[1].ip, "");
	assert_string_equal(facts.ports[0].holder, "shop.prod.web");
	assert_string_equal(facts.ports[2].ip, "10.0.0.1");
	assert_string_equal(facts.ports[2].protocol, "udp");
	assert_ptr_equal(facts_container(&facts, "web", RELEASE_A), c);
	assert_null(facts_container(&facts, "api", RELEASE_A));
	facts_release(&facts);
	facts_release(&facts);
}

/* Run by hand under our names: the service's is nobody else's, a release's may be chance. */
static void a_name_without_labels(void **state UNUSED)
{
	static const char list[] =
	    OK "[{\"Id\":\"ab\",\"Names\":[\"/shop.prod.web\"],\"Labels\":{}},"
	       "{\"Id\":\"cd\",\"Names\":[\"/shop.prod.api." RELEASE_A "\"]},"
	       "{\"Id\":\"ef\",\"Names\":[\"/shop.prod.web." RELEASE_A "\"]},"
	       "{\"Id\":\"1\",\"Names\":[\"/shop.prod.shipit\"]},"
	       "{\"Id\":\"2\",\"Names\":[\"/shop.prod.web.old\"]},"
	       "{\"Id\":\"3\",\"Names\":[\"/shop.prod.web_\"]},"
	       "{\"Id\":\"4\",\"Names\":[\"/shop.prod.\"]},"
	       "{\"Id\":\"5\",\"Names\":[\"/shop.prod\"]},"
	       "{\"Id\":\"6\",\"Names\":[\"/shop.production.web\"]}]";
	static const char *const inspects[] = {OK
	    "{\"Id\":\"abcdef0123\",\"Name\":\"/shop.prod.web\",\"Image\":\"sha256:77\","
	    "\"Created\":\"2026-11-22T17:54:32.1Z\",\"State\":{\"Running\":true},"
	    "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\"}}}",
	    OK "{\"Id\":\"ef\",\"Name\":\"/shop.prod.web." RELEASE_A "\","
	       "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"no\"}}}",
	    NULL};
	const char *const lines[] = {"1 deploy committed web a - r1", NULL};
	struct facts facts = {.ledger = ledger_of(lines)};
	const struct container *c;

	assert_int_equal(refreshed(list, inspects, &facts, NULL), 0);
	assert_int_equal(facts.n_containers, 2);
	assert_int_equal(facts.foreign.n, 7);
	c = &facts.containers[0];
	assert_true(c->by_hand);
	assert_string_equal(c->service, "web");
	assert_string_equal(c->release, "20261122-175432-8d66098");
	assert_string_equal(c->image, "sha256:77");
	assert_string_equal(c->restart, "unless-stopped");
	c = &facts.containers[1];
	assert_true(c->by_hand);
	assert_string_equal(c->release, RELEASE_A);
	assert_string_equal(c->restart, "always");
	facts_release(&facts);
}

/* Labels are written by whoever creates a container: what is no release is not ours. */
static void altered_labels_are_a_strangers(void **state UNUSED)
{
	static const char list[] =
	    OK "["
	       "{\"Id\":\"a\",\"Names\":[\"/x\"],\"Labels\":" LABELS(
		   "x\\nend") "},"
			      "{\"Id\":\"b\",\"Names\":[\"/"
			      "y\"],\"Labels\":{\"dev.shipit.prefix\":\"shop.prod\","
			      "\"dev.shipit.service\":\"../x\",\"dev.shipit.release\":\"" RELEASE_A
			      "\"}},"
			      "{\"Id\":\"c\",\"Names\":[\"/"
			      "z\"],\"Labels\":{\"dev.shipit.prefix\":\"shop.prod\","
			      "\"dev.shipit.service\":\"web\"}},"
			      "{\"Id\":\"d\",\"Names\":[\"/shop.prod.web\"],\"Labels\":" LABELS(
				  RELEASE_A) "}]";
	static const char *const inspects[] = {OK
	    "{\"Id\":\"d\",\"Name\":\"/"
	    "shop.prod.web\",\"Config\":{\"Labels\":{\"dev.shipit.service\":"
	    "\"web\",\"dev.shipit.release\":\"" RELEASE_A
	    "\",\"dev.shipit.restart\":\"no\\nend\"}},"
	    "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\"}}}",
	    NULL};
	struct facts facts = {0};

	assert_int_equal(refreshed(list, inspects, &facts, NULL), 0);
	assert_int_equal(facts.foreign.n, 3);
	assert_int_equal(facts.n_containers, 1);
	assert_string_equal(facts.containers[0].restart, "unless-stopped");
	facts_release(&facts);
}

static void odd_answers_are_no_crash(void **state UNUSED)
{
	static const char *const lists[] = {OK "[]", OK "{}", OK "null", OK "[null,7,\"x\",[],{}]",
	    OK "[{\"Names\":null,\"Labels\":null,\"Ports\":null}]",
	    OK "[{\"Names\":[],\"Labels\":[],\"Ports\":[null,7,{\"PublicPort\":\"80\"},"
	       "{\"PublicPort\":80,\"IP\":7,\"Type\":\"a-long-protocol\"}]}]",
	    OK "[{\"Names\":[7],\"Labels\":{\"dev.shipit.prefix\":7}}]"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct facts facts = {0};

		refreshed(lists[i], (const char *const[]){NULL}, &facts, NULL);
		assert_int_equal(facts.n_containers, 0);
		facts_release(&facts);
	}
}

/* It is listed, and gone before it is asked for. */
static void what_goes_away_meanwhile_is_left_out(void **state UNUSED)
{
	static const char list[] =
	    OK "[{\"Id\":\"a\",\"Names\":[\"/shop.prod.web\"],\"Labels\":" LABELS(RELEASE_A) "}]";
	struct facts facts = {0};
	struct error err = {0};

	assert_int_equal(refreshed(list,
			     (const char *const[]){"HTTP/1.1 404 Not Found\r\nConnection: close\r\n"
						   "Content-Type: application/json\r\n\r\n"
						   "{\"message\":\"No such container: a\"}",
				 NULL},
			     &facts, &err),
	    0);
	assert_int_equal(facts.n_containers, 0);
	assert_int_equal(err.kind, ERROR_NONE);
	facts_release(&facts);
	assert_int_equal(refreshed(list,
			     (const char *const[]){"HTTP/1.1 500 Oops\r\nConnection: close\r\n"
						   "Content-Type: application/json\r\n\r\n"
						   "{\"message\":\"disk\"}",
				 NULL},
			     &facts, &err),
	    -1);
	facts_release(&facts);
	assert_error(&err, ERROR_FAILED, "disk");
}

static void times_are_utc_whatever_the_engine_says(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t want;
	} cases[] = {{"2026-11-22T17:54:32Z", 1795370072}, {"2026-11-22T17:54:32.5Z", 1795370072},
	    {"2026-11-22T18:54:32.5+01:00", 1795370072}, {"2026-11-22T12:24:32-05:30", 1795370072},
	    {"0001-01-01T00:00:00Z", 0}, {"", 0}, {"yesterday, about noon-ish", 0}};
	static const char list[] =
	    OK "[{\"Id\":\"a\",\"Names\":[\"/shop.prod.web\"],\"Labels\":" LABELS(RELEASE_A) "}]";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *inspect = string_printf(OK
		    "{\"Id\":\"a\",\"Name\":\"x\",\"State\":{\"StartedAt\":\"%s\"}}",
		    cases[i].text);
		struct facts facts = {0};

		assert_int_equal(
		    refreshed(list, (const char *const[]){inspect, NULL}, &facts, NULL), 0);
		assert_int_equal(facts.containers[0].started_at, cases[i].want);
		facts_release(&facts);
	}
}

static void images_are_found_by_their_tag(void **state UNUSED)
{
	const struct facts facts = {
	    .images = STRV("a:1", "a:2"), .image_ids = STRV("sha256:1", "sha256:2")};

	assert_string_equal(facts_image_id(&facts, "a:2"), "sha256:2");
	assert_null(facts_image_id(&facts, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(containers_are_ours_or_foreign),
	    cmocka_unit_test(a_name_without_labels),
	    cmocka_unit_test(altered_labels_are_a_strangers),
	    cmocka_unit_test(odd_answers_are_no_crash),
	    cmocka_unit_test(what_goes_away_meanwhile_is_left_out),
	    cmocka_unit_test(times_are_utc_whatever_the_engine_says),
	    cmocka_unit_test(images_are_found_by_their_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
