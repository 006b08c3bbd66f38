/* `transport: auto` against servers, keys and ways that matter: wherever `ssh` gets in, we do, and
 * by the transport that is expected. Each cell is a line of the table below.
 *
 *   auto_test [PART-OF-A-NAME] */
#include <libssh2.h>

#include "tests/e2e/session/server.h"

enum way { DIRECT, JUMP, TWO_JUMPS, COMMAND };
enum by { LIBSSH2, OPENSSH };
enum kind { SSHD, DROPBEAR };

#define HARDENED "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com"

static const struct cell {
	const char *name;
	const char *key;    /* the identity file */
	bool agent;	    /* it is in an agent, and only FILE.pub is there */
	enum kind kind;	    /* of server */
	const char *server; /* lines of sshd_config; "TOP" is the folder of the keys */
	const char *client; /* lines of ssh_config for the host */
	const char *log;    /* what sshd must have said */
	enum way way;
	const char *jump_key; /* NULL: one without a passphrase */
	enum by by;
} cells[] = {
    {.name = "ed25519", .key = "id_ed25519"},
    {.name = "ed25519, passphrase", .key = "id_locked"},
    {.name = "ed25519, agent", .key = "id_ed25519", .agent = true},
    {.name = "ecdsa", .key = "id_ecdsa"},
    {.name = "ecdsa, passphrase", .key = "id_ecdsa_locked"},
    {.name = "ecdsa, agent", .key = "id_ecdsa", .agent = true},
    {.name = "RSA", .key = "id_rsa3072", .by = OPENSSH},
    {.name = "RSA, passphrase", .key = "id_rsa_locked", .by = OPENSSH},
    {.name = "RSA, agent", .key = "id_rsa3072", .agent = true},
    {.name = "certificate", .key = "id_signed", .by = OPENSSH},
    {.name = "chacha20 and GCM", .key = "id_ed25519", .server = HARDENED, .by = OPENSSH},
    {.name = "chacha20 and GCM, RSA", .key = "id_rsa3072", .server = HARDENED, .by = OPENSSH},
    {.name = "EtM",
	.key = "id_ed25519",
	.server = "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com",
	.by = OPENSSH},
    {.name = "sntrup",
	.key = "id_ed25519",
	.server = "KexAlgorithms sntrup761x25519-sha512@openssh.com",
	.by = OPENSSH},
    {.name = "RSA host key",
	.key = "id_ed25519",
	.server = "HostKey TOP/host_rsa\nHostKeyAlgorithms rsa-sha2-512",
	.by = OPENSSH},
    {.name = "host certificate",
	.key = "id_ed25519",
	.server = "HostCertificate TOP/host_ed25519-cert.pub",
	.by = OPENSSH},
    {.name = "MaxStartups", .key = "id_ed25519", .server = "MaxStartups 2:50:5"},
    {.name = "MaxSessions", .key = "id_ed25519", .server = "MaxSessions 2"},
    {.name = "MaxSessions, RSA", .key = "id_rsa3072", .server = "MaxSessions 2", .by = OPENSSH},
    {.name = "jump", .key = "id_ed25519", .way = JUMP},
    {.name = "jump, RSA", .key = "id_rsa3072", .way = JUMP, .by = OPENSSH},
    {.name = "jump, RSA, agent", .key = "id_rsa3072", .agent = true, .way = JUMP},
    {.name = "jump, certificate", .key = "id_signed", .way = JUMP, .by = OPENSSH},
    {.name = "jump, chacha20 and GCM",
	.key = "id_ed25519",
	.server = HARDENED,
	.way = JUMP,
	.by = OPENSSH},
    {.name = "jump that asks",
	.key = "id_ed25519",
	.way = JUMP,
	.jump_key = "id_locked",
	.by = OPENSSH},
    {.name = "two jumps", .key = "id_ed25519", .way = TWO_JUMPS},
    {.name = "two jumps, certificate", .key = "id_signed", .way = TWO_JUMPS, .by = OPENSSH},
    {.name = "ProxyCommand", .key = "id_ed25519", .way = COMMAND},
    {.name = "ProxyCommand, RSA", .key = "id_rsa3072", .way = COMMAND, .by = OPENSSH},
    {.name = "ProxyCommand, EtM",
	.key = "id_ed25519",
	.server = "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com",
	.way = COMMAND,
	.by = OPENSSH},
    {.name = "IPv6", .key = "id_ed25519", .client = "HostName ::1"},
    {.name = "IPv6, RSA", .key = "id_rsa3072", .client = "HostName ::1", .by = OPENSSH},
    {.name = "IPv6, jump", .key = "id_ed25519", .client = "HostName ::1", .way = JUMP},
    {.name = "BindAddress",
	.key = "id_ed25519",
	.client = "BindAddress 127.0.0.9",
	.log = "from 127.0.0.9"},
    {.name = "Dropbear", .key = "id_ed25519", .kind = DROPBEAR},
    {.name = "Dropbear, agent", .key = "id_ed25519", .agent = true, .kind = DROPBEAR},
    {.name = "Dropbear, ecdsa", .key = "id_ecdsa", .kind = DROPBEAR},
    {.name = "Dropbear, RSA", .key = "id_rsa3072", .kind = DROPBEAR, .by = OPENSSH},
    {.name = "Dropbear, jump", .key = "id_ed25519", .kind = DROPBEAR, .way = JUMP},
    {.name = "user's ciphers",
	.key = "id_ed25519",
	.client = "Ciphers aes256-ctr",
	.log = "cipher: aes256-ctr"},
    {.name = "user's ciphers, not ours",
	.key = "id_ed25519",
	.client = "Ciphers chacha20-poly1305@openssh.com",
	.by = OPENSSH},
    {.name = "user's MACs, not ours",
	.key = "id_ed25519",
	.client = "MACs umac-128-etm@openssh.com",
	.by = OPENSSH},
    {.name = "user's key exchange",
	.key = "id_ed25519",
	.client = "KexAlgorithms ecdh-sha2-nistp521",
	.log = "algorithm: ecdh-sha2-nistp521"},
};

static char agent[128];
static pid_t agent_pid;

static int set_up(void **state)
{
	const char *argv[] = {"ssh-agent", "-D", "-a", agent, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}};
	struct error err = {0};

	make_keys(state);
	runf("cd %s && ssh-keygen -q -t rsa -b 3072 -N '' -f id_rsa3072 && "
	     "ssh-keygen -q -t rsa -b 3072 -N 'open sesame' -f id_rsa_locked && "
	     "ssh-keygen -q -t rsa -b 3072 -N '' -f host_rsa && "
	     "ssh-keygen -q -t ecdsa -N 'open sesame' -f id_ecdsa_locked && "
	     "for k in ca id_signed; do ssh-keygen -q -t ed25519 -N '' -f $k; done && "
	     "ssh-keygen -q -s ca -I us -n $(id -un) id_signed.pub && "
	     "ssh-keygen -q -s ca -I host -h -n 127.0.0.1,inner host_ed25519.pub && "
	     "cat id_rsa3072.pub id_rsa_locked.pub id_ecdsa_locked.pub >> authorized_keys && "
	     "mkdir public && cp *.pub public/",
	    top);
	snprintf(agent, sizeof(agent), "%s/agent", top);
	assert_int_equal(proc_spawn(&options, &agent_pid, &err), 0);
	for (int i = 0; i < 500 && access(agent, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	runf("cd %s && SSH_AUTH_SOCK=%s ssh-add -q id_ed25519 id_ecdsa id_rsa3072 2>/dev/null", top,
	    agent);
	return 0;
}

static int tear_down(void **state)
{
	kill(agent_pid, SIGTERM);
	waitpid(agent_pid, NULL, 0);
	return remove_all(state);
}

/* Jump hosts are the same server, with a key that any transport can use. */
static void write_config(const struct cell *cell, const struct server *server)
{
	char way[512] = "";
	const char *client = cell->client != NULL ? cell->client : "";
	const char *address = strstr(client, "::1") != NULL ? "::1" : "127.0.0.1";
	const char *lines = cell->server != NULL ? cell->server : "";
	bool rsa_host = strstr(lines, "host_rsa") != NULL;
	bool signed_host = strstr(lines, "HostCertificate") != NULL;
	char folder[16] = "";

	if (cell->way == COMMAND)
		snprintf(way, sizeof(way),
		    "ProxyCommand ssh -F %s/ssh_config -W [%%%%h]:%%%%p jump1", server->dir);
	else if (cell->way != DIRECT)
		snprintf(way, sizeof(way), "ProxyJump jump1%s", cell->way == JUMP ? "" : ",jump2");
	if (cell->agent)
		snprintf(folder, sizeof(folder), "public/");
	runf("cd %s && { printf '%s[127.0.0.1]:%d,[%s]:%d '; cut -d' ' -f1,2 ../%s; } > "
	     "known_hosts",
	    server->dir, signed_host ? "@cert-authority " : "", server->port, address, server->port,
	    signed_host ? "ca.pub"
	    : rsa_host	? "host_rsa.pub"
			: "host_ed25519.pub");
	runf("cd %s && printf 'Host jump1 jump2\\nIdentityFile %s/%s\\n"
	     "Host inner\\n%s\\nIdentityFile %s/%s%s\\nIdentityAgent %s\\n%s\\n"
	     "Host *\\nHostName 127.0.0.1\\nPort %d\\nUserKnownHostsFile %s/known_hosts\\n"
	     "GlobalKnownHostsFile none\\nIdentitiesOnly yes\\nIdentityAgent none\\n"
	     "StrictHostKeyChecking yes\\n' > ssh_config",
	    server->dir, top, cell->jump_key != NULL ? cell->jump_key : "id_ed25519", client, top,
	    folder, cell->key, cell->agent ? agent : "none", way, server->port, server->dir);
}

static char *say_passphrase(
    void *context UNUSED, const char *host UNUSED, const char *text UNUSED, bool echo UNUSED)
{
	return strdup("open sesame");
}

static void hear(void *context, int level, const char *text)
{
	bool *by_ssh = context;

	if (strstr(text, "by the system's ssh") != NULL)
		*by_ssh = true;
	log_line(NULL, level, text);
}

static void use(struct session *session, const struct cell *cell)
{
	struct session_exec exec;
	struct error err = {0};
	char text[SMALL];
	int status = -1;

	if (session_exec(session, "echo in", &exec, &err) < 0)
		fail_msg("%s: %s", cell->name, error_text(&err));
	read_all(exec.out, text);
	assert_string_equal(text, "in\n");
	assert_int_equal(
	    session_exec_wait(session, exec.id, clock_now_ms() + 20000, &status, &err), 0);
	assert_int_equal(status, 0);
	close(exec.in);
	close(exec.out);
	close(exec.err);
}

/* The host key and the authorized ones are those of every server here. Dropbear looks for the
 * latter at home: it gets a root's home of its own. */
static void dropbear_start(struct server *server)
{
	char script[SMALL];
	const char *argv[] = {
	    "unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}, .own_group = 1};
	struct error err = {0};
	int64_t limit = clock_now_ms() + READY_MS;

	snprintf(server->dir, sizeof(server->dir), "%s/s%d", top, servers);
	server->number = servers++;
	server->port = free_port();
	runf("mkdir -p %s/home/.ssh && chmod 700 %s/home %s/home/.ssh && cd %s && "
	     "cp ../authorized_keys home/.ssh/ && "
	     "dropbearconvert openssh dropbear ../host_ed25519 host_key 2>/dev/null",
	    server->dir, server->dir, server->dir, server->dir);
	snprintf(script, sizeof(script),
	    "mount --bind %s/home /root && exec dropbear -F -E -s -r %s/host_key -P %s/pid "
	    "-p 127.0.0.1:%d 2>%s/log",
	    server->dir, server->dir, server->dir, server->port, server->dir);
	if (proc_spawn(&options, &server->pid, &err) < 0)
		fail_msg("dropbear: %s", error_text(&err));
	running[server->number] = server->pid;
	while (!answers(server->port)) {
		assert_true(clock_now_ms() < limit);
		poll(NULL, 0, 20);
	}
}

static void try_cell(const struct cell *cell)
{
	struct server server;
	struct session_target target;
	struct session *session;
	char lines[1024], extra[512];
	const char *wanted = cell->server != NULL ? cell->server : "";
	const char *mark = strstr(wanted, "TOP");
	bool by_ssh = false;

	if (mark != NULL)
		snprintf(
		    extra, sizeof(extra), "%.*s%s%s", (int)(mark - wanted), wanted, top, mark + 3);
	else
		snprintf(extra, sizeof(extra), "%s", wanted);
	snprintf(lines, sizeof(lines), "%s\nTrustedUserCAKeys %s/ca.pub", extra, top);
	if (cell->kind == DROPBEAR)
		dropbear_start(&server);
	else
		server_start(&server, lines);
	write_config(cell, &server);
	target = target_of(&server);
	target.transport = SESSION_AUTO;
	target.name = "inner";
	target.port = 0;
	target.prompt = say_passphrase;
	target.log = hear;
	target.context = &by_ssh;
	session = open_target(&target);
	use(session, cell);
	session_close(session);
	if (cell->log != NULL) {
		CLEANUP_FREE char *log = server_log(&server);

		if (strstr(log, cell->log) == NULL)
			fail_msg("%s: sshd did not say: %s", cell->name, cell->log);
	}
	server_stop(&server);
	printf("ok    %-26s by %s\n", cell->name, by_ssh ? "the system's ssh" : "libssh2");
	/* What libssh2 learns in time (1.11: RSA, GCM, EtM) is no mistake. */
	if (LIBSSH2_VERSION_NUM < 0x010b00)
		assert_int_equal(by_ssh, cell->by == OPENSSH);
}

static const char *only;

static void every_cell_gets_in(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		if (strstr(cells[i].name, only) != NULL)
			try_cell(&cells[i]);
}

/* Not what a wrong password, a changed or revoked key, or no ssh at all are. */
static void what_no_transport_may_do(void **state UNUSED)
{
	struct server server;
	struct session_target target;
	bool by_ssh = false;

	server_start(&server, "");
	runf("cd %s && { printf '[127.0.0.1]:%d '; cut -d' ' -f1,2 ../id_ed25519.pub; } > "
	     "known_hosts",
	    server.dir, server.port);
	target = target_of(&server);
	target.transport = SESSION_AUTO;
	target.log = hear;
	target.context = &by_ssh;
	REFUSED(&target, ERROR_HOST_KEY, "CHANGED");
	assert_false(by_ssh);
	runf("cd %s && { printf '@revoked * '; cut -d' ' -f1,2 ../host_ed25519.pub; "
	     "printf '[127.0.0.1]:%d '; cut -d' ' -f1,2 ../host_ed25519.pub; } > known_hosts",
	    server.dir, server.port);
	REFUSED(&target, ERROR_HOST_KEY, "revoked");
	assert_false(by_ssh);
	server_stop(&server);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cell_gets_in),
	    cmocka_unit_test(what_no_transport_may_do),
	};

	if (askpass_wanted())
		return askpass_run(argc, argv);
	any_exchange = true;
	only = argc > 1 ? argv[1] : "";
	verbose = getenv("VERBOSE") != NULL;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
