/* inventory_load over real files: where variables come from, what paths mean, what cannot be read;
 * and the questions that are asked of an inventory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "inventory/inventory.h"

static char folder[PATH_MAX];

static char *in_folder(const char *name)
{
	return string_printf("%s/%s", folder, name);
}

static void put_file(const char *name, const char *text)
{
	char *path = in_folder(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(path);
}

static void drop_file(const char *name)
{
	char *path = in_folder(name);

	remove(path);
	free(path);
}

static int make_folder(void **state UNUSED)
{
	char template[] = "/tmp/shipit-inventory-XXXXXX";

	return mkdtemp(template) && realpath(template, folder) ? 0 : -1;
}

static int drop_folder(void **state UNUSED)
{
	static const char *const names[] = {"shipit.yml", ".env", "app.env", "sub/x.yml", "sub"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		drop_file(names[i]);
	return rmdir(folder);
}

static const char tail[] = "hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n";

static int load(
    const char *path, struct inventory **ret, struct problems *problems, struct error *err)
{
	const struct inventory_from from = {.paths = &path, .n = 1, .cancel_fd = -1};

	return inventory_load(&from, ret, problems, err);
}

static void put_service(const char *body)
{
	char *text = string_printf("project: shop\nservices:\n  web: %s\n%s", body, tail);

	put_file("shipit.yml", text);
	free(text);
}

static struct inventory *load_good(const char *name)
{
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	char *path = in_folder(name);

	if (load(path, &inv, &problems, &err) < 0)
		fail_msg("%s: %s", error_text(&err), problems.n > 0 ? problems.v[0].text : "");
	assert_int_equal(problems.n, 0);
	free(path);
	problems_release(&problems);
	return inv;
}

static void test_variables(void **state UNUSED)
{
	put_file(".env", "FROM_FILE=file\nBOTH=file\nBUILT=${FROM_PROCESS}-$FROM_FILE\n");
	put_file("app.env", "ONE=${BOTH}\nTWO=two\nFROM_PROCESS\n");
	put_service("{image: \"web:${BUILT}\", env_file: app.env,\n"
		    "environment: {TWO: \"${BOTH}\", FROM_FILE: , GONE: }}");
	setenv("FROM_PROCESS", "process", 1);
	setenv("BOTH", "process", 1);
	struct inventory *inv = load_good("shipit.yml");
	const struct service *web = inventory_service(inv, "web");
	assert_string_equal(web->image, "web:process-file");
	assert_string_equal(pairs_find(&web->environment, "ONE")->value, "process");
	assert_string_equal(pairs_find(&web->environment, "TWO")->value, "process");
	assert_string_equal(pairs_find(&web->environment, "FROM_FILE")->value, "file");
	assert_string_equal(pairs_find(&web->environment, "FROM_PROCESS")->value, "process");
	assert_null(pairs_find(&web->environment, "GONE")->value);
	inventory_free(inv);
	drop_file(".env");
}

/* The process, then the environment that the command is about, then `.env`. */
static void check_precedence(const char *environment, const char *expected)
{
	if (environment)
		setenv("SHIPIT_ENV", environment, 1);
	else
		unsetenv("SHIPIT_ENV");
	struct inventory *inv = load_good("shipit.yml");
	assert_string_equal(inventory_service(inv, "web")->user, expected);
	inventory_free(inv);
	unsetenv("SHIPIT_ENV");
}

static void test_precedence(void **state UNUSED)
{
	static const char text[] =
	    "project: shop\n"
	    "services: {web: {image: web, user: "
	    "\"web:${ALL}-${TWO}-${OWN}-${FILE}-${LIST}-${MADE}\"}}\n"
	    "hosts: {h1: {}}\n"
	    "environments:\n"
	    "  dev: {hosts: [h1], environment: {ALL: dev, TWO: dev, OWN: dev}}\n"
	    "  prod:\n"
	    "    hosts: [h1]\n"
	    "    environment: [ALL=prod, TWO=prod, LIST=prod, \"MADE=$$${TWO}${FILE}\", "
	    "\"SELF=${SELF:-x}y\"]\n";

	put_file("shipit.yml", text);
	put_file(".env", "ALL=file\nTWO=file\nOWN=file\nFILE=file\n");
	setenv("ALL", "process", 1);
	check_precedence("dev", "web:process-dev-dev-file--");
	check_precedence("prod", "web:process-prod-file-file-prod-$prodfile");
	check_precedence(NULL, "web:process-dev-dev-file-prod-$devfile");
	setenv("SHIPIT_ENV", "prod", 1);
	struct inventory *inv = load_good("shipit.yml");
	const struct environment *prod = inventory_environment(inv, "prod");
	assert_string_equal(pairs_find(&prod->environment, "MADE")->value, "$prodfile");
	assert_string_equal(pairs_find(&prod->environment, "ALL")->value, "prod");
	assert_string_equal(pairs_find(&prod->environment, "SELF")->value, "xy");
	inventory_free(inv);
	unsetenv("SHIPIT_ENV");
	unsetenv("ALL");
	drop_file(".env");
}

/* A host may be reached otherwise in each environment. */
static void test_addresses(void **state UNUSED)
{
	static const struct {
		const char *environment, *address;
		int port;
	} cases[] = {{"prod", "::1", 22}, {"test", "fe80::1%eth0", 2222}};

	put_file("shipit.yml", "project: shop\nservices: {web: {image: web}}\n"
			       "hosts: {h1: {address: 'ssh://${SHIPIT_ENV}@[${AT}]:${PORT}/', "
			       "environment: {SHARD: '${SHIPIT_ENV}'}}}\n"
			       "environments:\n"
			       "  prod: {hosts: h1, environment: {AT: '::1', PORT: '22'}}\n"
			       "  test: {hosts: h1, environment: {AT: 'fe80::1%eth0', PORT: "
			       "'2222'}}\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setenv("SHIPIT_ENV", cases[i].environment, 1);
		struct inventory *inv = load_good("shipit.yml");
		assert_string_equal(inv->hosts[0].user, cases[i].environment);
		assert_string_equal(inv->hosts[0].address, cases[i].address);
		assert_int_equal(inv->hosts[0].port, cases[i].port);
		assert_string_equal(
		    pairs_find(&inv->hosts[0].environment, "SHARD")->value, cases[i].environment);
		inventory_free(inv);
	}
	unsetenv("SHIPIT_ENV");
}

static void test_paths(void **state UNUSED)
{
	char *sub = in_folder("sub"), *expected;
	char before[PATH_MAX];
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};

	assert_int_equal(mkdir(sub, 0700), 0);
	put_file("app.env", "HERE=1\n");
	put_file("sub/x.yml", "project: shop\nservices: {web: {build: {context: .., dockerfile: "
			      "d/run}, env_file: ../app.env}}\nhosts: {h1: {}}\n"
			      "environments: {prod: {hosts: [h1]}}\n");
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(load("sub/x.yml", &inv, &problems, &err), 0);
	assert_int_equal(chdir(before), 0);
	assert_string_equal(inv->dir, sub);
	expected = in_folder("sub/x.yml");
	assert_string_equal(inv->path, expected);
	free(expected);
	assert_string_equal(inv->services[0].build.context, folder);
	expected = in_folder("d/run");
	assert_string_equal(inv->services[0].build.dockerfile, expected);
	free(expected);
	assert_string_equal(inv->hosts[0].pos.file, "sub/x.yml");
	assert_non_null(pairs_find(&inv->services[0].environment, "HERE"));
	inventory_free(inv);
	free(sub);
	drop_file("sub/x.yml");
}

static void check_unreadable(const char *name, const char *part)
{
	struct inventory *inv = (struct inventory *)1;
	struct problems problems = {0};
	struct error err = {0};
	char *path = in_folder(name);

	assert_int_equal(load(path, &inv, &problems, &err), -1);
	assert_null(inv);
	assert_int_equal(problems.n, 0);
	assert_int_equal(err.kind, ERROR_INVENTORY);
	assert_non_null(strstr(error_text(&err), part));
	free(path);
	error_release(&err);
	problems_release(&problems);
}

static void test_unreadable(void **state UNUSED)
{
	check_unreadable("nowhere.yml", "No such file");
	check_unreadable("sub", "has no inventory in it");
}

static void check_problem(const char *file, int line, int column, const char *part)
{
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	char *path = in_folder("shipit.yml"), *where = in_folder(file);

	assert_int_equal(load(path, &inv, &problems, &err), -1);
	assert_null(inv);
	assert_int_equal(problems.n, 1);
	assert_string_equal(problems.v[0].pos.file, where);
	assert_int_equal(problems.v[0].pos.line, line);
	assert_int_equal(problems.v[0].pos.column, column);
	assert_non_null(strstr(problems.v[0].text, part));
	assert_non_null(strstr(error_text(&err), "shipit.yml has 1 mistake"));
	error_release(&err);
	problems_release(&problems);
	free(path);
	free(where);
}

static void test_problems(void **state UNUSED)
{
	put_service("{image: web, env_file: gone.env}");
	check_problem("shipit.yml", 3, 31, "gone.env: No such file");
	put_file("app.env", "A=1\n=2\n");
	put_service("{image: web, env_file: app.env}");
	check_problem("app.env", 2, 1, "expected KEY=VALUE");
	put_service("{image: web}");
	put_file(".env", "A=${}\n");
	check_problem(".env", 1, 1, "not followed by the name");
	drop_file(".env");
}

static void test_too_long(void **state UNUSED)
{
	struct buf text = BUF_INIT(8 << 20);

	buf_adds(&text, "project: shop\n");
	while (text.len <= (4 << 20))
		buf_adds(&text, "# a comment that is here to be long and nothing else at all\n");
	put_file("shipit.yml", text.data);
	check_unreadable("shipit.yml", "longer than 4194304 bytes");
	buf_release(&text);
}

static const char fleet[] =
    "project: shop\n"
    "services:\n"
    "  web: {image: web, hosts: ['tag:web', db1]}\n"
    "  db: {image: db, hosts: 'db*'}\n"
    "  all: {image: all}\n"
    "hosts:\n"
    "  db1: {tags: [eu]}\n"
    "  web[1:3]: {tags: [web, eu]}\n"
    "environments:\n"
    "  prod: {hosts: ['tag:web', '*'], services: [web, db], name: shop.live}\n"
    "  test: {hosts: [web3, 'web[12]']}\n";

static void test_questions(void **state UNUSED)
{
	const struct host **hosts;
	struct error err = {0};
	size_t n;

	put_file("shipit.yml", fleet);
	struct inventory *inv = load_good("shipit.yml");
	const struct environment *prod = inventory_environment(inv, "prod");
	const struct environment *test = inventory_environment(inv, "test");
	const struct service *web = inventory_service(inv, "web");
	const struct service *db = inventory_service(inv, "db");
	const struct service *all = inventory_service(inv, "all");
	const struct host *db1 = inventory_host(inv, "db1");
	const struct host *web2 = inventory_host(inv, "web2");
	assert_null(inventory_environment(inv, "none"));
	assert_null(inventory_service(inv, "none"));
	assert_null(inventory_host(inv, "web"));

	assert_int_equal(inventory_hosts_of(inv, prod, &hosts, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_ptr_equal(hosts[0], db1);
	free(hosts);
	assert_int_equal(inventory_hosts_of(inv, test, &hosts, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_string_equal(hosts[0]->name, "web1");
	assert_string_equal(hosts[2]->name, "web3");
	free(hosts);

	assert_true(inventory_runs_on(inv, prod, web, db1));
	assert_true(inventory_runs_on(inv, prod, web, web2));
	assert_true(inventory_runs_on(inv, prod, db, db1));
	assert_false(inventory_runs_on(inv, prod, db, web2));
	assert_false(inventory_runs_on(inv, prod, all, web2));
	assert_true(inventory_runs_on(inv, test, all, web2));
	assert_false(inventory_runs_on(inv, test, web, db1));

	char *prefix = inventory_prefix(inv, prod);
	assert_string_equal(prefix, "shop.live");
	free(prefix);
	prefix = inventory_prefix(inv, test);
	assert_string_equal(prefix, "shop.test");
	free(prefix);
	inventory_free(inv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_precedence),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_unreadable),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
