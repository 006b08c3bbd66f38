#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/proc.h"
#include "base/text.h"
#include "transport/ssh/child.h"
#include "transport/ssh/libssh2/connect.h"

enum { SAID_MAX = 2048, END_MS = 200 };

/* As ssh does: the user's shell, and exec so that the child is the command itself. */
static int command_argv(struct strv *argv, const char *command)
{
	const char *shell = getenv("SHELL");

	if (strv_add(argv, shell != NULL && *shell == '/' ? shell : "/bin/sh") < 0 ||
	    strv_add(argv, "-c") < 0 || strv_addf(argv, "exec %s", command) < 0)
		return -1;
	return 0;
}

/* `ssh -J FIRST,SECOND HOST` is: ssh -J FIRST -W HOST:PORT SECOND. Nobody is there to answer its
 * questions, so it must not ask any. */
static int jump_argv(struct strv *argv, const struct ssh_config *config)
{
	const char *last = strrchr(config->proxy_jump, ',');
	const char *jump = last != NULL ? last + 1 : config->proxy_jump;

	if (strv_add(argv, "ssh") < 0 || strv_add(argv, "-oBatchMode=yes") < 0 ||
	    strv_add(argv, "-oClearAllForwardings=yes") < 0 ||
	    (config->file != NULL &&
		(strv_add(argv, "-F") < 0 || strv_add(argv, config->file) < 0)) ||
	    (last != NULL &&
		(strv_add(argv, "-J") < 0 || strv_addn(argv, config->proxy_jump,
						 (size_t)(last - config->proxy_jump)) < 0)) ||
	    strv_addf(argv, "-W[%s]:%d", config->host_name, config->port) < 0)
		return -1;
	/* USER@HOST:PORT is a URI to ssh, and understood only as one. */
	if (strchr(jump, ':') != NULL && strncasecmp(jump, "ssh://", 6) != 0)
		return strv_addf(argv, "ssh://%s", jump);
	return strv_add(argv, jump);
}

static int spawn(struct proxy *proxy, const struct strv *argv, int stdio, struct error *err)
{
	struct proc_options options = {.argv = (const char *const *)argv->v, .own_group = 1};
	int said[2];
	int rc;

	if (fd_pipe(said) < 0)
		return error_errno(err, errno, "a pipe for the proxy");
	/* Nobody reads while all is well: a full pipe must not stop the proxy. */
	fd_nonblock(said[0]);
	fd_nonblock(said[1]);
	options.fds[0] = stdio;
	options.fds[1] = stdio;
	options.fds[2] = said[1];
	rc = proc_spawn(&options, &proxy->pid, err);
	close(said[1]);
	if (rc < 0) {
		proxy->pid = 0;
		close(said[0]);
		return error_wrap(err, "starting the proxy");
	}
	proxy->errors = said[0];
	return 0;
}

int proxy_start(struct proxy *proxy, const struct ssh_config *config, const struct trace *trace,
    int *ret_fd, struct error *err)
{
	CLEANUP_STRV struct strv argv = {0};
	int pair[2];
	int rc;

	rc = config->proxy_command != NULL ? command_argv(&argv, config->proxy_command)
					   : jump_argv(&argv, config);
	if (rc < 0)
		return error_memory(err);
	if (fd_socketpair(pair) < 0)
		return error_errno(err, errno, "a socket pair for the proxy");
	trace_line(trace, TRACE_LONG, "through the proxy %s",
	    config->proxy_command != NULL ? config->proxy_command : config->proxy_jump);
	rc = spawn(proxy, &argv, pair[1], err);
	close(pair[1]);
	if (rc < 0 || fd_nonblock(pair[0]) < 0) {
		close(pair[0]);
		return -1;
	}
	*ret_fd = pair[0];
	return 0;
}

bool proxy_blame(struct proxy *proxy, struct error *err)
{
	CLEANUP_BUF struct buf clean = BUF_INIT((size_t)SAID_MAX * 4);
	char said[SAID_MAX];
	ssize_t n;

	if (proxy->pid == 0 || err->message == NULL)
		return false;
	n = read(proxy->errors, said, sizeof(said));
	while (n > 0 && (said[n - 1] == '\n' || said[n - 1] == '\r'))
		n--;
	if (n <= 0 || text_clean(&clean, said, (size_t)n, true) < 0)
		return false;
	error_wrap(err, "the proxy says: %s", clean.data);
	return true;
}

void proxy_stop(struct proxy *proxy)
{
	if (proxy->pid == 0)
		return;
	/* EOF is enough for most, and lets our goodbye through to the host. */
	child_stop(proxy->pid, END_MS);
	close(proxy->errors);
	proxy->pid = 0;
}
