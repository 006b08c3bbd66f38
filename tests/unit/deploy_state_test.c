/* What this laptop remembers of its last rollout. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/state.h"
#include "tests/unit/deploy_check.h"

static char home[] = "/tmp/shipit-state-XXXXXX";

static const struct last_rollout last = {.environment = (char[]){"prod"},
    .rollout = (char[]){"20261122-175432-r04be2c"},
    .at = (char[]){"2026-11-22T17:54:32Z"}};

/* Everything below `home`, one level down; `ret` is the last one seen. */
static int files(char ret[512])
{
	CLEANUP_FREE char *folder = string_printf("%s/state/shipit", home);
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			snprintf(ret, 512, "%s/%s", folder, entry->d_name);
			n++;
		}
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void put(const char *path, const char *text, size_t times)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	while (times-- > 0)
		fputs(text, file);
	fclose(file);
}

static int fresh(void **state UNUSED)
{
	CLEANUP_FREE char *xdg = NULL;

	if (mkdtemp(home) == NULL)
		return -1;
	xdg = string_printf("%s/state", home);
	return setenv("XDG_STATE_HOME", xdg, 1);
}

static int away(void **state UNUSED)
{
	CLEANUP_FREE char *command = string_printf("rm -rf '%s'", home);

	return system(command) == 0 ? 0 : -1;
}

static void nothing_is_remembered_at_first(void **state UNUSED)
{
	struct last_rollout back = {0};
	struct error err = {0};

	assert_int_equal(state_read("/home/ann/shop/shipit.yml", &back, &err), -1);
	assert_null(back.environment);
	assert_error(&err, ERROR_NOT_FOUND, "remembered");
}

static void it_goes_round_for_each_inventory(void **state UNUSED)
{
	struct last_rollout other = last, back;
	char path[512];
	struct stat st;

	assert_int_equal(state_write("/home/ann/shop/shipit.yml", &last, NULL), 0);
	other.environment = (char[]){"staging"};
	assert_int_equal(state_write("/home/ann/other/shipit.yml", &other, NULL), 0);
	assert_int_equal(files(path), 2);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(state_read("/home/ann/shop/shipit.yml", &back, NULL), 0);
	assert_string_equal(back.environment, "prod");
	assert_string_equal(back.rollout, last.rollout);
	assert_string_equal(back.at, last.at);
	last_rollout_release(&back);
	assert_null(back.environment);
	assert_int_equal(state_read("/home/ann/other/shipit.yml", &back, NULL), 0);
	assert_string_equal(back.environment, "staging");
	last_rollout_release(&back);
}

static void the_last_one_counts(void **state UNUSED)
{
	struct last_rollout next = last, back;
	char path[512];

	next.rollout = (char[]){"20261123-000000-r000000"};
	assert_int_equal(state_write("/home/ann/shop/shipit.yml", &next, NULL), 0);
	assert_int_equal(files(path), 2); /* nothing is left beside it */
	assert_int_equal(state_read("/home/ann/shop/shipit.yml", &back, NULL), 0);
	assert_string_equal(back.rollout, next.rollout);
	last_rollout_release(&back);
}

static void missing_hosts_are_of_an_environment(void **state UNUSED)
{
	const struct missing two = {.rollout = (char[]){"r1"}, .hosts = STRV("h1", "h3")};
	const struct missing none = {.rollout = (char[]){"r2"}};
	static const char shop[] = "/home/ann/shop/shipit.yml";
	struct missing back = {0};
	struct error err = {0};

	assert_int_equal(state_read_missing(shop, "prod", &back, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "remembered");
	assert_int_equal(state_write_missing(shop, "prod", &two, NULL), 0);
	assert_int_equal(state_write_missing(shop, "staging", &none, NULL), 0);
	assert_int_equal(state_read_missing(shop, "staging", &back, NULL), 0);
	assert_int_equal(back.hosts.n, 0);
	missing_release(&back);
	assert_int_equal(state_read_missing(shop, "prod", &back, NULL), 0);
	assert_string_equal(back.rollout, "r1");
	assert_int_equal(back.hosts.n, 2);
	assert_string_equal(back.hosts.v[1], "h3");
	missing_release(&back);
	assert_int_equal(state_write_missing(shop, "prod", &none, NULL), 0);
	assert_int_equal(state_read_missing(shop, "prod", &back, NULL), 0);
	assert_string_equal(back.rollout, "r2");
	assert_int_equal(back.hosts.n, 0);
	missing_release(&back);
}

static void garbage_is_nothing(void **state UNUSED)
{
	static const struct {
		const char *text;
		size_t times;
	} garbage[] = {{"", 1}, {"{", 1}, {"[]", 1}, {"{}", 1}, {"{\"environment\":7}", 1},
	    {"{\"environment\":\"prod\"}", 1}, {"{\"rollout\":\"r\",\"environment\":\"\"}", 1},
	    {"\xff\xfe", 1}, {"{\"a\":\"0123456789\"}", 10000}};
	struct last_rollout back = {0};
	char path[512];

	assert_int_equal(away(NULL), 0);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(state_write("/x", &last, NULL), 0);
	assert_int_equal(files(path), 1);
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct error err = {0};

		put(path, garbage[i].text, garbage[i].times);
		assert_int_equal(state_read("/x", &back, &err), -1);
		assert_null(back.rollout);
		assert_error(&err, ERROR_NOT_FOUND, NULL);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* a folder in its place */
	assert_int_equal(state_read("/x", &back, NULL), -1);
	assert_int_equal(state_write("/x", &last, NULL), -1);
	assert_int_equal(files(path), 1);
	assert_int_equal(rmdir(path), 0);
}

static void what_cannot_be_written_is_an_error(void **state UNUSED)
{
	CLEANUP_FREE char *file = string_printf("%s/file", home);
	CLEANUP_FREE char *below = string_printf("%s/file/state", home);
	CLEANUP_FREE char *xdg = string_printf("%s/state", home);
	struct error err = {0};

	put(file, "x", 1);
	setenv("XDG_STATE_HOME", below, 1);
	assert_int_equal(state_write("/x", &last, &err), -1);
	assert_error(&err, ERROR_SYSTEM, "shipit/last-");
	setenv("XDG_STATE_HOME", xdg, 1);
}

static void without_xdg_it_is_below_home(void **state UNUSED)
{
	CLEANUP_FREE char *folder = string_printf("%s/.local/state/shipit", home);
	struct last_rollout back;

	setenv("HOME", home, 1);
	setenv("XDG_STATE_HOME", "relative/is/ignored", 1);
	assert_int_equal(state_write("/x", &last, NULL), 0);
	assert_int_equal(access(folder, F_OK), 0);
	unsetenv("XDG_STATE_HOME");
	assert_int_equal(state_read("/x", &back, NULL), 0);
	last_rollout_release(&back);
}

/* A folder may be called anything; it is remembered all the same. */
static void paths_may_be_any_bytes(void **state UNUSED)
{
	struct last_rollout back;

	assert_int_equal(state_write("/home/J\xfcrgen/shipit.yml", &last, NULL), 0);
	assert_int_equal(state_read("/home/J\xfcrgen/shipit.yml", &back, NULL), 0);
	last_rollout_release(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_remembered_at_first),
	    cmocka_unit_test(it_goes_round_for_each_inventory),
	    cmocka_unit_test(the_last_one_counts),
	    cmocka_unit_test(missing_hosts_are_of_an_environment),
	    cmocka_unit_test(garbage_is_nothing),
	    cmocka_unit_test(what_cannot_be_written_is_an_error),
	    cmocka_unit_test(without_xdg_it_is_below_home),
	    cmocka_unit_test(paths_may_be_any_bytes),
	};

	return cmocka_run_group_tests(tests, fresh, away);
}
