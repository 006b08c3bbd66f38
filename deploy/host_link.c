#include "deploy/host_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

/* Of the session's own thread, too, so it lives as long as the session. */
struct host_voice {
	session_prompt_fn *prompt;
	void *prompt_context;
	struct event_source source;
};

static char *ask(void *context, const char *host, const char *text, bool echo)
{
	const struct host_voice *voice = context;

	return voice->prompt != NULL ? voice->prompt(voice->prompt_context, host, text, echo)
				     : NULL;
}

static void tell(void *context, int level, const char *text)
{
	const struct host_voice *voice = context;
	size_t len = strlen(voice->source.host);

	/* Events name the host themselves. */
	if (strncmp(text, voice->source.host, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	emit_log(&voice->source, level, text);
}

static int open_session(
    const struct host_link_options *options, struct host_link *link, struct error *err)
{
	const struct host *host = options->host;
	const struct ssh_settings *ssh = &options->inventory->ssh;
	static const enum session_transport transports[] = {
	    [TRANSPORT_AUTO] = SESSION_AUTO,
	    [TRANSPORT_LIBSSH2] = SESSION_LIBSSH2,
	    [TRANSPORT_OPENSSH] = SESSION_OPENSSH,
	};
	const struct session_target target = {
	    .transport = transports[ssh->transport],
	    .name = host->name,
	    .address = host->address,
	    .user = host->user != NULL ? host->user : ssh->user,
	    .port = host->port,
	    .host_key = host->host_key,
	    .config = ssh->config,
	    .accept_new = ssh->host_keys == HOST_KEYS_ACCEPT_NEW,
	    .run_dir = options->run_dir,
	    .cancel_fd = options->kill_fd,
	    .prompt = ask,
	    .log = options->events != NULL ? tell : NULL,
	    .context = link->voice,
	};

	if (mkdir(options->run_dir, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make the folder %s", options->run_dir);
	return session_open(&target, &link->session, err);
}

/* A socket that this user may connect to, else the engine's own command as a bridge. */
static int open_engine(
    const struct host_link_options *options, struct host_link *link, struct error *err)
{
	const struct engine_settings *settings = &options->host->engine;
	CLEANUP_FREE char *socket = NULL;
	CLEANUP_FREE char *bridge = NULL;

	if (keeper_engine(link->keeper, settings->command, settings->sudo, &socket,
		&link->engine_path, err) < 0)
		return -1;
	bridge = string_printf(
	    "%s%s system dial-stdio", settings->sudo ? "sudo -n " : "", link->engine_path);
	link->describe = string_printf("the engine on %s", options->host->name);
	if (bridge == NULL || link->describe == NULL)
		return error_memory(err);
	if (socket != NULL &&
	    (session_forward_local(link->session, socket, false, &link->api, err) < 0 ||
		engine_open(link->api, link->describe, options->stop_fd, &link->engine, err) < 0)) {
		/* Nobody may be at its other end, which the command says better; or the server
		 * forbids forwards to sockets (AllowStreamLocalForwarding no). */
		if (session_lost(link->session, err) < 0 || err->kind == ERROR_CANCELLED)
			return -1;
		error_release(err);
		free(steal_ptr(link->api));
		if (keeper_try_engine(link->keeper, err) < 0)
			return -1;
	}
	if (link->engine == NULL &&
	    (session_forward_local(link->session, bridge, true, &link->api, err) < 0 ||
		engine_open(link->api, link->describe, options->stop_fd, &link->engine, err) < 0))
		return -1;
	return engine_again(link->engine, options->kill_fd, &link->care, err);
}

int host_link_open(
    const struct host_link_options *options, struct host_link *ret, struct error *err)
{
	const struct host *host = options->host;
	const struct engine_settings *settings = &host->engine;
	CLEANUP_FREE char *question = keeper_engine_question(settings->command, settings->sudo);
	struct host_link link = {0};

	if (question == NULL)
		return error_memory(err);
	link.voice = malloc(sizeof(*link.voice));
	if (link.voice == NULL)
		return error_memory(err);
	*link.voice = (struct host_voice){.prompt = options->prompt,
	    .prompt_context = options->prompt_context,
	    .source = {.events = options->events, .host = host->name}};
	if (open_session(options, &link, err) < 0 ||
	    keeper_start(
		link.session, options->heart, options->kill_fd, question, &link.keeper, err) < 0 ||
	    open_engine(options, &link, err) < 0) {
		host_link_close(&link);
		return -1;
	}
	*ret = link;
	return 0;
}

void host_link_close(struct host_link *link)
{
	engine_close(link->engine);
	engine_close(link->care);
	keeper_end(link->keeper);
	session_close(link->session);
	free(link->engine_path);
	free(link->api);
	free(link->describe);
	free(link->voice);
	*link = (struct host_link){0};
}

bool host_link_is_unreachable(const struct error *err)
{
	return err->kind == ERROR_UNREACHABLE || err->kind == ERROR_HOST_KEY ||
	       err->kind == ERROR_AUTH || err->kind == ERROR_TIMEOUT;
}
