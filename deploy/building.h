/* Inside of a build: what its files share. build.c holds the whole together, build_graph.c finds
 * the steps, build_inputs.c what they are made from, build_image.c and build_container.c do them.
 */
#ifndef SHIPIT_DEPLOY_BUILDING_H
#define SHIPIT_DEPLOY_BUILDING_H

#include <jansson.h>
#include <pthread.h>

#include "base/cancel.h"
#include "base/digest.h"
#include "deploy/build.h"
#include "deploy/dockerfile.h"
#include "deploy/tail.h"
#include "transport/engine.h"

enum node_state { NODE_WAITING, NODE_RUNNING, NODE_DONE, NODE_FAILED };

struct building;

/* One step, or the build of one service. */
struct node {
	struct building *building;
	const char *name;
	const struct position *pos;
	const struct build *build;    /* what it needs and, unless it runs one, how it is built */
	const struct step_run *run;   /* NULL: it is built */
	char *image;		      /* what that is called here; NULL: it makes none */
	struct strv names;	      /* what else: of services whose image it is */
	struct dockerfile dockerfile; /* as far as it can be read */
	char *recipe;		      /* its text; NULL: it could not be read */
	size_t *needs;
	size_t n_needs;
	enum node_state state;
	bool skipped;	/* there was nothing to do */
	bool unchanged; /* it was done, and made what was there */
	char *output;	/* of one that is done: the image's id, or the digest of what it made; NULL:
			   not known */
	pthread_t thread;
	bool started;
	struct error err;
};

struct building {
	const struct inventory *inv;
	struct build_options options;
	struct events *events;
	struct node *nodes;
	size_t n;
	struct strv outputs; /* folders that any step of the inventory fills */
	struct secrets *own_secrets;
	struct cancel stop;   /* end what is under way */
	pthread_mutex_t lock; /* over states, records and secrets */
	json_t *records;      /* by name */
	char *help;	      /* what the engine\'s command says of `build` */
	int lock_fd;	      /* nobody else builds this project */
	int done_fds[2];      /* a byte for each node that ends */
};

/* A step at work. */
struct step_work {
	struct building *building;
	struct node *node;
	struct engine *engine; /* NULL: it cannot be asked */
	struct tail tail;
	char step[DIGEST_TEXT_SIZE];   /* all but the images below it; "": not known */
	bool whole;		       /* with all of the context */
	char inputs[DIGEST_TEXT_SIZE]; /* all of it; "": not known, so it is run */
};

/* --- build_graph.c */

/* The nodes that these services come to, and what each waits for. ERROR_INVENTORY: a circle. */
int build_graph(
    struct building *building, const struct service *const *services, size_t n, struct error *err);
void build_graph_release(struct building *building);
/* Of those that it waits for, the one of this name; NULL. */
const struct node *build_needed(const struct node *node, const char *name);
/* Read its Dockerfile anew: another step may have made it. */
int build_recipe(struct node *node, struct error *err);

/* --- build_inputs.c */

/* What the step would be made from now: work->inputs. */
int build_inputs(struct step_work *work, struct error *err);
/* The same after it was built, when the engine has the images below it: of files as they were. */
int build_inputs_again(struct step_work *work, struct error *err);
/* What lies in the folders that it fills; *ret_empty: one of them (borrowed) has nothing. */
int build_outputs(const struct step_work *work, char out[DIGEST_TEXT_SIZE], const char **ret_empty,
    struct error *err);

/* --- build_image.c */

/* Is the image that was made from `inputs` still there, under all its names? */
int image_is_there(struct step_work *work, const char *recorded, bool *ret, struct error *err);
int image_make(struct step_work *work, struct error *err);

/* --- build_container.c */

/* Remove containers that a build of this project left when it was killed. */
int containers_clear(struct building *building, struct engine *engine, struct error *err);
int container_make(struct step_work *work, struct error *err);

#endif
