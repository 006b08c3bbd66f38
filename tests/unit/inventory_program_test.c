/* inventory_load over several files, folders and real programs: which are read and run, in which
 * order, what is kept of what they say, and how they fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "inventory/inventory.h"

static char folder[PATH_MAX];

static char *in_folder(const char *name)
{
	return string_printf("%s/%s", folder, name);
}

static void put(const char *name, mode_t mode, const char *text)
{
	char *path = in_folder(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

static void put_text(const char *name, const char *text)
{
	put(name, 0644, text);
}

/* A shell program that leaves a line in "runs" each time. */
static void put_program(const char *name, const char *body)
{
	char *text = string_printf("#!/bin/sh\necho run >>'%s/runs'\n%s\n", folder, body);

	put(name, 0755, text);
	free(text);
}

static const char base[] = "project: shop\nservices: {web: {image: web}}\n"
			   "environments: {prod: {hosts: ['*']}}\n";
static const char two_hosts[] = "echo '{\"hosts\": {\"h1\": {\"port\": 22}, \"h2\": {}}}'";

/* How often programs were run since it was asked last. */
static int runs(void)
{
	char *path = in_folder("runs");
	FILE *file = fopen(path, "r");
	int n = 0, c;

	while (file && (c = fgetc(file)) != EOF)
		n += c == '\n';
	if (file)
		fclose(file);
	remove(path);
	free(path);
	return n;
}

static void remove_all(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char *below = string_printf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlink(below) < 0)
			remove_all(below);
		free(below);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static int make_folder(void **state UNUSED)
{
	char template[] = "/tmp/shipit-programs-XXXXXX";

	if (!mkdtemp(template) || !realpath(template, folder) || chdir(folder) < 0)
		return -1;
	setenv("XDG_CACHE_HOME", folder, 1);
	put_text("shipit.yml", base);
	return 0;
}

static int drop_folder(void **state UNUSED)
{
	unsetenv("SHIPIT_INVENTORY_CACHE");
	unsetenv("SHIPIT_INVENTORY_TIMEOUT");
	if (chdir("/") < 0)
		return -1;
	remove_all(folder);
	return access(folder, F_OK) == 0 ? -1 : 0;
}

/* ---- loading */

static struct inventory *inv;
static struct problems problems;
static struct error err;

static void forget(void)
{
	inventory_free(inv);
	inv = NULL;
	problems_release(&problems);
	error_release(&err);
}

static int load_from(struct inventory_from *from, const char *first, const char *second)
{
	const char *paths[] = {first, second};

	forget();
	from->paths = paths;
	from->n = second ? 2 : 1;
	return inventory_load(from, &inv, &problems, &err);
}

static int load(const char *first, const char *second)
{
	struct inventory_from from = {.cancel_fd = -1};

	return load_from(&from, first, second);
}

static void load_well(const char *first, const char *second)
{
	if (load(first, second) < 0)
		fail_msg("%s: %s", error_text(&err), problems.n > 0 ? problems.v[0].text : "");
}

static void check_hosts(const char *expected)
{
	struct buf names = BUF_INIT(1024);

	for (size_t i = 0; i < inv->n_hosts; i++)
		buf_addf(&names, "%s%s", i > 0 ? " " : "", inv->hosts[i].name);
	assert_string_equal(names.data, expected);
	buf_release(&names);
}

static void refused(const char *text, const char *hint)
{
	assert_null(inv);
	assert_int_equal(err.kind, ERROR_INVENTORY);
	assert_string_equal(error_text(&err), text);
	if (hint)
		assert_string_equal(err.hint, hint);
}

/* ---- which files */

static void several_files_are_one_inventory(void **state UNUSED)
{
	char *expected = string_printf("%s/shipit.yml:%s/sub/hosts.yml", folder, folder);

	mkdir("sub", 0700);
	put_text("sub/hosts.yml", "hosts: {h1: }\nssh: {config: ./ssh_config}\n"
				  "services: {web: {env_file: here.env}}\n");
	put_text("here.env", "A=1\n");
	load_well("shipit.yml", "sub/hosts.yml");
	check_hosts("h1");
	assert_string_equal(inv->path, expected);
	assert_string_equal(inv->dir, folder);
	assert_string_equal(inv->hosts[0].pos.file, "sub/hosts.yml");
	free(expected);
	/* Paths are meant from the first one's folder, whichever file has them. */
	expected = in_folder("ssh_config");
	assert_string_equal(inv->ssh.config, expected);
	free(expected);
	assert_non_null(pairs_find(&inv->services[0].environment, "A"));
	assert_int_equal(load("sub/hosts.yml", "shipit.yml"), -1);
	assert_string_equal(error_text(&err), "sub/hosts.yml + shipit.yml has 1 mistake");
	assert_string_equal(problems.v[0].pos.file, "sub/hosts.yml");
	forget();
}

static void one_that_is_missing_is_named(void **state UNUSED)
{
	assert_int_equal(load("shipit.yml", "gone.yml"), -1);
	refused("cannot read gone.yml: No such file or directory",
	    "`shipit init` writes one, and -f FILE names another");
	assert_int_equal(problems.n, 0);
}

static void a_folder_is_its_files_in_order(void **state UNUSED)
{
	char *expected = in_folder("inv");

	mkdir("inv", 0700);
	mkdir("inv/sub.yml", 0700);
	put_text("inv/20-more.yaml", "hosts: {h1: {port: 20}, h4: }\n");
	put_text("inv/10-base.yml", base);
	put_program("inv/15-hosts.sh", "echo '{\"hosts\": {\"h1\": {\"port\": 15}, \"h3\": {}}}'");
	put_program("inv/check.sh", "echo '{\"hosts\": [\"check\"]}'");
	put_program("inv/hosts.sh~", "echo '{\"hosts\": [\"backup\"]}'");
	put_program("inv/.hosts", "echo '{\"hosts\": [\"hidden\"]}'");
	put_text("inv/hosts.txt", "no program\n");
	put_text("inv/.30.yml", "hosts: {hidden: }\n");
	put_text("inv/30.yml.bak", "hosts: {backup: }\n");
	put_text("inv/#40.yml", "hosts: {backup: }\n");
	/* On some file systems everything is executable. */
	put("inv/05.yml", 0755, "hosts: {h0: }\n");
	load_well("inv/", NULL);
	check_hosts("h0 h1 h3 h4");
	assert_int_equal(inv->hosts[1].port, 20);
	assert_string_equal(inv->path, expected);
	assert_string_equal(inv->dir, expected);
	assert_string_equal(inv->hosts[1].pos.file, "inv/20-more.yaml");
	assert_int_equal(runs(), 1);
	free(expected);
	forget();
}

static void an_empty_folder_is_no_inventory(void **state UNUSED)
{
	mkdir("empty", 0700);
	assert_int_equal(load("empty", NULL), -1);
	refused("the folder empty has no inventory in it",
	    "a folder's files *.yml and *.yaml are read, and its programs with \"hosts\" in their "
	    "names are run");
}

static void too_many_files_are_refused(void **state UNUSED)
{
	mkdir("many", 0700);
	for (int i = 0; i < 65; i++) {
		char *name = string_printf("many/%d.yml", i);

		put_text(name, "x-a: 1\n");
		free(name);
	}
	assert_int_equal(load("many", NULL), -1);
	refused("an inventory of more than 64 files", NULL);
}

/* ---- programs */

static void a_program_is_asked_for_a_list(void **state UNUSED)
{
	char *expected = string_printf("%s/hosts", folder);

	put_program("hosts",
	    "[ \"$*\" = --list ] && [ -z \"${SHIPIT_ENV+x}\" ] || exit 9\n"
	    "read line && exit 8\n"
	    "printf '{\"hosts\": {\"%s\": {}}}' \"${PWD##*-}.$(basename \"$0\")\"");
	setenv("SHIPIT_ENV", "prod", 1);
	load_well("shipit.yml", "./hosts");
	unsetenv("SHIPIT_ENV");
	assert_int_equal(inv->n_hosts, 1);
	assert_non_null(strstr(inv->hosts[0].name, ".hosts"));
	assert_memory_equal(inv->hosts[0].name, strrchr(folder, '-') + 1, 6);
	assert_string_equal(inv->hosts[0].pos.file, "./hosts");
	assert_int_equal(runs(), 1);
	free(expected);
	forget();
}

static void it_is_asked_once_for_several_loads(void **state UNUSED)
{
	struct pairs said = {0};
	struct inventory_from from = {.cancel_fd = -1, .said = &said};

	put_program("hosts", two_hosts);
	assert_int_equal(load_from(&from, "shipit.yml", "hosts"), 0);
	assert_int_equal(load_from(&from, "shipit.yml", "hosts"), 0);
	check_hosts("h1 h2");
	assert_int_equal(runs(), 1);
	pairs_release(&said);
	forget();
}

static void why_it_failed_is_said(void **state UNUSED)
{
	put_program("hosts", "echo boo >&2; exit 3");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts failed with 3: boo", NULL);
	put_program("hosts", "echo one >&2; echo two >&2; echo >&2; exit 1");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts failed with 1:\none\ntwo", NULL);
	put_program("hosts", "kill -9 $$");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts was ended by signal 9", NULL);
	/* Of much that was said the end counts. */
	put_program("hosts", "seq 1 100000 >&2; echo because >&2; exit 1");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	assert_true(strlen(error_text(&err)) < 2100);
	assert_non_null(strstr(error_text(&err), ":\n99"));
	assert_non_null(strstr(error_text(&err), "\n100000\nbecause"));
	put("hosts", 0755, "#!/nowhere/interpreter\n");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	assert_int_equal(err.kind, ERROR_INVENTORY);
	put("hosts", 0644, "#!/bin/sh\n");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts is a program, and is not executable", "chmod +x ./hosts");
	runs();
	forget();
}

static void it_may_not_take_for_ever(void **state UNUSED)
{
	int64_t start_ms = clock_now_ms();

	put_program("hosts", "sleep 60 & sleep 60");
	setenv("SHIPIT_INVENTORY_TIMEOUT", "300ms", 1);
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts did not end within 0.3 s", "SHIPIT_INVENTORY_TIMEOUT=2m gives it longer");
	assert_in_range(clock_now_ms() - start_ms, 300, 20000);
	setenv("SHIPIT_INVENTORY_TIMEOUT", "soon", 1);
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("SHIPIT_INVENTORY_TIMEOUT takes a duration such as 30s or 10m, not \"soon\"", NULL);
	setenv("SHIPIT_INVENTORY_TIMEOUT", "0", 1);
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	assert_int_equal(err.kind, ERROR_INVENTORY);
	unsetenv("SHIPIT_INVENTORY_TIMEOUT");
	runs();
	forget();
}

static void it_may_not_say_too_much(void **state UNUSED)
{
	put_program("hosts", "yes");
	assert_int_equal(load("shipit.yml", "./hosts"), -1);
	refused("./hosts prints more than 16 MiB", NULL);
	runs();
	forget();
}

static void waiting_for_it_can_be_ended(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	int64_t start_ms = clock_now_ms();

	assert_int_equal(cancel_init(&cancel, NULL), 0);
	cancel_fire(&cancel);
	struct inventory_from from = {.cancel_fd = cancel.fd};
	put_program("hosts", "sleep 60");
	assert_int_equal(load_from(&from, "shipit.yml", "./hosts"), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_in_range(clock_now_ms() - start_ms, 0, 20000);
	cancel_release(&cancel);
	runs();
	forget();
}

/* ---- what is kept */

/* The one file of the cache. */
static char *kept(void)
{
	char *path = in_folder("shipit"), *found = NULL;
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.') {
			assert_null(found);
			found = string_printf("%s/%s", path, entry->d_name);
		}
	if (dir)
		closedir(dir);
	free(path);
	return found;
}

static void drop_kept(void)
{
	char *path = kept();

	if (path)
		unlink(path);
	free(path);
}

static void answers_are_kept_where_it_is_asked_for(void **state UNUSED)
{
	struct inventory_from anew = {.cancel_fd = -1, .ask_anew = true};
	struct stat about;

	put_program("hosts", two_hosts);
	load_well("shipit.yml", "hosts");
	load_well("shipit.yml", "hosts");
	assert_int_equal(runs(), 2);
	assert_null(kept());

	setenv("SHIPIT_INVENTORY_CACHE", "10m", 1);
	load_well("shipit.yml", "hosts");
	load_well("shipit.yml", "./hosts");
	check_hosts("h1 h2");
	assert_int_equal(runs(), 1);
	char *path = kept();
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);

	/* Asked for again, and that is kept. */
	assert_int_equal(load_from(&anew, "shipit.yml", "hosts"), 0);
	assert_int_equal(runs(), 1);
	load_well("shipit.yml", "hosts");
	assert_int_equal(runs(), 0);

	/* Another program by the same name. */
	put_program("hosts", "echo '{\"hosts\": [\"h3\"]}'");
	load_well("shipit.yml", "hosts");
	check_hosts("h3");
	assert_int_equal(runs(), 1);

	/* Too old, or from the future. */
	for (int i = -1; i <= 1; i += 2) {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};

		clock_gettime(CLOCK_REALTIME, &times[1]);
		times[1].tv_sec += i * 700;
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		load_well("shipit.yml", "hosts");
		assert_int_equal(runs(), 1);
	}
	unsetenv("SHIPIT_INVENTORY_CACHE");
	drop_kept();
	free(path);
	forget();
}

static void what_others_could_write_is_not_believed(void **state UNUSED)
{
	put_program("hosts", two_hosts);
	setenv("SHIPIT_INVENTORY_CACHE", "10m", 1);
	load_well("shipit.yml", "hosts");
	char *path = kept();
	assert_int_equal(chmod(path, 0620), 0);
	load_well("shipit.yml", "hosts");
	assert_int_equal(runs(), 2);
	/* Cut off, as on a disk that was full; made by hand; empty. */
	for (off_t len = 200; len >= 0; len -= 100) {
		load_well("shipit.yml", "hosts");
		assert_int_equal(runs(), len < 200);
		struct stat about;
		assert_int_equal(stat(path, &about), 0);
		assert_int_equal(truncate(path, len < about.st_size ? len : about.st_size - 1), 0);
	}
	load_well("shipit.yml", "hosts");
	check_hosts("h1 h2");
	assert_int_equal(runs(), 1);
	unsetenv("SHIPIT_INVENTORY_CACHE");
	drop_kept();
	free(path);
	forget();
}

/* Else it would be of no use until it is too old. */
static void what_makes_no_sense_is_not_kept(void **state UNUSED)
{
	put_program("hosts", "echo '{\"hosts\": {\"h1\": {\"port\": 0}}}'");
	setenv("SHIPIT_INVENTORY_CACHE", "10m", 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(load("shipit.yml", "hosts"), -1);
	assert_int_equal(runs(), 2);
	assert_null(kept());
	unsetenv("SHIPIT_INVENTORY_CACHE");
	forget();
}

/* And a failure is one, whatever was said before. */
static void the_file_beside_it_may_ask_for_the_cache(void **state UNUSED)
{
	put_program("hosts", two_hosts);
	put_text(".env", "SHIPIT_INVENTORY_CACHE=1s\nSHIPIT_INVENTORY_TIMEOUT=20s\n");
	load_well("shipit.yml", "hosts");
	char *path = kept();
	assert_non_null(path);
	put_program("hosts", "exit 1");
	assert_int_equal(load("shipit.yml", "hosts"), -1);
	refused("hosts failed with 1", NULL);
	put_text(".env", "");
	drop_kept();
	free(path);
	runs();
	forget();
}

static void a_cache_that_cannot_be_is_no_error(void **state UNUSED)
{
	put_program("hosts", two_hosts);
	setenv("SHIPIT_INVENTORY_CACHE", "10m", 1);
	setenv("XDG_CACHE_HOME", "/dev/null/x", 1);
	load_well("shipit.yml", "hosts");
	check_hosts("h1 h2");
	setenv("XDG_CACHE_HOME", folder, 1);
	unsetenv("SHIPIT_INVENTORY_CACHE");
	runs();
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(several_files_are_one_inventory),
	    cmocka_unit_test(one_that_is_missing_is_named),
	    cmocka_unit_test(a_folder_is_its_files_in_order),
	    cmocka_unit_test(an_empty_folder_is_no_inventory),
	    cmocka_unit_test(too_many_files_are_refused),
	    cmocka_unit_test(a_program_is_asked_for_a_list),
	    cmocka_unit_test(it_is_asked_once_for_several_loads),
	    cmocka_unit_test(why_it_failed_is_said),
	    cmocka_unit_test(it_may_not_take_for_ever),
	    cmocka_unit_test(it_may_not_say_too_much),
	    cmocka_unit_test(waiting_for_it_can_be_ended),
	    cmocka_unit_test(answers_are_kept_where_it_is_asked_for),
	    cmocka_unit_test(what_others_could_write_is_not_believed),
	    cmocka_unit_test(what_makes_no_sense_is_not_kept),
	    cmocka_unit_test(the_file_beside_it_may_ask_for_the_cache),
	    cmocka_unit_test(a_cache_that_cannot_be_is_no_error),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
