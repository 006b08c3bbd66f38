/* `transport: auto` against servers, keys and ways that matter: wherever `ssh` gets in, we do, and
 * by the transport that is expected. Each cell is a line of the table below.
 *
 *   session_auto_test [PART-OF-A-NAME] */
#include <libssh2.h>

#include "session_help.h"

enum way { DIRECT, JUMP, TWO_JUMPS, COMMAND };
enum by { LIBSSH2, OPENSSH };

#define HARDENED "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com"

static const struct cell {
	const char *name;
	const char *server; /* lines of sshd_config; "TOP" is the folder of the keys */
	const char *key;    /* the identity file */
	bool agent;	    /* it is in an agent, and only FILE.pub is there */
	enum way way;
	enum by by;
} cells[] = {
    {"ed25519", "", "id_ed25519", false, DIRECT, LIBSSH2},
    {"ed25519, passphrase", "", "id_locked", false, DIRECT, LIBSSH2},
    {"ed25519, agent", "", "id_ed25519", true, DIRECT, LIBSSH2},
    {"ecdsa", "", "id_ecdsa", false, DIRECT, LIBSSH2},
    {"ecdsa, passphrase", "", "id_ecdsa_locked", false, DIRECT, LIBSSH2},
    {"ecdsa, agent", "", "id_ecdsa", true, DIRECT, LIBSSH2},
    {"RSA", "", "id_rsa3072", false, DIRECT, OPENSSH},
    {"RSA, passphrase", "", "id_rsa_locked", false, DIRECT, OPENSSH},
    {"RSA, agent", "", "id_rsa3072", true, DIRECT, LIBSSH2},
    {"certificate", "", "id_signed", false, DIRECT, OPENSSH},
    {"chacha20 and GCM", HARDENED, "id_ed25519", false, DIRECT, OPENSSH},
    {"chacha20 and GCM, RSA", HARDENED, "id_rsa3072", false, DIRECT, OPENSSH},
    {"EtM", "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com", "id_ed25519", false, DIRECT,
	OPENSSH},
    {"sntrup", "KexAlgorithms sntrup761x25519-sha512@openssh.com", "id_ed25519", false, DIRECT,
	OPENSSH},
    {"RSA host key", "HostKey TOP/host_rsa\nHostKeyAlgorithms rsa-sha2-512", "id_ed25519", false,
	DIRECT, OPENSSH},
    {"host certificate", "HostCertificate TOP/host_ed25519-cert.pub", "id_ed25519", false, DIRECT,
	OPENSSH},
    {"MaxStartups", "MaxStartups 2:50:5", "id_ed25519", false, DIRECT, LIBSSH2},
    {"MaxSessions", "MaxSessions 2", "id_ed25519", false, DIRECT, LIBSSH2},
    {"MaxSessions, RSA", "MaxSessions 2", "id_rsa3072", false, DIRECT, OPENSSH},
    {"jump", "", "id_ed25519", false, JUMP, LIBSSH2},
    {"jump, RSA", "", "id_rsa3072", false, JUMP, OPENSSH},
    {"jump, RSA, agent", "", "id_rsa3072", true, JUMP, LIBSSH2},
    {"jump, certificate", "", "id_signed", false, JUMP, OPENSSH},
    {"jump, chacha20 and GCM", HARDENED, "id_ed25519", false, JUMP, OPENSSH},
    {"two jumps", "", "id_ed25519", false, TWO_JUMPS, LIBSSH2},
    {"two jumps, certificate", "", "id_signed", false, TWO_JUMPS, OPENSSH},
    {"ProxyCommand", "", "id_ed25519", false, COMMAND, LIBSSH2},
    {"ProxyCommand, RSA", "", "id_rsa3072", false, COMMAND, OPENSSH},
    {"ProxyCommand, EtM", "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com", "id_ed25519",
	false, COMMAND, OPENSSH},
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
	bool rsa_host = strstr(cell->server, "host_rsa") != NULL;
	bool signed_host = strstr(cell->server, "HostCertificate") != NULL;
	char folder[16] = "";

	if (cell->way == COMMAND)
		snprintf(way, sizeof(way),
		    "ProxyCommand ssh -F %s/ssh_config -W [%%%%h]:%%%%p jump1", server->dir);
	else if (cell->way != DIRECT)
		snprintf(way, sizeof(way), "ProxyJump jump1%s", cell->way == JUMP ? "" : ",jump2");
	if (cell->agent)
		snprintf(folder, sizeof(folder), "public/");
	runf("cd %s && { printf '%s[127.0.0.1]:%d '; cut -d' ' -f1,2 ../%s; } > known_hosts",
	    server->dir, signed_host ? "@cert-authority " : "", server->port,
	    signed_host ? "ca.pub"
	    : rsa_host	? "host_rsa.pub"
			: "host_ed25519.pub");
	runf("cd %s && printf 'Host jump1 jump2\\nIdentityFile %s/id_ed25519\\n"
	     "Host inner\\nIdentityFile %s/%s%s\\nIdentityAgent %s\\n%s\\n"
	     "Host *\\nHostName 127.0.0.1\\nPort %d\\nUserKnownHostsFile %s/known_hosts\\n"
	     "GlobalKnownHostsFile none\\nIdentitiesOnly yes\\nIdentityAgent none\\n"
	     "StrictHostKeyChecking yes\\n' > ssh_config",
	    server->dir, top, top, folder, cell->key, cell->agent ? agent : "none", way,
	    server->port, server->dir);
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

static void try_cell(const struct cell *cell)
{
	struct server server;
	struct session_target target;
	struct session *session;
	char lines[1024], extra[512];
	const char *mark = strstr(cell->server, "TOP");
	bool by_ssh = false;

	if (mark != NULL)
		snprintf(extra, sizeof(extra), "%.*s%s%s", (int)(mark - cell->server), cell->server,
		    top, mark + 3);
	else
		snprintf(extra, sizeof(extra), "%s", cell->server);
	snprintf(lines, sizeof(lines), "%s\nTrustedUserCAKeys %s/ca.pub", extra, top);
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
	only = argc > 1 ? argv[1] : "";
	verbose = getenv("VERBOSE") != NULL;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
