/* Everything that connects to one host: the SSH session, the keeper, and the engine's API through a
 * local forward. Rollouts and surveys open the same. */
#ifndef SHIPIT_DEPLOY_HOST_LINK_H
#define SHIPIT_DEPLOY_HOST_LINK_H

#include <stdbool.h>

#include "base/error.h"
#include "deploy/event.h"
#include "deploy/heart.h"
#include "deploy/keeper.h"
#include "inventory/inventory.h"
#include "transport/engine.h"
#include "transport/ssh/session.h"

struct host_link {
	struct session *session;
	struct keeper *keeper;
	struct engine *engine;	  /* calls end when the rollout is asked to stop */
	struct engine *care;	  /* calls that clean up and go on until it lets go */
	char *engine_path;	  /* of the command on the host */
	char *api;		  /* the local socket that leads to the engine's API */
	char *describe;		  /* "the engine on web1" */
	struct host_voice *voice; /* who is asked, and who hears what the session tells */
};

struct host_link_options {
	const struct inventory *inventory;
	const struct host *host;
	const char *run_dir; /* private; this host's own */
	struct heart *heart;
	int stop_fd; /* for `engine` */
	int kill_fd; /* for everything else */
	session_prompt_fn *prompt;
	void *prompt_context;
	struct events *events; /* for -v and -vv; NULL: nobody listens */
};

/* On failure everything is closed again. ERROR_UNREACHABLE, _HOST_KEY, _AUTH, _TIMEOUT when there
 * is no session to be had; other kinds are about the engine. */
int host_link_open(
    const struct host_link_options *options, struct host_link *ret, struct error *err);
void host_link_close(struct host_link *link);

/* Is this the kind of error that says the host could not be reached? */
bool host_link_is_unreachable(const struct error *err);

#endif
