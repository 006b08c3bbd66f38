/* Logging in, ways to the host, and many at once. */
#include "tests/e2e/session/suite.h"

struct answers {
	const char *const *v;
	int asked;
};

static char *answer(void *context, const char *host, const char *text, bool echo)
{
	struct answers *answers = context;
	const char *next = answers->v[answers->asked];

	assert_string_equal(host, "127.0.0.1");
	assert_non_null(text);
	assert_false(echo);
	answers->asked++;
	return next != NULL ? strdup(next) : NULL;
}

static void test_login_passphrase(void **state)
{
	const char *const wrong_right[] = {"wrong", "open sesame", NULL};
	const char *const nobody[] = {NULL};
	const char *const wrong[] = {"a", "b", "c", NULL};
	struct answers answers = {.v = wrong_right};
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "");
	use_identity(&server, "id_locked", "none");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, "id_locked", by_openssh() ? "" : "nobody could be asked");
	target.prompt = answer;
	target.log = NULL;
	target.context = &answers;
	expect_login(&target);
	assert_int_equal(answers.asked, 2);
	answers = (struct answers){.v = nobody};
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "id_locked" : "nobody could be asked");
	answers = (struct answers){.v = wrong};
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "id_locked" : "wrong passphrase");
	assert_int_equal(answers.asked, 3);
	/* A key that the host does not want: nobody is asked. */
	runf("cp %s/id_locked %s/id_unwanted && cp %s/id_locked.pub %s/id_unwanted.pub && "
	     "ssh-keygen -q -t ed25519 -N secret -f %s/id_unknown",
	    top, top, top, top, top);
	use_identity(&server, "id_unknown", "none");
	answers = (struct answers){.v = wrong};
	REFUSED(&target, ERROR_AUTH, "id_unknown");
	assert_int_equal(answers.asked, 0);
	server_stop(&server);
}

static void test_login_refused(void **state)
{
	const char *const wrong[] = {"wrong", "wrong", "wrong", NULL};
	struct answers answers = {.v = wrong};
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "");
	use_identity(&server, "id_stranger", "none");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, "id_stranger", "publickey", "ssh-copy-id");
	use_identity(&server, "id_rsa", "none");
	if (by_openssh())
		expect_login(&target);
	else
		REFUSED(&target, ERROR_AUTH, "id_rsa", "RSA", "ssh-add");
	use_identity(&server, "missing", "/nowhere/agent");
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "no ssh agent at /nowhere/agent");
	runf("cp %s/id_ed25519 %s/id_open && chmod 644 %s/id_open", top, top, top);
	use_identity(&server, "id_open", "none");
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "others may read it");
	server_stop(&server);
	/* The key is right and only half of it. */
	server_start(&server, "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
			      "AuthenticationMethods publickey,password");
	target = target_of(&server);
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "accepted, but the host wants more",
	    "password");
	target.prompt = answer;
	target.log = NULL;
	target.context = &answers;
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "accepted, but the host wants more",
	    "password");
	assert_int_equal(answers.asked, 3);
	server_stop(&server);
}

static void test_login_two_keys(void **state)
{
	struct server server;
	struct session_target target;

	(void)state;
	server_start(&server, "AuthenticationMethods publickey,publickey");
	runf("echo 'IdentityFile %s/id_ecdsa' >> %s/ssh_config", top, server.dir);
	target = target_of(&server);
	expect_login(&target);
	server_stop(&server);
}

static void test_login_agent(void **state)
{
	char agent[128], log[256];
	const char *argv[] = {"ssh-agent", "-D", "-a", agent, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}};
	struct server server;
	struct session_target target;
	struct error err = {0};
	pid_t pid;

	(void)state;
	snprintf(agent, sizeof(agent), "%s/agent", top);
	snprintf(log, sizeof(log), "SSH_AUTH_SOCK=%s ssh-add -q", agent);
	assert_int_equal(proc_spawn(&options, &pid, &err), 0);
	for (int i = 0; i < 500 && access(agent, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	server_start(&server, "");
	target = target_of(&server);
	/* The public key alone says which of the agent's keys is meant. */
	runf("cd %s && mkdir agentkeys && cp id_ed25519.pub agentkeys/", top);
	use_identity(&server, "agentkeys/id_ed25519", agent);
	runf("cd %s && %s id_stranger id_ed25519 2>/dev/null", top, log);
	expect_login(&target);
	runf("%s -D 2>/dev/null; cd %s && %s id_rsa 2>/dev/null", log, top, log);
	REFUSED(&target, ERROR_AUTH, "refused"); /* IdentitiesOnly */
	runf("sed -i '/IdentitiesOnly/d' %s/ssh_config", server.dir);
	expect_login(&target); /* an RSA key, with SHA-2 */
	runf("%s -D 2>/dev/null; cd %s && %s id_ecdsa id_stranger 2>/dev/null", log, top, log);
	expect_login(&target);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	REFUSED(&target, ERROR_AUTH, by_openssh() ? "" : "no ssh agent");
	server_stop(&server);
}

static void test_proxy(void **state)
{
	struct server server;
	struct session_target target;
	char text[SMALL];
	struct session *session;

	(void)state;
	server_start(&server, "");
	runf("cd %s && printf 'Host jump\\nHostName 127.0.0.1\\nPort %d\\n"
	     "Host inner\\nHostName 127.0.0.1\\nProxyJump jump\\n' "
	     "> first && cat ssh_config >> first && mv first ssh_config && "
	     "echo 'StrictHostKeyChecking yes' >> ssh_config",
	    server.dir, server.port);
	target = target_of(&server);
	target.name = "inner";
	session = open_target(&target);
	assert_int_equal(exec_status(session, "echo there", text), 0);
	assert_string_equal(text, "there\n");
	session_close(session);
	runf("sed -i 's|^ProxyJump.*|ProxyCommand echo bad luck with %%h port %%p >\\&2; exit 1|' "
	     "%s/ssh_config",
	    server.dir);
	REFUSED(&target, ERROR_UNREACHABLE, by_openssh() ? "" : "bad luck with 127.0.0.1 port");
	server_stop(&server);
}

enum { MOST = 200 };

static void *open_thread(void *argument)
{
	struct session_target *target = argument;
	struct session *session = NULL;
	struct error err = {0};
	char text[SMALL];
	struct session_exec exec;
	int status = -1;

	if (session_open(target, &session, &err) < 0) {
		fprintf(stderr, "  %s\n", error_text(&err));
		error_release(&err);
		return NULL;
	}
	if (session_exec(session, "echo me", &exec, &err) == 0) {
		read_all(exec.out, text);
		session_exec_wait(session, exec.id, clock_now_ms() + 20000, &status, &err);
		close(exec.in);
		close(exec.out);
		close(exec.err);
	}
	return status == 0 && strcmp(text, "me\n") == 0 ? session : NULL;
}

/* All at the same time; each must get in. */
static void open_all(struct session_target *target, struct session **sessions, int n)
{
	pthread_t threads[MOST];

	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, open_thread, target);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], (void **)&sessions[i]);
}

static void close_all(struct session **sessions, int n)
{
	for (int i = 0; i < n; i++) {
		assert_non_null(sessions[i]);
		session_close(sessions[i]);
	}
}

/* As many as a rollout may have, to one machine with sshd's own limit: each gets in within the
 * usual time after its turn has come, and all together take little memory. */
static void test_many(void **state)
{
	enum { MEMORY_KB = 60000 };
	/* `tests/run bench many` has as many masters, too. */
	int many = SANITIZED || by_openssh() ? 50 : MOST;
	struct rusage usage;
	struct server server;
	struct session_target target;
	struct session *sessions[MOST];

	(void)state;
	server_start(&server, "MaxStartups 10:30:100");
	target = target_of(&server);
	open_all(&target, sessions, many);
	getrusage(RUSAGE_SELF, &usage);
	if (!SANITIZED)
		assert_in_range(usage.ru_maxrss, 1, MEMORY_KB);
	close_all(sessions, many);
	server_stop(&server);
}

/* sshd hangs up on those that are too many at once; they come again. */
static void test_throttled(void **state)
{
	enum { MANY = 8 };
	struct server server;
	struct session_target target;
	struct session *sessions[MANY];

	(void)state;
	server_start(&server, "MaxStartups 3:100:3");
	target = target_of(&server);
	target.connect_timeout_ms = 120000;
	open_all(&target, sessions, MANY);
	close_all(sessions, MANY);
	server_stop(&server);
}

SUITE(TEST(test_login_passphrase), TEST(test_login_refused), TEST(test_login_two_keys),
    TEST(test_login_agent), TEST(test_proxy), TEST(test_many), TEST(test_throttled))
