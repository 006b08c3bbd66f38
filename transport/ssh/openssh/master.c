#include "transport/ssh/openssh/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/child.h"
#include "transport/ssh/known.h"
#include "transport/socket.h"
#include "transport/ssh/trace.h"

enum {
	ALIVE_S = 5,
	ALIVE_COUNT = 3,
	LINE_MAX_BYTES = 16 * 1024,
	CONTROL_SUFFIX = 17, /* ssh makes its socket as PATH.RANDOM first */
};

/* --- the command line */

/* The order of OpenSSH's own choice is for the slowest machines; GCM carries twice as much on one
 * with AES instructions. Whoever chose for himself keeps his choice. */
static const char *prefer(const char *ciphers)
{
	static const struct {
		const char *listed, *better;
	} orders[] = {
	    {"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,"
	     "aes128-gcm@openssh.com,aes256-gcm@openssh.com",
		"aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,"
		"aes256-ctr,aes256-gcm@openssh.com"},
	    {"chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
	     "aes128-ctr,aes192-ctr,aes256-ctr",
		"aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,"
		"aes128-ctr,aes192-ctr,aes256-ctr"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(orders) && ciphers != NULL; i++)
		if (strcmp(ciphers, orders[i].listed) == 0)
			return orders[i].better;
	return NULL;
}

static int add_target(
    struct strv *argv, const struct session_target *target, const struct ssh_config *config)
{
	const char *ciphers = prefer(config->ciphers);

	if ((target->config != NULL &&
		(strv_add(argv, "-F") < 0 || strv_add(argv, target->config) < 0)) ||
	    (target->user != NULL && strv_addf(argv, "-oUser=%s", target->user) < 0) ||
	    (target->port > 0 && strv_addf(argv, "-oPort=%d", target->port) < 0) ||
	    (target->address != NULL && strv_addf(argv, "-oHostName=%s", target->address) < 0) ||
	    (ciphers != NULL && strv_addf(argv, "-oCiphers=%s", ciphers) < 0))
		return -1;
	return 0;
}

/* A pinned key is the only word on it: nothing else that the configuration trusts may say yes. */
static int add_host_key(
    struct strv *argv, const struct master *master, const struct ssh_config *config)
{
	if (strv_addf(argv, "-oStrictHostKeyChecking=%s",
		master->accept_new ? "accept-new" : "yes") < 0 ||
	    strv_add(argv, "-oUpdateHostKeys=no") < 0)
		return -1;
	if (master->known == NULL)
		return 0;
	if (config->known_hosts_command != NULL && strv_add(argv, "-oKnownHostsCommand=none") < 0)
		return -1;
	return strv_add(argv, "-oVerifyHostKeyDNS=no") < 0 ||
		       strv_addf(argv, "-oUserKnownHostsFile=\"%s\"", master->known) < 0 ||
		       strv_add(argv, "-oGlobalKnownHostsFile=/dev/null") < 0 ||
		       strv_add(argv, "-oHostKeyAlias=pinned") < 0
		   ? -1
		   : 0;
}

int master_argv(const struct master *master, const struct session_target *target,
    const struct ssh_config *config, int seconds, struct strv *argv, struct error *err)
{
	static const char *const fixed[] = {"ssh", "-M", "-N", "-oControlPersist=no",
	    "-oClearAllForwardings=yes", "-oExitOnForwardFailure=no", "-oForwardAgent=no",
	    "-oForwardX11=no", "-oRequestTTY=no", "-oRemoteCommand=none", "-oPermitLocalCommand=no",
	    "-oEscapeChar=none", "-oConnectionAttempts=1", "-oLogLevel=DEBUG1"};
	int alive = config->alive_interval_s > 0 && config->alive_interval_s < ALIVE_S
			? config->alive_interval_s
			: ALIVE_S;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (strv_add(argv, fixed[i]) < 0)
			return error_memory(err);
	if (strv_addf(argv, "-oControlPath=\"%s\"", master->control) < 0 ||
	    strv_addf(argv, "-oServerAliveInterval=%d", alive) < 0 ||
	    strv_addf(argv, "-oServerAliveCountMax=%d", ALIVE_COUNT) < 0 ||
	    strv_addf(argv, "-oConnectTimeout=%d", seconds > 0 ? seconds : 1) < 0 ||
	    add_host_key(argv, master, config) < 0 ||
	    (config->knows_fork && strv_add(argv, "-oForkAfterAuthentication=no") < 0) ||
	    add_target(argv, target, config) < 0 || strv_add(argv, "--") < 0 ||
	    strv_add(argv, target->name) < 0)
		return error_memory(err);
	return 0;
}

/* --- the child */

static int write_pinned(struct master *master, const char *key, struct error *err)
{
	CLEANUP_FREE char *line = string_printf("pinned %s\n", key);
	CLEANUP_CLOSE int fd = open(master->known, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (line == NULL)
		return error_memory(err);
	if (fd < 0 || fd_write_all(fd, line, strlen(line)) < 0)
		return error_errno(err, errno, "cannot write %s", master->known);
	return 0;
}

/* ssh itself would take a key of a type that is not known for a host of which others are. */
static int allow_new(struct master *master, const struct opening *opening, struct error *err)
{
	const struct ssh_config *config = opening->config;
	struct known_keys keys = {0};

	if (!config->accept_new || master->known != NULL)
		return 0;
	if (known_find(config, opening->deadline_ms, opening->target->cancel_fd, &keys, err) < 0)
		return -1;
	master->accept_new = keys.n == 0 && config->known_hosts_command == NULL;
	known_release(&keys);
	return 0;
}

static int prepare(struct master *master, const struct session_target *target, struct error *err)
{
	said_init(&master->said);
	buf_init(&master->line, LINE_MAX_BYTES);
	master->errors = master->life = -1;
	master->control = socket_name(target->run_dir, err);
	if (master->control == NULL)
		return -1;
	if (strlen(master->control) + CONTROL_SUFFIX >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_errno(err, ENAMETOOLONG, "ssh's control socket %s", master->control);
	if (target->host_key == NULL)
		return 0;
	master->known = socket_name(target->run_dir, err);
	return master->known != NULL ? write_pinned(master, target->host_key, err) : -1;
}

/* However this process ends: a master without it would hold its connection, and the listeners on
 * the host, for ever. The guard reads from a pipe that nobody writes to, and at its end ends ssh.
 */
static const char guard[] = "\"$@\" </dev/null & exec 2>/dev/null; read -r x; kill $!";

static int guard_argv(struct strv *argv, const struct strv *ssh)
{
	if (strv_add(argv, "/bin/sh") < 0 || strv_add(argv, "-c") < 0 ||
	    strv_add(argv, guard) < 0 || strv_add(argv, "sh") < 0)
		return -1;
	for (size_t i = 0; i < ssh->n; i++)
		if (strv_add(argv, ssh->v[i]) < 0)
			return -1;
	return 0;
}

static int spawn_guarded(struct master *master, struct proc_options *options, struct error *err)
{
	int life[2], said[2];
	int rc;

	if (fd_pipe(life) < 0)
		return error_errno(err, errno, "a pipe for ssh");
	if (fd_pipe(said) < 0) {
		rc = error_errno(err, errno, "a pipe for ssh");
		close(life[0]);
		close(life[1]);
		return rc;
	}
	options->fds[0] = life[0];
	options->fds[2] = said[1];
	rc = proc_spawn(options, &master->pid, err);
	close(life[0]);
	close(said[1]);
	master->life = life[1];
	master->errors = said[0];
	fd_nonblock(said[0]);
	if (rc == 0)
		return 0;
	master->pid = 0;
	master_kill(master, 0);
	return error_wrap(err, "starting ssh");
}

static int spawn(
    struct master *master, const struct ask *ask, const struct strv *ssh, struct error *err)
{
	CLEANUP_STRV struct strv env = {0}, argv = {0};
	struct proc_options options = {.own_group = 1, .fds = {-1, -1, -1}};

	if (guard_argv(&argv, ssh) < 0)
		return error_memory(err);
	if (ask_environment(ask, &env, err) < 0)
		return -1;
	options.argv = (const char *const *)argv.v;
	options.env = (const char *const *)env.v;
	return spawn_guarded(master, &options, err);
}

static void hear(struct master *master, const struct trace *trace, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			buf_addc(&master->line, data[i]); /* what is too long is cut */
			continue;
		}
		while (master->line.len > 0 && master->line.data[master->line.len - 1] == '\r')
			master->line.data[--master->line.len] = '\0';
		trace_line(trace, TRACE_LONG, "ssh: %s", master->line.data);
		said_line(&master->said, master->line.data);
		buf_clear(&master->line);
	}
}

bool master_listen(struct master *master, const struct session_target *target)
{
	const struct trace trace = {target->log, target->context, target->name};
	char data[4096];
	ssize_t n;

	while ((n = read(master->errors, data, sizeof(data))) > 0)
		hear(master, &trace, data, (size_t)n);
	return n < 0 && fd_is_for_later(errno);
}

/* --- until it is there */

static int wait_ready(
    struct master *master, const struct ask *ask, struct opening *opening, struct error *err)
{
	const struct session_target *target = opening->target;

	while (master->said.phase < SAID_READY) {
		struct pollfd slots[3] = {{.fd = master->errors, .events = POLLIN},
		    {.fd = ask->fd, .events = POLLIN}, {.fd = target->cancel_fd, .events = POLLIN}};
		int n = poll(slots, 3, clock_left_ms(opening->deadline_ms));
		int64_t now = clock_now_ms();

		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "poll");
		if (n > 0 && slots[2].revents != 0)
			return error_set(err, ERROR_CANCELLED, "cancelled");
		if (n == 0) {
			error_set(err, ERROR_TIMEOUT, "%s: the host did not answer in time",
			    said_phase_name(&master->said));
			return error_hint(err, "does `ssh %s` work?", target->name);
		}
		if (n > 0 && slots[1].revents != 0) {
			ask_answer(ask, target);
			opening->deadline_ms += clock_now_ms() - now;
		}
		if (n > 0 && slots[0].revents != 0 && !master_listen(master, target) &&
		    master->said.phase < SAID_READY)
			return said_why(&master->said, target->name, master->known != NULL, err);
	}
	return 0;
}

static int attempt(
    struct master *master, const struct ask *ask, struct opening *opening, struct error *err)
{
	const struct ssh_config *config = opening->config;
	CLEANUP_STRV struct strv argv = {0};
	int64_t left = (opening->deadline_ms - clock_now_ms() + 999) / 1000;

	/* ssh counts the time that a person takes, too: our own clock is the one that ends it. */
	if (ask->fd >= 0)
		left += 3600;
	if (config->connect_timeout_ms > 0 && left > config->connect_timeout_ms / 1000)
		left = config->connect_timeout_ms / 1000;
	if (master_argv(master, opening->target, config, (int)left, &argv, err) < 0 ||
	    spawn(master, ask, &argv, err) < 0)
		return -1;
	return wait_ready(master, ask, opening, err);
}

void master_let_go(struct master *master)
{
	if (master->life >= 0)
		close(master->life);
	master->life = -1;
}

void master_kill(struct master *master, int grace_ms)
{
	master_let_go(master);
	if (master->pid > 0)
		child_stop(master->pid, grace_ms);
	if (master->errors >= 0)
		close(master->errors);
	master->pid = 0;
	master->errors = -1;
}

static int try_until_ready(
    struct master *master, const struct ask *ask, struct opening *opening, struct error *err)
{
	const struct session_target *target = opening->target;
	const struct trace trace = {target->log, target->context, target->name};

	for (;;) {
		if (attempt(master, ask, opening, err) == 0)
			return 0;
		master_kill(master, 0);
		if (err->kind == ERROR_CANCELLED || !said_throttled(&master->said) ||
		    admission_retry(opening->admission, opening->deadline_ms, err) < 0)
			return -1;
		trace_line(&trace, TRACE_SHORT, "hung up before its banner; once more");
		said_release(&master->said);
		said_init(&master->said);
	}
}

int master_start(struct master *master, const struct opening *opening, struct error *err)
{
	const struct session_target *target = opening->target;
	struct opening own = *opening;
	struct ask ask;
	int rc;

	if (prepare(master, target, err) < 0 || allow_new(master, opening, err) < 0 ||
	    ask_open(&ask, target->run_dir, target->prompt != NULL, err) < 0)
		return -1;
	rc = try_until_ready(master, &ask, &own, err);
	ask_close(&ask);
	return rc;
}

static void remove_file(char *path)
{
	if (path != NULL)
		unlink(path);
	free(path);
}

void master_stop(struct master *master, int grace_ms)
{
	master_kill(master, grace_ms);
	remove_file(master->control);
	remove_file(master->known);
	said_release(&master->said);
	buf_release(&master->line);
	*master = (struct master){.errors = -1, .life = -1};
}
