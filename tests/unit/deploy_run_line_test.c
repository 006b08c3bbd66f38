/* The `docker run` line: golden, and read by a real sh, which has to give back every byte. */
#include "base/clock.h"
#include "base/proc.h"
#include "deploy/container.h"
#include "tests/unit/deploy_check.h"

static const struct identity shop = {
    .project = "shop", .environment = "prod", .prefix = "shop.prod", .service = "web"};

static const struct {
	const char *name, *options;
} cases[] = {
    {"defaults", "{}"},
    {"command and entrypoint",
	"{\"command\":[\"serve\",\"--port\",\"80\"],\"entrypoint\":[\"/bin/sh\",\"-c\",\"x y\"]}"},
    {"empty command and entrypoint", "{\"command\":[],\"entrypoint\":[]}"},
    {"ports",
	"{\"ports\":[\":8080:80/tcp\",\"::53/udp\",\"127.0.0.1:1:2/tcp\",\"127.0.0.1::3/tcp\","
	"\"::1:443:443/tcp\",\"::1::80/tcp\",\"[::1]:5:6/tcp\"]}"},
    {"volumes", "{\"volumes\":[\"/etc/ssl:/ssl:ro\",\":/tmp/x:rw\",\"shop.prod.data:/d:rw\"]}"},
    {"devices, user, networks", "{\"devices\":[\"/dev/a:/dev/"
				"a:rwm\"],\"user\":\"1000:1000\",\"networks\":[\"edge\",\"x\"]}"},
    {"environment and labels",
	"{\"environment\":{\"B\":\"a b\",\"A\":\"1\",\"GONE\":null},\"labels\":{\"l\":\"\"}}"},
    {"restart and grace", "{\"restart\":\"on-failure:3\",\"stop_grace_ms\":1500}"},
    {"healthcheck by words",
	"{\"healthcheck\":{\"test\":[\"CMD\",\"/bin/check\",\"a b\",\"it's\"],\"interval_ms\":2000,"
	"\"timeout_ms\":500,\"start_period_ms\":10,\"retries\":5}}"},
    {"healthcheck by a shell",
	"{\"healthcheck\":{\"test\":[\"CMD-SHELL\",\"curl -f localhost || exit 1\"]}}"},
    {"healthcheck of the image, faster", "{\"healthcheck\":{\"interval_ms\":1000}}"},
    {"healthcheck without a test", "{\"healthcheck\":{\"test\":[]}}"},
    {"mounts", "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/x\",\"target\":\"/"
	       "x\",\"propagation\":\"rslave\",\"create_host_path\":false},"
	       "{\"type\":\"volume\",\"source\":\"shop.prod.d\",\"target\":\"/"
	       "y\",\"read_only\":true,\"nocopy\":true,\"subpath\":\"a/b\"},"
	       "{\"type\":\"tmpfs\",\"target\":\"/z\",\"size\":64,\"mode\":1023}],"
	       "\"volumes\":[\"/b:/b:ro,z,rslave\"]}"},
    {"networks with options",
	"{\"networks\":[\"edge\",\"shop.prod.default\"],\"network_options\":{\"shop.prod.default\":"
	"{\"priority\":10,\"aliases\":[\"www\",\"web\"],\"ipv4_address\":\"10.20.0.9\",\"ipv6_"
	"address\":\"2001:db8::9\","
	"\"link_local_ips\":[\"169.254.8.8\"],\"mac_address\":\"02:42:ac:11:00:09\",\"driver_"
	"opts\":{\"speed\":\"a,b\"}},"
	"\"edge\":{\"priority\":-1}}}"},
    {"healthcheck, faster at first", "{\"healthcheck\":{\"start_interval_ms\":500}}"},
    {"what the engine takes as it is", EVERY_SETTING},
    {"a quarter of a processor", "{\"cpus\":250000000,\"network_mode\":\"host\"}"},
    {"no healthcheck", "{\"healthcheck\":{\"disable\":true}}"},
    {"no healthcheck, as the API says it", "{\"healthcheck\":{\"test\":[\"NONE\"]}}"},
};

static void lines_are_as_ever(void **state UNUSED)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_JSON json_t *options = json_of(cases[i].options);
		CLEANUP_FREE char *line =
		    container_run_line(&shop, options, "localhost/shipit/x:1");

		assert_non_null(line);
		buf_addf(&text, "# %s\n%s\n\n", cases[i].name, line);
	}
	golden("run_lines.txt", text.data);
}

/* --- what sh makes of it */

/* The words that sh sees, from printf '%s\0'. The line is its standard input, so its length has no
 * limit; `docker` is a function that says its arguments. */
static void read_by_sh(const char *line, struct buf *out)
{
	static const char start[] = "docker() { printf '%s\\0' \"$@\"; }\n";
	const char *const argv[] = {"sh", "-s", NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}};
	char name[] = "/tmp/shipit-line-XXXXXX", out_name[] = "/tmp/shipit-words-XXXXXX",
	     chunk[65536];
	int in = mkstemp(name), words = mkstemp(out_name), status = -1;
	ssize_t n;
	pid_t pid;

	assert_true(in >= 0 && words >= 0);
	assert_int_equal(fd_write_all(in, start, strlen(start)), 0);
	assert_int_equal(fd_write_all(in, line, strlen(line)), 0);
	assert_int_equal(fd_write_all(in, "\n", 1), 0);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	options.fds[0] = in;
	options.fds[1] = words;
	assert_int_equal(proc_spawn(&options, &pid, NULL), 0);
	assert_int_equal(proc_wait(pid, clock_now_ms() + 60000, -1, &status, NULL), 0);
	assert_int_equal(status, 0);
	assert_int_equal(lseek(words, 0, SEEK_SET), 0);
	while ((n = read(words, chunk, sizeof(chunk))) > 0)
		assert_int_equal(buf_add(out, chunk, (size_t)n), 0);
	close(in);
	close(words);
	unlink(name);
	unlink(out_name);
}

/* Is `word` among the words, right after `before`? */
static bool follows(const struct buf *words, const char *before, const char *word)
{
	const char *at = words->data, *end = words->data + words->len;
	bool after = false;

	for (; at < end; at += strlen(at) + 1) {
		if (after && strcmp(at, word) == 0)
			return true;
		after = strcmp(at, before) == 0;
	}
	return false;
}

static void check_value(const char *value)
{
	CLEANUP_JSON json_t *options = json_pack("{s:{s:s},s:{s:s},s:[s,s],s:s,s:{s:[s,s]}}",
	    "environment", "KEY", value, "labels", "l", value, "command", "first", value, "user",
	    value, "healthcheck", "test", "CMD-SHELL", value);
	CLEANUP_FREE char *line = container_run_line(&shop, options, "image:tag");
	CLEANUP_FREE char *variable = string_printf("KEY=%s", value);
	CLEANUP_FREE char *label = string_printf("l=%s", value);
	CLEANUP_BUF struct buf words = BUF_INIT(16 << 20);

	assert_non_null(line);
	read_by_sh(line, &words);
	assert_string_equal(words.data, "run");
	assert_true(follows(&words, "--name", "shop.prod.web"));
	assert_true(follows(&words, "--env", variable));
	assert_true(follows(&words, "--label", label));
	assert_true(follows(&words, "--user", value));
	assert_true(follows(&words, "--health-cmd", value));
	assert_true(follows(&words, "image:tag", "first"));
	assert_true(follows(&words, "first", value));
}

static void sh_gives_back_every_byte(void **state UNUSED)
{
	static const char *const values[] = {"plain", "$(touch /tmp/shipit-was-run)",
	    "`touch /tmp/shipit-was-run`", "a\nb\r\n\n", "it's", "'", "''", "'\\''", "\\",
	    "\"$HOME\"", "; touch /tmp/shipit-was-run;", "&& true", "*", "?", "[a-z]*", "~",
	    "~root", "{a,b}", "#x", "!!", "-v", "--", "=", "a=b", "\t", " ",
	    "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\xa2", "\x1b[31m", "\x01\x02\x7f", "\xe2\x80\xae",
	    "%s%n\\n\\0", ">/tmp/shipit-was-run", "|", "(", "\n"};

	unlink("/tmp/shipit-was-run");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		check_value(values[i]);
	assert_int_equal(access("/tmp/shipit-was-run", F_OK), -1);
}

static void sh_gives_back_anything(void **state UNUSED)
{
	static const char odd[] = "'\"\\$`\n\t !#&*()[]{};<>?~|^=%-abc";
	uint64_t random = 11;

	for (int round = 0; round < 60; round++) {
		char value[40];
		size_t n = check_below(&random, sizeof(value));

		for (size_t i = 0; i < n; i++)
			value[i] = odd[check_below(&random, sizeof(odd) - 1)];
		value[n < sizeof(value) ? n : n - 1] = '\0';
		check_value(value);
	}
}

static void sh_gives_back_a_hundred_kilobytes(void **state UNUSED)
{
	enum { LEN = 100 * 1000 };
	CLEANUP_FREE char *value = malloc(LEN + 1);

	assert_non_null(value);
	for (size_t i = 0; i < LEN; i++)
		value[i] = "x'\n$"[i % 4];
	value[LEN] = '\0';
	check_value(value);
}

/* Words of a healthcheck are quoted twice: for the line's shell and for the container's. */
static void words_of_a_healthcheck_survive_two_shells(void **state UNUSED)
{
	CLEANUP_JSON json_t *options = json_of(
	    "{\"healthcheck\":{\"test\":[\"CMD\",\"docker\",\"it's $HOME\",\"\",\"a\\nb\"]}}");
	CLEANUP_FREE char *line = container_run_line(&shop, options, "image");
	CLEANUP_BUF struct buf words = BUF_INIT(1 << 20), inner = BUF_INIT(1 << 20);
	const char *at;

	read_by_sh(line, &words);
	for (at = words.data; strcmp(at, "--health-cmd") != 0; at += strlen(at) + 1)
		assert_true(at < words.data + words.len);
	read_by_sh(at + strlen(at) + 1, &inner);
	assert_int_equal(inner.len, sizeof("it's $HOME\0\0a\nb"));
	assert_memory_equal(inner.data, "it's $HOME\0\0a\nb", inner.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_as_ever),
	    cmocka_unit_test(sh_gives_back_every_byte),
	    cmocka_unit_test(sh_gives_back_anything),
	    cmocka_unit_test(sh_gives_back_a_hundred_kilobytes),
	    cmocka_unit_test(words_of_a_healthcheck_survive_two_shells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
