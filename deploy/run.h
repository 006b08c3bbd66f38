/* Inside of a rollout: what its files share. rollout.c holds the whole together, host.c leads one
 * host through the steps, host_*.c are the steps. */
#ifndef SHIPIT_DEPLOY_RUN_H
#define SHIPIT_DEPLOY_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/limiter.h"
#include "deploy/act.h"
#include "deploy/batches.h"
#include "deploy/container.h"
#include "deploy/facts.h"
#include "deploy/found.h"
#include "deploy/gate.h"
#include "deploy/heart.h"
#include "deploy/image.h"
#include "deploy/keeper.h"
#include "deploy/host_link.h"
#include "deploy/local_registry.h"
#include "deploy/names.h"
#include "deploy/plan.h"
#include "deploy/rollout.h"
#include "deploy/run_dir.h"
#include "deploy/secrets.h"
#include "deploy/undo.h"

/* Where all hosts wait for each other; nothing is changed before GATE_LOCKED. The hosts of a batch
 * wait for each other where `before` has run, and then between ready and commit: two gates for each
 * service. */
enum {
	GATE_CONNECTED, /* chooses the leader: the first host that could be reached */
	GATE_LEADER,	/* the leader has the lock: of two rollouts started at once, one goes on */
	GATE_LOCKED,
	GATE_FACTS,   /* chooses what a rollback takes back */
	GATE_PLANNED, /* makes the batches */
	GATE_END,     /* all that was begun is through: is it to stay? */
	N_GATES,
};

/* What is to be done about the rollout as a whole, the worst last. */
enum verdict {
	VERDICT_ON,
	VERDICT_STOP, /* begin no further batch */
	VERDICT_BACK, /* and take back what was done */
};

/* What a host at work does, each bounded by --parallel on its own. */
enum lane { LANE_CHANGE, LANE_DELIVER, N_LANES };

/* Hosts that change at the same time. */
struct batch {
	struct host_run **runs;
	size_t n;
	struct gates *gates; /* of each service: `before`; then of each service: commit */
};

/* One service on one host, from create to commit. */
struct work {
	struct planned *planned; /* borrowed from the plan */
	char *new_id;		 /* the container to be swapped in */
	char *new_name;		 /* what it is called until it is committed */
	bool created;		 /* it was made by this rollout: removed when it does not make it */
	bool healthy;		 /* readiness waits for its healthcheck */
	int64_t seq;		 /* its number in the ledger; 0: none yet */
	enum swap_end end;
	bool swapped; /* the keeper was told to swap it */
};

/* What a host has of an image that is on its way. */
struct held {
	struct strv references; /* of the stages that may stand there */
	size_t layers;		/* the first so many */
};

struct host_run {
	struct rollout *rollout;
	const struct host *host;
	struct host_result *result;
	struct event_source source;
	pthread_t thread;
	bool started;
	struct host_link link;
	bool connected, working;
	enum lane lane;
	bool down;    /* what ran before a restart does not any more */
	bool planned; /* it has its plan */
	bool created; /* its new containers are there */
	bool failed;
	size_t voted;	     /* gates of all hosts */
	struct batch *batch; /* NULL: it has nothing to change, or there are none yet */
	size_t voted_batch;  /* gates of the batch */
	unsigned int turns_done;
	int reconnects; /* while it delivered */
	struct held held;
	const char *load_why; /* why images go by load; NULL: they are pulled */
	struct facts facts;
	struct facts before; /* what the plan points into, when facts were read anew */
	struct found *found; /* one for each service chosen */
	struct plan plan;
	size_t acted;	    /* how much was changed by what is no swap */
	struct acts acts;   /* events borrow from them: kept until the end */
	struct work *works; /* one for each service chosen */
	int64_t step_start_ms;
	const char *swapping_service; /* while the keeper swaps: which, and how far it is */
	enum step swapping_step;
	char secret_key[DIGEST_HEX_SIZE]; /* the host's, or the one that it is to get */
};

/* Images that a rollback has delivered again. */
struct again {
	pthread_mutex_t lock;
	bool tried, open;
	struct image **images; /* those found so far */
	size_t n;
};

struct rollout {
	struct rollout_options options;
	struct rollout_result result;
	char *prefix;
	char id[RELEASE_SIZE];
	char at[CLOCK_UTC_SIZE];
	time_t when;
	char *user, *machine;		 /* of options.by */
	const struct service **services; /* the ones chosen */
	size_t n_services;
	struct image *images; /* deploy: one for each service chosen */
	struct secrets *secrets;
	const char *
	    *befores; /* for each service chosen: the host on which its `before` ran; NULL */
	char (*releases)[RELEASE_SIZE];
	struct host_run *runs;
	size_t n_runs;
	size_t leader;
	struct undo undo; /* rollback: the rollout taken back */
	struct gates *gates;
	struct rollout_policy policy;
	pthread_mutex_t verdict_lock; /* over the next three */
	enum verdict verdict;
	size_t failures;
	struct batch *batches;
	size_t n_batches;
	struct turns *turns;
	const struct host_run **before_on; /* for each service chosen; NULL: on none */
	struct heart *heart;
	struct cancel stop; /* start nothing new */
	struct cancel kill; /* let go */
	atomic_int interrupts;
	atomic_bool swapping; /* some host may have been told to swap */
	struct run_dir run_dir;
	struct local_registry registry; /* deploy: from which hosts pull */
	struct limiter *limiter;	/* of all that goes to hosts; NULL: no limit */
	pthread_mutex_t work_lock;
	pthread_cond_t work_free;
	int at_work[N_LANES];
	struct again again;
	struct refresh *refresh; /* NULL: it is none */
};

/* The gate of a batch between ready and commit; the one of `before` has the service's index. */
static inline size_t gate_service(const struct rollout *rollout, size_t service)
{
	return rollout->n_services + service;
}

/* Does a one-off container run before the service is swapped? */
static inline bool has_before(const struct rollout *rollout, size_t service)
{
	return rollout->options.kind == ROLLOUT_DEPLOY &&
	       rollout->services[service]->before.command.n > 0;
}

/* --- rollout_batches.c */

/* All that could be planned is: who goes when? False: no memory. */
bool rollout_make_batches(struct rollout *rollout);
void rollout_free_batches(struct rollout *rollout);
/* Let the batches begin, one after the other, until all are through or no more is to be begun. */
void rollout_conduct(struct rollout *rollout);
/* A host fails: is that the end of the rollout? It is when `is_final`, else as the policy says. */
void rollout_fail(struct host_run *run, bool is_final);
/* Begin nothing new, and commit nothing that is not. */
void rollout_close(struct rollout *rollout);
/* Did all go well on all hosts that were reached? To be asked after GATE_END. */
bool rollout_is_whole(struct rollout *rollout);
/* Is what was committed to be taken back? */
bool rollout_goes_back(struct rollout *rollout);
/* A host waits for its batch's turn, resting; TURN_SWAP: it is through with its images. False: that
 * is the end of it. */
bool batch_wait(struct host_run *run, enum turn turn);
/* It is through, in whatever way. */
void batch_leave(struct host_run *run);

/* --- rollout_images.c */

/* Build, and have the images where hosts can pull them from; releases get their ids. */
int rollout_images(struct rollout *rollout, struct error *err);
/* Start the server at which the tunnels end. Nothing in a dry run. */
int rollout_serve(struct rollout *rollout, struct error *err);
/* For a rollback, from any host's thread: open the store and serve it when the first one asks. */
plan_find_image_fn rollout_find_image;

/* --- refresh.c */

/* Make `refresh` where the options ask for one; opens the store, if that is not open. */
int refresh_begin(struct rollout *rollout, struct error *err);
/* Have the images of all services made or pulled anew. */
int refresh_images(struct rollout *rollout, struct error *err);
/* When all hosts have told their facts: which images were taken back somewhere? */
bool refresh_look(struct rollout *rollout);
/* By its host_run; compares with what runs there, and tells once what changed. */
plan_refresh_fn refresh_judge;
/* Leave on a host for which of its services there is nothing newer. */
void refresh_mark(struct host_run *run);
/* Undo on this machine what was of no use, and say what came of it. */
void refresh_end(struct rollout *rollout);
void refresh_free(struct rollout *rollout);
/* The packages that changed, "web: openssl 3.0.14 → 3.0.15", as they were told; borrowed. */
const struct strv *refresh_told(const struct rollout *rollout);

/* --- rollout_secrets.c */

/* Have what a deploy will need, before anything is done with any host. */
int rollout_secrets(struct rollout *rollout, struct error *err);
/* Let no text of theirs out: a container's last words may say them. */
void rollout_mask(const struct rollout *rollout, struct error *err);

/* --- rollout_hooks.c */

/* The user's program before a deploy; nothing in a dry run. */
int rollout_hook_before(struct rollout *rollout, struct error *err);
/* By the result: say what stays done of a rollout that failed, and run the program after it.
 * Nothing that goes wrong here changes the result. */
void rollout_hook_after(struct rollout *rollout);

/* --- rollout_notify.c */

enum occasion { OCCASION_START, OCCASION_SUCCESS, OCCASION_FAILURE };
/* Tell whoever the inventory names, if that is wanted. That it cannot be told is a note. */
void rollout_notify(struct rollout *rollout, enum occasion occasion);

/* --- host.c */

/* The thread of one host. */
void *host_thread(void *context);

/* Be one of at most `parallel` at work, as soon as there is room; and no longer. Whoever waits for
 * other hosts must rest: they may need the room. */
void host_work(struct host_run *run);
void host_rest(struct host_run *run);

/* Steps tell their beginning and end; `service` may be NULL. step_end returns `rc`. */
void step_begin(struct host_run *run, enum step step, const char *service);
int step_end(struct host_run *run, enum step step, const char *service, int rc, struct error *why);
/* Did it fail because the session ended? The engine's socket went with it: say the session's
 * reason. */
void host_explain(const struct host_run *run, struct error *err);
struct event_source host_source(const struct host_run *run, const char *service);
struct identity host_identity(const struct host_run *run, const struct planned *planned);

/* --- host_prepare.c */
int host_connect(struct host_run *run, struct error *err);
int host_lock(struct host_run *run, struct error *err);
int host_facts(struct host_run *run, struct error *err);
/* What is to be thought of the facts, for each service. */
int host_judge(struct host_run *run, struct error *err);
/* Set right what an interrupted rollout left, saying so, by one of the link's two engines. */
int host_repair(struct host_run *run, struct engine *engine, struct error *err);
/* What plans and acts of this host are made from. */
struct plan_input host_plan_input(struct host_run *run);
int host_plan(struct host_run *run, struct error *err);

/* --- host_resources.c */
/* Is there what the service wants of networks and volumes and is not to make, and is what is there
 * already as the file says? */
int host_check_resources(struct host_run *run, const struct planned *planned, struct error *err);
int host_make_resources(struct host_run *run, const struct planned *planned,
    const struct strv *networks, struct error *err);

/* --- host_act.c */
/* start, stop, restart, down and prune. */
int host_act(struct host_run *run, enum rollout_kind kind, struct error *err);

/* --- host_adopt.c */
/* With --adopt: give a stranger that holds a service's port that service's name. */
int host_adopt(struct host_run *run, struct error *err);

/* --- deliver_load.c */
/* Bring the image of a service by the engine's load, instead of a pull through a tunnel; `why` is
 * said. Sets image_id and the release's tag. */
int host_load(struct host_run *run, struct planned *planned, const char *why, struct error *err);

/* --- host_create.c */
int host_deliver(struct host_run *run, struct error *err);
/* Make the ledger where it is not there yet. */
int host_prepare_ledger(struct host_run *run, struct engine *engine, struct error *err);
int host_create(struct host_run *run, struct error *err);
/* Put the secrets that are files into a container that was not started yet. */
int host_put_secrets(
    struct host_run *run, const json_t *options, const char *id, struct error *err);
/* Remove what was created and did not come into service. */
void host_discard(struct host_run *run);

/* --- host_before.c */
/* Run the service's `before`, if this is the host for it. */
int host_before(struct host_run *run, size_t service, struct error *err);

/* --- host_again.c */
/* Delivering failed with `err`. If that was because the link died: connect, lock and look again,
 * saying so; true: the plan still holds, go on (`err` is empty). False: `err` says why that is the
 * end; the link may be closed. */
bool host_again(struct host_run *run, struct error *err);

/* --- host_ready.c */
/* Of a swap that runs: wait until it is ready or over, as keeper_await_ready. */
enum swap_end host_await_ready(
    struct host_run *run, struct work *work, keeper_progress_fn *progress, struct error *err);

/* --- host_swap.c */
/* Swap, wait for the others of the batch, commit; all services in their order. */
int host_swap_all(struct host_run *run, struct error *err);
/* Take back what this rollout committed here. */
void host_undo(struct host_run *run);

/* --- host_record.c */
/* Write what is about to be tried, and what became of it, into the host's ledger. */
int record_pending(struct host_run *run, struct work *work, struct error *err);
int record_outcome(struct host_run *run, const struct work *work, enum ledger_result result,
    const char *why, struct error *err);
/* The same for a swap taken back after it was committed. */
int record_undone(struct host_run *run, const struct work *work, struct error *err);
/* The line that a service, of which `release` was current, is no longer here. */
/* A line for what failed before it could be swapped in. */
int record_refused(struct host_run *run, struct work *work, const char *why, struct error *err);
int record_down(struct host_run *run, const char *service, const char *release, struct error *err);
int record_repair(struct host_run *run, const struct repair *repair, struct error *err);

/* --- host_prune.c */
/* Keep the last `retain` releases of each service; set :current and :previous. */
int host_prune(struct host_run *run, struct error *err);
/* The same of the services chosen, when nothing was rolled out. */
int host_prune_retained(struct host_run *run, struct error *err);
/* The same for services that get a new release by the plan, which is to find room. `ret_removed`:
 * facts and plan are no longer so. */
int host_prune_first(struct host_run *run, bool *ret_removed, struct error *err);
/* Take a name from an image. What somebody else runs stays, and that is said. */
int host_untag(struct host_run *run, const char *reference, struct error *err);
/* The releases of a service to be kept: the last `retain` different ones that were committed,
 * newest first; where the ledger has fewer, those that served before it was lost. Pure. */
int prune_keep(const struct facts *facts, const struct service *service, int retain,
    struct strv *ret, struct error *err);

#endif
