/* The whole program, as far as it goes without a host: what it prints, where, and its exit code. */
#include "tests/unit/cmd_golden.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cli.h"

static char folder[64];
static struct buf out = BUF_INIT((size_t)1 << 20), err = BUF_INIT((size_t)1 << 20);

static void path_of(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	char path[256];

	path_of(path, name);
	golden_write(path, text);
}

static void read_file(const char *name, struct buf *into)
{
	char path[256], chunk[4096];
	size_t n;
	FILE *file;

	path_of(path, name);
	buf_clear(into);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_int_equal(buf_add(into, chunk, n), 0);
	fclose(file);
}

static void redirect(int fd, const char *name)
{
	char path[256];
	int file;

	if (name == NULL) {
		close(fd);
		return;
	}
	path_of(path, name);
	file = open(*name == '/' ? name : path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(file, fd);
	close(file);
}

/* shipit ARGS... in our folder; its stdout goes to `stdout_name` (NULL: it is closed). */
static int run_to(const char *stdout_name, const char *const *args)
{
	char *argv[16] = {"shipit"};
	int argc = 1, status;
	pid_t pid;

	while (*args != NULL)
		argv[argc++] = (char *)(uintptr_t)*args++;
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		redirect(STDOUT_FILENO, stdout_name);
		redirect(STDERR_FILENO, "err");
		if (chdir(folder) < 0)
			_exit(99);
		exit(cli_main(argc, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	read_file("out", &out);
	read_file("err", &err);
	return WEXITSTATUS(status);
}

#define RUN(...) run_to("out", (const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
	(void)state;
	unsetenv("SHIPIT_FILE");
	unsetenv("SHIPIT_ENV");
	snprintf(folder, sizeof(folder), "/tmp/shop-cli.XXXXXX");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {
	    "shipit.yml", "other.yml", "Dockerfile", "run.docker", "out", "err"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		path_of(path, files[i]);
		unlink(path);
	}
	rmdir(folder);
	buf_release(&out);
	buf_release(&err);
	return 0;
}

static void says(const struct buf *where, const char *what)
{
	if (strstr(where->data, what) == NULL)
		fail_msg("no \"%s\" in: %s", what, where->data);
}

static void test_init(void **state)
{
	struct stat st;
	struct buf text = BUF_INIT(65536);
	char path[256];

	(void)state;
	assert_int_equal(RUN("init"), 0);
	assert_int_equal(RUN("check", "--offline"), 0);
	assert_int_equal(RUN("check", "prod", "--offline"), 0);
	says(&out, "1 environment, 1 service, 1 host");
	read_file("shipit.yml", &text);
	assert_int_equal(RUN("init"), 2);
	says(&err, "shipit.yml is there already");
	path_of(path, "shipit.yml");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, text.len);
	buf_release(&text);
}

static void test_init_finds_recipes(void **state)
{
	struct buf text = BUF_INIT(65536);

	(void)state;
	write_file("run.docker", "FROM scratch\nexpose 3000/tcp\n");
	assert_int_equal(RUN("init", "-f", "other.yml"), 0);
	read_file("other.yml", &text);
	says(&text, "dockerfile: run.docker");
	says(&text, "ports: [\"3000:3000\"]");
	assert_int_equal(RUN("-f", "other.yml", "check", "--offline"), 0);
	write_file("Dockerfile", "FROM a\nEXPOSE 1\nFROM b\n  EXPOSE\t80 443\n");
	assert_int_equal(RUN("init"), 0);
	read_file("shipit.yml", &text);
	says(&text, "build: {context: .}");
	says(&text, "ports: [\"8080:80\"]");
	assert_int_equal(RUN("check", "--offline"), 0);
	buf_release(&text);
}

static const char bad[] = "project: shop\n"
			  "services:\n"
			  "  web: {image: a, prots: [\"1:2\"]}\n"
			  "hosts: {web1: {}}\n"
			  "environments: {prod: {hosts: [web2]}}\n";

static void test_mistakes(void **state)
{
	(void)state;
	write_file("shipit.yml", bad);
	assert_int_equal(RUN("deploy", "prod"), 2);
	assert_int_equal(out.len, 0);
	golden_compare("mistakes.err", err.data);
	assert_int_equal(RUN("status"), 2);
	assert_int_equal(RUN("check", "--offline"), 2);
	assert_int_equal(out.len, 0);
	golden_compare("mistakes.err", err.data);
}

/* What is odd is told, and is in nobody's way. */
static void test_warnings(void **state)
{
	(void)state;
	write_file("shipit.yml", "project: shop\n"
				 "services: {web: {image: nginx, ports: [22:22]}}\n"
				 "hosts: {web1: }\n"
				 "environments: {prod: {hosts: [web1]}}\n");
	assert_int_equal(RUN("check", "--offline"), 0);
	says(&out, "is in order");
	says(&err, "shipit.yml:2:40: warning: some readers of YAML take 22:22 without quotes for "
		   "the number 1342\n    services: {web: {image: nginx, ports: [22:22]}}\n"
		   "                                           ^\n  hint: write \"22:22\"\n");
	assert_int_equal(RUN("check", "--offline", "--json"), 0);
	says(&out, "\"event\":\"warning\",\"file\":\"shipit.yml\",\"line\":2,\"column\":40");
	assert_int_equal(RUN("check", "--offline", "-q"), 0);
	assert_int_equal(err.len, 0);
}

static void test_json_ends_with_summary(void **state)
{
	const char *last;
	json_t *object;

	(void)state;
	write_file("shipit.yml", bad);
	assert_int_equal(RUN("deploy", "prod", "--json"), 2);
	says(&out, "\"event\":\"problem\",\"file\":\"shipit.yml\",\"line\":3,\"column\":19");
	assert_true(out.len > 0 && out.data[out.len - 1] == '\n');
	out.data[out.len - 1] = '\0';
	last = strrchr(out.data, '\n');
	object = json_loads(last + 1, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "event")), "summary");
	assert_int_equal(json_integer_value(json_object_get(object, "exit")), 2);
	json_decref(object);
	assert_int_equal(RUN("--json", "deplyo"), 2);
	says(&out, "\"event\":\"summary\",\"exit\":2,\"kind\":\"usage\"");
}

static void test_which_environment(void **state)
{
	(void)state;
	assert_int_equal(RUN("init"), 0);
	assert_int_equal(RUN("status", "prdo"), 2);
	says(&err, "no environment \"prdo\"; did you mean \"prod\"?");
	assert_int_equal(RUN("deploy", "prod", "wbe", "--dry-run"), 2);
	says(&err, "wbe");
	assert_int_equal(RUN("build", "web"), 2);
	says(&err, "no `build:`");
}

static void test_which_file(void **state)
{
	(void)state;
	assert_int_equal(RUN("status"), 2);
	says(&err, "there is no shipit.yml in this folder");
	assert_int_equal(RUN("-f", "nope.yml", "status"), 2);
	says(&err, "there is no file nope.yml");
	assert_int_equal(RUN("-f", "other.yml", "init"), 0);
	setenv("SHIPIT_FILE", "other.yml", 1);
	assert_int_equal(RUN("check", "--offline"), 0);
	says(&out, "other.yml is in order");
	unsetenv("SHIPIT_FILE");
}

/* The inventory may ask which environment it is read for. */
static void test_shipit_env(void **state)
{
	(void)state;
	write_file("shipit.yml",
	    "project: shop\n"
	    "registry: localhost:5000\n"
	    "services: {web: {image: \"shop:${SHIPIT_ENV:?which}\", environment: {E: "
	    "\"${SHIPIT_ENV}\"}}}\n"
	    "hosts: {\"web[1:2]\": {}}\n"
	    "environments: {prod: {hosts: [\"web*\"]}, test: {hosts: [web1]}}\n");
	assert_int_equal(RUN("config", "prod"), 0);
	says(&out, "\"shop:prod\"");
	assert_int_equal(RUN("config", "test", "--json"), 0);
	says(&out, "\"image\":\"shop:test\"");
	says(&out, "\"environment\":{\"E\":\"test\"}");
}

/* Whatever the hosts are like: nobody listens on port 1, and that is a 1 already. */
static void test_check_looks_at_the_store(void **state)
{
	static const char no_store[] = "this is a text that somebody keeps here, and no store";
	static const char inventory[] = "project: shop\n"
					"%s"
					"ssh: {config: /dev/null}\n"
					"services: {web: {image: shop}}\n"
					"hosts: {web1: {address: \"127.0.0.1:1\"}}\n"
					"environments: {prod: {hosts: [web1]}}\n";
	struct buf text = BUF_INIT(65536);
	char yml[512], path[256];

	(void)state;
	path_of(path, "other.yml");
	setenv("SHIPIT_STORE", path, 1);
	snprintf(yml, sizeof(yml), inventory, "");
	write_file("shipit.yml", yml);
	assert_int_equal(RUN("check", "--json"), 1);
	says(&out, "\"event\":\"check\",\"store\":{\"state\":\"ok\"}");
	assert_int_equal(access(path, F_OK), -1);

	write_file("other.yml", no_store);
	assert_int_equal(RUN("check"), 1);
	says(&err, "shipit: store: ");
	says(&err, path);
	assert_int_equal(RUN("check", "--json"), 1);
	says(&out, "\"store\":{\"state\":\"failed\"");
	read_file("other.yml", &text);
	assert_string_equal(text.data, no_store);
	buf_release(&text);

	snprintf(yml, sizeof(yml), inventory, "registry: localhost:5000\n");
	write_file("shipit.yml", yml);
	assert_int_equal(RUN("check", "--json"), 1);
	assert_null(strstr(out.data, "\"store\""));
	unsetenv("SHIPIT_STORE");
}

static void test_outputs(void **state)
{
	static const char *const version[] = {"version", NULL};

	(void)state;
	assert_int_equal(RUN("version"), 0);
	says(&out, "shipit ");
	says(&out, "libssh2 ");
	assert_int_equal(run_to(NULL, version), 0); /* stdout closed: nobody listens */
	assert_int_equal(run_to("/dev/full", version), 1);
	says(&err, "No space left");
	assert_int_equal(run_to("out", (const char *const[]){NULL}), 2);
	says(&err, "usage: shipit");
	assert_int_equal(RUN("-h"), 0);
	says(&out, "usage: shipit");
	assert_int_equal(RUN("help", "deploy"), 0);
	says(&out, "usage: shipit deploy");
	assert_int_equal(RUN("help", "deplyo"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_init, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_init_finds_recipes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_warnings, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_json_ends_with_summary, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_which_environment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_which_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_shipit_env, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_check_looks_at_the_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_outputs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
