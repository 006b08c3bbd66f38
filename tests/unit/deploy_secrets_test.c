/* Where secrets come from, what is made of them, and what must not be seen of them. */
#include "tests/unit/deploy_check.h"

#include <sys/stat.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "deploy/container.h"
#include "deploy/options.h"
#include "deploy/secrets.h"
#include "transport/tar.h"

static char dir[] = "/tmp/shipit-secrets.XXXXXX";
static char key_file[64];

/* clang-format off */
static struct secret list[] = {
    {.name = (char[]){"env"}, .kind = SECRET_ENV, .variable = (char[]){"SHIPIT_TEST_SECRET"}},
    {.name = (char[]){"standby"}, .kind = SECRET_ENV, .variable = (char[]){"SHIPIT_TEST_NONE"}, .standby = (char[]){"from .env"}},
    {.name = (char[]){"unset"}, .kind = SECRET_ENV, .variable = (char[]){"SHIPIT_TEST_NONE"}},
    {.name = (char[]){"file"}, .kind = SECRET_FILE, .file = key_file},
    {.name = (char[]){"no.file"}, .kind = SECRET_FILE, .file = (char[]){"/nowhere/key"}},
    {.name = (char[]){"folder"}, .kind = SECRET_FILE, .file = dir},
    {.name = (char[]){"endless"}, .kind = SECRET_FILE, .file = (char[]){"/dev/zero"}},
    {.name = (char[]){"program"}, .kind = SECRET_COMMAND, .command = STRV("sh", "-c", "echo \"$PWD\"; echo two; echo said >&2")},
    {.name = (char[]){"fails"}, .kind = SECRET_COMMAND, .command = STRV("sh", "-c", "echo hush; echo 'no such entry' >&2; exit 3")},
    {.name = (char[]){"nobody"}, .kind = SECRET_COMMAND, .command = STRV("shipit-no-such-program")},
    {.name = (char[]){"empty"}, .kind = SECRET_COMMAND, .command = STRV("true")},
    {.name = (char[]){"much"}, .kind = SECRET_COMMAND, .command = STRV("head", "-c", "1048577", "/dev/zero")},
    {.name = (char[]){"bytes"}, .kind = SECRET_COMMAND, .command = STRV("printf", "\\377\\376")},
    {.name = (char[]){"zero"}, .kind = SECRET_COMMAND, .command = STRV("printf", "a\\000b")},
    {.name = (char[]){"long"}, .kind = SECRET_COMMAND, .command = STRV("sh", "-c", "head -c 140000 /dev/zero | tr '\\0' x")},
    {.name = (char[]){"waits"}, .kind = SECRET_COMMAND, .command = STRV("sleep", "1000")},
    {.name = (char[]){"short"}, .kind = SECRET_COMMAND, .command = STRV("printf", "abc")},
};
/* clang-format on */

static struct inventory inventory = {.dir = dir, .secrets = list, .n_secrets = ARRAY_SIZE(list)};

static int setup(void **state)
{
	FILE *file;
	struct secrets *secrets;

	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(key_file, sizeof(key_file), "%s/key", dir);
	file = fopen(key_file, "w");
	if (file == NULL)
		return -1;
	fputs("-----BEGIN-----\nAAAA BBBB\n-----END-----\n", file);
	fclose(file);
	setenv("SHIPIT_TEST_SECRET", "it's \"quoted\"\nover lines\n", 1);
	unsetenv("SHIPIT_TEST_NONE");
	if (secrets_new(&inventory, -1, &secrets, NULL) < 0)
		return -1;
	*state = secrets;
	return 0;
}

static int teardown(void **state)
{
	secrets_free(*state);
	unlink(key_file);
	return rmdir(dir);
}

static void has(struct secrets *secrets, const char *name, const char *want)
{
	struct secret_value value;
	struct error err = {0};

	if (secrets_get(secrets, name, &value, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_int_equal(value.len, strlen(want));
	assert_memory_equal(value.data, want, value.len);
}

static void where_they_come_from(void **state)
{
	char where[128];

	has(*state, "env", "it's \"quoted\"\nover lines\n");
	has(*state, "standby", "from .env");
	has(*state, "file", "-----BEGIN-----\nAAAA BBBB\n-----END-----\n");
	snprintf(where, sizeof(where), "%s\ntwo\n", dir);
	has(*state, "program", where);
	/* Asked for once. */
	setenv("SHIPIT_TEST_SECRET", "another", 1);
	has(*state, "env", "it's \"quoted\"\nover lines\n");
}

static void why_they_cannot_be_had(void **state)
{
	static const struct {
		const char *name, *why;
	} bad[] = {
	    {"unset", "the variable SHIPIT_TEST_NONE is not set here"},
	    {"no.file", "/nowhere/key: No such file"},
	    {"folder", "Is a directory"},
	    {"endless", "longer than 1048576 bytes"},
	    {"fails", "sh exited 3: no such entry"},
	    {"nobody", "shipit-no-such-program"},
	    {"empty", "it is empty"},
	    {"much", "longer than 1048576 bytes"},
	    {"never-heard-of", "the inventory has none of that name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct secret_value value;
		struct error err = {0};

		assert_int_equal(secrets_get(*state, bad[i].name, &value, &err), -1);
		assert_non_null(strstr(error_text(&err), bad[i].name));
		assert_null(strstr(error_text(&err), "hush"));
		assert_error(&err, ERROR_INVENTORY, bad[i].why);
	}
}

static void what_cannot_be_a_variable(void **state)
{
	static const struct {
		const char *name, *why;
	} bad[] = {{"bytes", "not text in UTF-8"}, {"zero", "a zero byte"}, {"long", "too long"}};
	struct secret_value value;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		assert_int_equal(secrets_get(*state, bad[i].name, &value, NULL), 0);
		assert_int_equal(secrets_get_variable(*state, bad[i].name, &value, &err), -1);
		assert_error(&err, ERROR_INVENTORY, bad[i].why);
	}
	/* One newline at the end, and no more, is the editor's and not the value's. */
	assert_int_equal(secrets_get_variable(*state, "env", &value, NULL), 0);
	assert_int_equal(value.len, strlen("it's \"quoted\"\nover lines"));
}

static void waiting_ends(void **state UNUSED)
{
	struct cancel cancel;
	struct secrets *secrets;
	struct secret_value value;
	struct error err = {0};

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	assert_int_equal(secrets_new(&inventory, cancel.fd, &secrets, NULL), 0);
	cancel_fire(&cancel);
	assert_int_equal(secrets_get(secrets, "waits", &value, &err), -1);
	assert_error(&err, ERROR_CANCELLED, "the secret waits");
	secrets_free(secrets);
	cancel_release(&cancel);
}

/* --- in run options and containers */

static json_t *options_of(void)
{
	return json_of("{\"environment\":{\"A\":\"1\"},"
		       "\"secret_environment\":{\"Z\":\"standby\",\"B\":\"env\"},"
		       "\"secret_files\":[\"file:0444:0:0:/run/secrets/tls\","
		       "\"standby:0400:7:8:/etc/app/token\"]}");
}

static void a_seal_tells_that_it_changed(void **state)
{
	CLEANUP_JSON json_t *options = options_of(), *again = options_of();
	CLEANUP_STRV struct strv changed = {0};
	char here[CONFIG_HASH_SIZE], there[CONFIG_HASH_SIZE];
	json_t *seals;

	assert_int_equal(secrets_seal(*state, "key one", options, &changed, NULL), 0);
	assert_int_equal(changed.n, 0);
	seals = json_object_get(options, "secrets");
	assert_int_equal(json_object_size(seals), 3);
	assert_int_equal(strlen(json_str(seals, "standby", "")), 64);
	assert_int_equal(options_check(options, NULL), 0);
	assert_int_equal(options_hash(options, "sha256:x", here, NULL), 0);
	/* The same again is the same; under the key of another host it cannot be compared. */
	assert_int_equal(secrets_seal(*state, "key one", options, &changed, NULL), 0);
	assert_int_equal(changed.n, 0);
	assert_int_equal(secrets_seal(*state, "key two", again, NULL, NULL), 0);
	assert_int_equal(options_hash(again, "sha256:x", there, NULL), 0);
	assert_string_not_equal(here, there);
	json_object_set_new(json_object_get(options, "secrets"), "file", json_string("another"));
	assert_int_equal(secrets_seal(*state, "key one", options, &changed, NULL), 0);
	assert_int_equal(changed.n, 1);
	assert_string_equal(changed.v[0], "file");
}

static void no_secrets_no_seals(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = json_of("{\"environment\":{\"A\":\"1\"}}");
	CLEANUP_FREE char *text = NULL;

	assert_int_equal(secrets_seal(NULL, "key", options, NULL, NULL), 0);
	text = json_canonical(options);
	assert_string_equal(text, "{\"environment\":{\"A\":\"1\"}}");
}

static const struct identity shop = {.project = "shop",
    .environment = "prod",
    .prefix = "shop.prod",
    .service = "web",
    .release = "20261122-175432-9f3c2a1",
    .rollout = "20261122-175432-r04be2c",
    .image = "sha256:x",
    .config = "1:x",
    .by = "ann@laptop",
    .at = "2026-11-22T17:54:32Z"};

static void they_are_in_the_body_alone(void **state)
{
	CLEANUP_JSON json_t *options = options_of(), *body = NULL;
	CLEANUP_FREE char *line = NULL, *env = NULL, *kept = NULL;

	assert_int_equal(secrets_seal(*state, "key", options, NULL, NULL), 0);
	assert_int_equal(container_body(&shop, options, "id", *state, &body, NULL), 0);
	env = json_canonical(json_object_get(body, "Env"));
	assert_string_equal(
	    env, "[\"A=1\",\"B=it's \\\"quoted\\\"\\nover lines\",\"Z=from .env\"]");
	line = container_run_line(&shop, options, "image");
	assert_non_null(strstr(line, " --env A=1 --env B --env Z "));
	kept = json_canonical(options);
	assert_null(strstr(line, "quoted"));
	assert_null(strstr(kept, "quoted"));
}

struct member {
	const char *name, *data;
	unsigned int mode;
};

static int check_member(void *context, const struct tar_member *member, struct error *err UNUSED)
{
	const struct member **next = context, *want = (*next)++;

	assert_string_equal(member->name, want->name);
	assert_string_equal(member->data, want->data);
	assert_int_equal(member->mode & 07777, want->mode);
	return 0;
}

static void files_are_a_tar(void **state)
{
	static const struct member want[] = {{"run/", "", 0755}, {"run/secrets/", "", 0755},
	    {"run/secrets/tls", "-----BEGIN-----\nAAAA BBBB\n-----END-----\n", 0444},
	    {"etc/app/token", "from .env", 0400}};
	const struct member *next = want;
	CLEANUP_JSON json_t *options = options_of(), *none = json_of("{}");
	CLEANUP_BUF struct buf tar = BUF_SECRET(1 << 20);

	assert_int_equal(container_secret_files(none, *state, &tar, NULL), 0);
	assert_int_equal(tar.len, 0);
	assert_int_equal(container_secret_files(options, *state, &tar, NULL), 0);
	assert_int_equal(tar_walk(tar.data, tar.len, 4096, check_member, &next, NULL), 0);
	assert_ptr_equal(next, want + ARRAY_SIZE(want));
}

static void damaged_files_are_none(void **state)
{
	static const char *const bad[] = {"", "file", "file:0444:0:0:", "file:0444:0:0:x",
	    "file:0444:0:0:/", ":0444:0:0:/x", "file:999:0:0:/x", "file:10000:0:0:/x",
	    "file:0444:-1:0:/x", "file:0444:0:99999999999:/x", "file:0444:0:0:/x/../../y"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_JSON json_t *options = json_pack("{s:[s]}", "secret_files", bad[i]);
		CLEANUP_BUF struct buf tar = BUF_SECRET(1 << 20);
		struct error err = {0};

		assert_int_equal(container_secret_files(options, *state, &tar, &err), -1);
		assert_error(&err, ERROR_PROTOCOL, "damaged");
	}
}

/* --- in what is told */

static void nothing_told_has_them(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
	    {"connecting with from .env failed", "connecting with **** failed"},
	    {"from .envfrom .env", "********"},
	    {"a line of a key: AAAA BBBB!", "a line of a key: ****!"},
	    {"over lines and it's \"quoted\"", "**** and ****"},
	    {"abc is too short to be told from a word", "abc is too short to be told from a word"},
	    {"nothing", "nothing"},
	    {"", ""},
	};
	static const char *const names[] = {"env", "standby", "file", "short"};
	struct secret_value value;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(secrets_get(*state, names[i], &value, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *text = strdup(cases[i].text);

		secrets_mask(*state, text);
		assert_string_equal(text, cases[i].masked);
	}
	secrets_mask(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(where_they_come_from),
	    cmocka_unit_test(why_they_cannot_be_had),
	    cmocka_unit_test(what_cannot_be_a_variable),
	    cmocka_unit_test(waiting_ends),
	    cmocka_unit_test(a_seal_tells_that_it_changed),
	    cmocka_unit_test(no_secrets_no_seals),
	    cmocka_unit_test(they_are_in_the_body_alone),
	    cmocka_unit_test(files_are_a_tar),
	    cmocka_unit_test(damaged_files_are_none),
	    cmocka_unit_test(nothing_told_has_them),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
