/* Where the laptop's engine is: the environment, contexts, sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "transport/engine.h"

static char dir[] = "/tmp/engine-address-XXXXXX";

static int setup(void **state UNUSED)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	unsetenv("DOCKER_HOST");
	unsetenv("DOCKER_CONTEXT");
	unsetenv("DOCKER_TLS_VERIFY");
	unsetenv("DOCKER_CONFIG");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("CONTAINER_HOST");
	setenv("HOME", dir, 1);
	return 0;
}

static int teardown(void **state UNUSED)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void write_file(const char *name, const char *text)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_context(const char *name, const char *json)
{
	char id[DIGEST_HEX_SIZE], path[200];

	assert_int_equal(digest_sha256_hex(name, strlen(name), id, NULL), 0);
	snprintf(path, sizeof(path), ".docker/contexts/meta/%s/meta.json", id);
	write_file(path, json);
}

static void assert_address(const char *want)
{
	struct error err = {0};
	char *address = NULL;

	if (engine_local_address(&address, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_string_equal(address, want);
	free(address);
}

static void assert_refused(const char *words)
{
	struct error err = {0};
	char *address = NULL;

	assert_int_equal(engine_local_address(&address, &err), -1);
	assert_null(address);
	if (strstr(error_text(&err), words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error_text(&err));
	error_release(&err);
}

static void docker_host_wins(void **state UNUSED)
{
	setenv("DOCKER_CONTEXT", "other", 1);
	setenv("DOCKER_HOST", "unix:///run/my docker.sock", 1);
	assert_address("/run/my docker.sock");
	setenv("DOCKER_HOST", "tcp://10.0.0.1:2375", 1);
	assert_address("http://10.0.0.1:2375");
	setenv("DOCKER_HOST", "/run/x.sock", 1);
	assert_address("/run/x.sock");
}

static void what_is_not_spoken_is_said(void **state UNUSED)
{
	setenv("DOCKER_HOST", "ssh://me@build1", 1);
	assert_refused("DOCKER_HOST names ssh://me@build1");
	setenv("DOCKER_HOST", "fd://", 1);
	assert_refused("unix:// and tcp:// are understood");
	setenv("DOCKER_HOST", "tcp://10.0.0.1:2376", 1);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	assert_refused("TLS");
}

static void the_current_context_is_read(void **state UNUSED)
{
	write_file(".docker/config.json", "{\"auths\":{},\"currentContext\":\"desk.top \\u00e4\"}");
	write_context("desk.top \xc3\xa4",
	    "{\"Name\":\"desk.top \\u00e4\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///home/me/"
	    ".docker/desktop/docker.sock\",\"SkipTLSVerify\":false}}}");
	assert_address("/home/me/.docker/desktop/docker.sock");
	setenv("DOCKER_CONTEXT", "far", 1);
	write_context("far", "{\"Endpoints\":{\"docker\":{\"Host\":\"ssh://far\"}}}");
	assert_refused("the docker context \"far\" names ssh://far");
	setenv("DOCKER_CONTEXT", "gone", 1);
	assert_refused("the docker context \"gone\": cannot read ");
	setenv("DOCKER_CONTEXT", "default", 1);
	assert_address("/var/run/docker.sock");
}

static void docker_config_moves_the_folder(void **state UNUSED)
{
	char config[100];

	write_file("elsewhere/config.json", "{\"currentContext\":\"\"}");
	snprintf(config, sizeof(config), "%s/elsewhere", dir);
	setenv("DOCKER_CONFIG", config, 1);
	write_file(".docker/config.json", "not read");
	assert_address("/var/run/docker.sock");
}

static void a_broken_config_is_an_error(void **state UNUSED)
{
	write_file(".docker/config.json", "{");
	assert_refused("config.json is not valid JSON");
	write_file(".docker/config.json", "{\"currentContext\":\"empty\"}");
	write_context("empty", "{}");
	assert_refused("the docker context \"empty\" has no Endpoints.docker.Host");
}

static void the_users_podman_stands_in_for_docker(void **state UNUSED)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat file;
	int fd;

	assert_address("/var/run/docker.sock");
	if (stat("/var/run/docker.sock", &file) == 0)
		skip();
	write_file("podman/x", "");
	setenv("XDG_RUNTIME_DIR", dir, 1);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/podman/podman.sock", dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_address(address.sun_path);
	setenv("CONTAINER_HOST", "unix:///run/other/podman.sock", 1);
	assert_address("/run/other/podman.sock");
	setenv("CONTAINER_HOST", "ssh://core@127.0.0.1:50000/run/podman/podman.sock", 1);
	assert_refused("CONTAINER_HOST names ssh://core@127.0.0.1:50000");
	/* What docker itself would use comes first. */
	setenv("DOCKER_HOST", "unix:///run/x.sock", 1);
	assert_address("/run/x.sock");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(docker_host_wins, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_not_spoken_is_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_current_context_is_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(docker_config_moves_the_folder, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_broken_config_is_an_error, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_users_podman_stands_in_for_docker, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
