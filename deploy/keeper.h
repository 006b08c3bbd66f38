/* The laptop's end of the keeper: docs/formats.md, "The keeper's protocol". Used by one thread at a
 * time; the heart beats beside it. A call that finds the session gone returns ERROR_UNREACHABLE. */
#ifndef SHIPIT_DEPLOY_KEEPER_H
#define SHIPIT_DEPLOY_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "deploy/heart.h"
#include "transport/ssh/session.h"

struct keeper;

/* Send the program and wait for its hello. `cancel_fd` (-1: none) ends every later wait, too.
 * `ahead`: the first question, sent in the same breath; the call that asks it is the next (NULL:
 * none). */
int keeper_start(struct session *session, struct heart *heart, int cancel_fd, const char *ahead,
    struct keeper **ret, struct error *err);

/* Find the engine. `ret_socket`: its API's socket where this user may connect to it, else NULL;
 * `ret_path`: where the command is. Both malloc'ed. */
int keeper_engine(struct keeper *keeper, const char *command, bool sudo, char **ret_socket,
    char **ret_path, struct error *err);
/* Its question, for `ahead`; malloc'ed, NULL: no memory. */
char *keeper_engine_question(const char *command, bool sudo);

/* Does the engine's command work? With a socket it is not tried before there is a lock to take. */
int keeper_try_engine(struct keeper *keeper, struct error *err);

/* Take the lock of a prefix; ERROR_LOCKED names who has it and since when. */
int keeper_lock(struct keeper *keeper, const char *prefix, const char *holder, const char *since,
    struct error *err);

struct keeper_facts {
	int64_t free_bytes;		  /* -1: not known */
	int64_t clock;			  /* the host's, unix seconds; 0: not known */
	unsigned char listens[65536 / 8]; /* a bit for each TCP port that something listens on */
};
/* In two halves, so that something else can be asked meanwhile; no other call to the keeper may
 * come between them. `dir`: on whose disk `free_bytes` are. */
int keeper_facts_ask(struct keeper *keeper, const char *dir, struct error *err);
int keeper_facts(struct keeper *keeper, struct keeper_facts *ret, struct error *err);
bool keeper_facts_listens(const struct keeper_facts *facts, int port);

/* Does `path` exist there? 1, 0, or -1 when it cannot be told or on failure (`err` is set then). */
int keeper_path(struct keeper *keeper, const char *path, struct error *err);

struct keeper_swap {
	const char *name;
	const char *old_id; /* NULL: there is none */
	const char *old_name, *old_policy;
	bool old_runs;
	const char *new_id, *new_name, *policy;
	int grace_s, running_s, timeout_s;
	bool healthy;
	bool overlap; /* the old one runs until the commit */
	int stop_fd;  /* readable while it is not ready yet: take it back; -1: none */
};

enum swap_end {
	SWAP_STARTED, /* the new one runs; not ready yet */
	SWAP_READY,   /* it waits for keeper_commit or keeper_revert */
	SWAP_COMMITTED,
	SWAP_REVERTED, /* the old one serves again */
	SWAP_DOWN,     /* it could not be brought back */
	SWAP_LOST,     /* the session ended first: what became of it is not known */
};

/* Called for "stopping", "starting", "started", "waiting running starting", "ready". */
typedef void keeper_progress_fn(void *context, const char *state);

/* Begin a swap and wait until the new one runs or it is over. SWAP_REVERTED, SWAP_DOWN and
 * SWAP_LOST come with `err` saying why. */
enum swap_end keeper_swap(struct keeper *keeper, const struct keeper_swap *swap,
    keeper_progress_fn *progress, void *context, struct error *err);
/* Of one that runs: wait until it is ready or over. */
enum swap_end keeper_await_ready(
    struct keeper *keeper, keeper_progress_fn *progress, void *context, struct error *err);
enum swap_end keeper_commit(struct keeper *keeper, struct error *err);
enum swap_end keeper_revert(struct keeper *keeper, struct error *err);
/* Where it stands now, after at most `wait_ms` of waiting for news: a swap that is ready and waits
 * may have failed meanwhile. */
enum swap_end keeper_watch(struct keeper *keeper, int wait_ms, keeper_progress_fn *progress,
    void *context, struct error *err);

/* Orderly end (which frees the lock), waited for at most 5 s; takes NULL. */
void keeper_end(struct keeper *keeper);

#endif
