/* Inside of the keeper's near end: its state, and lines to and from it. */
#ifndef SHIPIT_DEPLOY_KEEPER_LINES_H
#define SHIPIT_DEPLOY_KEEPER_LINES_H

#include "base/buf.h"
#include "base/strv.h"
#include "deploy/keeper.h"

enum { KEEPER_TEXT_MAX = 8 * 1024 };

struct keeper {
	struct session *session;
	struct heart *heart;
	struct session_exec exec;
	pthread_mutex_t write_lock;
	int cancel_fd;
	int stop_fd;	   /* readable: take the swap back; -1: none, or done */
	struct buf unread; /* of its stdout */
	struct buf text;   /* lines for people that belong to the next answer */
	struct buf noise;  /* what came before the hello, and stderr: to explain a failed start */
	int64_t swap_deadline_ms;
	int grace_s;
	enum swap_end swap_at; /* SWAP_STARTED or SWAP_READY: of the swap that waits */
	bool ahead;	       /* the first question is on its way already */
	bool sudo;	       /* the engine is asked by it */
};

/* The session's reason for its end, or what the keeper said last. Returns -1. */
int keeper_lost(struct keeper *keeper, struct error *err);

/* Send one line, newline included. keeper_send also forgets the text of earlier answers; a NULL
 * line is out of memory. */
int keeper_write(struct keeper *keeper, const char *line, struct error *err);
int keeper_send(struct keeper *keeper, const char *line, struct error *err);

/* The next answer, split into words: noise is skipped, text for people collected in keeper->text.
 * 1; 0 at the deadline; -1. */
int keeper_next(struct keeper *keeper, int64_t deadline_ms, struct strv *ret, struct error *err);
/* The answer to `command`: no answer and `error` answers are errors. */
int keeper_answer(struct keeper *keeper, const char *command, int64_t deadline_ms, struct strv *ret,
    struct error *err);

bool keeper_word_is(const struct strv *answer, size_t i, const char *word);
/* Both return -1: an "error WHAT" answer with its text; an answer that makes no sense. */
int keeper_error(struct keeper *keeper, const struct strv *answer, struct error *err);
int keeper_unexpected(const struct strv *answer, const char *command, struct error *err);

#endif
