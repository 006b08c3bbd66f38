/* Where the values of `shipit config` come from: each has an origin, and that is the right one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/origins.h"
#include "cmd/resolved.h"
#include "cmd/yaml_out.h"

static char folder[] = "/tmp/shipit-origins-XXXXXX";
static const char *const names[] = {
    "shipit.yml", "compose.yml", "hosts.yml", "program", ".env", "app.env", "odd\nname.yml"};

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_folder(void **state UNUSED)
{
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	put("app.env", "FROM_FILE=1\n");
	put(".env", "TAG=3\nHOME=no\n");
	put("compose.yml", "services:\n"
			   "  web:\n"
			   "    image: web:${TAG}\n"
			   "    ports: ['1:1']\n"
			   "    environment: {UNDER: '1', OVER: '1'}\n");
	put("shipit.yml",
	    "project: shop\n"
	    "compose: compose.yml\n"
	    "ssh: {user: ann}\n"
	    "engine: {sudo: true}\n"
	    "hosts:\n"
	    "  web[1:2]: {tags: [web], port: 23}\n"
	    "  db1: {address: 'pg@10.0.0.1', environment: {OF_HOST: '1'}}\n"
	    "services:\n"
	    "  web:\n"
	    "    build: .\n"
	    "    env_file: app.env\n"
	    "    environment: [OVER=2, 'WAY=${HOME}${NO:-x}', 'OF_ENV=1']\n"
	    "    ports: ['2:2', '${ONE-3}:3']\n"
	    "    stop_grace_period: 3s\n"
	    "    ready: {running: 1s, http: 'http://:80/'}\n"
	    "  db: {image: db, hosts: db1, before: [./make, it]}\n"
	    "environments:\n"
	    "  prod: {hosts: [db1, 'tag:web'], environment: {OF_ENV: '2', ONE: '5'},\n"
	    "    rollout: {canary: 1}}\n"
	    "  test:\n"
	    "    extends: prod\n"
	    "    name: shop.t\n"
	    "    overrides: {web: {image: x, ports: ['4:4']}}\n");
	put("hosts.yml", "hosts: {db1: {port: 5, tags: [more]}}\n");
	put("program",
	    "#!/bin/sh\necho '{\"_meta\": {\"hostvars\": {\"m1\": {\"ansible_port\": 7}}},"
	    "\"web\": {\"hosts\": [\"m1\", \"m2\"], \"vars\": {\"ansible_user\": \"bob\"}}}'\n");
	put("odd\nname.yml", "delivery: load\n");
	setenv("HOME", "/home/ann", 1);
	unsetenv("TAG");
	return chmod("program", 0755);
}

static int drop_folder(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	return chdir("/") < 0 ? -1 : rmdir(folder);
}

static json_t *all, *origins;

static int resolve(void **state UNUSED)
{
	static const char *const paths[] = {
	    "shipit.yml", "hosts.yml", "./program", "odd\nname.yml"};
	const struct inventory_from from = {
	    .paths = paths, .n = ARRAY_SIZE(paths), .cancel_fd = -1, .origins = true};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};

	if (inventory_load(&from, &inv, &problems, &err) < 0)
		fail_msg("%s: %s", error_text(&err), problems.n > 0 ? problems.v[0].text : "");
	all = resolved_project(inv);
	origins = origins_project(all, inv, "-f");
	assert_non_null(origins);
	for (size_t i = 0; i < inv->n_environments; i++) {
		const struct environment *env = &inv->environments[i];

		assert_int_equal(resolved_add_environment(all, inv, env, &err), 0);
		assert_int_equal(origins_add_environment(origins, all, inv, env), 0);
	}
	inventory_free(inv);
	return 0;
}

static int drop(void **state UNUSED)
{
	json_decref(all);
	json_decref(origins);
	all = origins = NULL;
	return 0;
}

/* ---- */

static size_t check_shape(const json_t *value, const json_t *origin, const char *path)
{
	size_t n = 1;
	const char *key;
	json_t *member;

	if (!json_is_object(value)) {
		if (!json_is_string(origin))
			fail_msg("%s has no origin", path);
		return n;
	}
	if (!json_is_object(origin) || json_object_size(origin) != json_object_size(value))
		fail_msg("%s has other members in its origin", path);
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		n += check_shape(member, json_object_get(origin, key), key);
	}
	return n;
}

static void test_shape(void **state UNUSED)
{
	assert_true(check_shape(all, origins, "all of it") > 150);
}

static void check(const char *path, const char *expected)
{
	const char *origin = json_str(origins, path, "nothing");

	if (strcmp(origin, expected) != 0)
		fail_msg("%s comes from %s, not from %s", path, origin, expected);
}

static void test_project(void **state UNUSED)
{
	check("file", "-f");
	check("project", "shipit.yml:1:10");
	check("ssh.user", "shipit.yml:3:13");
	check("ssh.transport", "default");
	check("registry", "default");
	check("delivery", "odd\\nname.yml:1:11");
}

static void test_hosts(void **state UNUSED)
{
	check("environments.prod.hosts.web2.port", "shipit.yml:6:33");
	check("environments.prod.hosts.web2.tags", "shipit.yml:6:20");
	check("environments.prod.hosts.web2.user", "shipit.yml:3:13");
	check("environments.prod.hosts.web2.delivery", "odd\\nname.yml:1:11");
	check("environments.prod.hosts.db1.address", "shipit.yml:7:18");
	check("environments.prod.hosts.db1.user", "shipit.yml:7:18");
	check("environments.prod.hosts.db1.port", "hosts.yml:1:21");
	check("environments.prod.hosts.db1.engine.sudo", "shipit.yml:4:16");
	check("environments.prod.hosts.db1.engine.command", "default");
	check("environments.prod.hosts.m1.port", "./program: _meta.hostvars.m1.ansible_port");
	check("environments.prod.hosts.m2.user", "./program: web.vars.ansible_user");
	check("environments.prod.hosts.m2.tags", "./program: web.hosts");
}

#define WEB "environments.prod.services.web."

static void test_services(void **state UNUSED)
{
	check(WEB "image", "compose.yml:3:12, $TAG from .env");
	check(WEB "build.context", "shipit.yml:10:12");
	check(WEB "hosts", "shipit.yml:18:17");
	check("environments.prod.services.db.hosts", "shipit.yml:16:26");
	check("environments.prod.services.db.before.command", "shipit.yml:16:39");
	check(WEB "ready.running_ms", "shipit.yml:15:22");
	check(WEB "ready.asks", "shipit.yml:15:32");
	check(WEB "ready.timeout_ms", "default");
	check(WEB "options_on.m1.stop_grace_ms", "shipit.yml:14:24");
	check(
	    WEB "options_on.m1.ports", "shipit.yml:13:12, compose.yml:4:13, $ONE from environment");
	check(WEB "options_on.m1.environment.FROM_FILE", "shipit.yml:11:15");
	check(WEB "options_on.m1.environment.UNDER", "compose.yml:5:26");
	check(WEB "options_on.m1.environment.OVER", "shipit.yml:12:19");
	check(WEB "options_on.m1.environment.OF_ENV", "shipit.yml:18:57");
	check(WEB "options_on.db1.environment.OF_HOST", "shipit.yml:7:56");
	check("environments.prod.rollout.canary", "shipit.yml:19:23");
	check("environments.prod.prefix", "default");
}

static void test_inherited(void **state UNUSED)
{
	check("environments.test.prefix", "shipit.yml:22:11");
	check("environments.test.rollout.canary", "shipit.yml:19:23");
	check("environments.test.services.web.image", "shipit.yml:23:30");
	check("environments.test.services.web.build.context", "shipit.yml:10:12");
	check("environments.test.services.web.options_on.m1.ports",
	    "shipit.yml:23:40, compose.yml:4:13, shipit.yml:13:13, $ONE from environment");
}

/* What is printed for people can be read back, and the comments are all that is more. */
static void test_yaml(void **state UNUSED)
{
	char *with = NULL, *without = NULL, *at, *next;
	size_t len, comments = 0;
	FILE *out = open_memstream(&with, &len);

	yaml_print(all, origins, out);
	fclose(out);
	out = open_memstream(&without, &len);
	yaml_print(all, NULL, out);
	fclose(out);
	at = with;
	for (char *line = with; *line; line = next) {
		char *end = strchr(line, '\n'), *comment = strstr(line, "  # ");
		bool has_one = comment && comment < end;
		size_t n = (size_t)((has_one ? comment : end) - line);

		next = end + 1;
		comments += has_one;
		memmove(at, line, n);
		at += n;
		*at++ = '\n';
	}
	*at = '\0';
	assert_string_equal(with, without);
	assert_true(comments > 100);
	free(with);
	free(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_shape, resolve, drop),
	    cmocka_unit_test_setup_teardown(test_project, resolve, drop),
	    cmocka_unit_test_setup_teardown(test_hosts, resolve, drop),
	    cmocka_unit_test_setup_teardown(test_services, resolve, drop),
	    cmocka_unit_test_setup_teardown(test_inherited, resolve, drop),
	    cmocka_unit_test_setup_teardown(test_yaml, resolve, drop),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
