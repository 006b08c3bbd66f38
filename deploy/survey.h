/* Looking at hosts without changing them: what `status`, `history` and `check` show. Takes no lock.
 */
#ifndef SHIPIT_DEPLOY_SURVEY_H
#define SHIPIT_DEPLOY_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "deploy/event.h"
#include "deploy/facts.h"
#include "deploy/visit.h"

struct survey_host {
	const struct host *host;
	struct error error; /* why it could not be looked at; facts is empty then */
	enum step step;	    /* where that was: STEP_CONNECT, STEP_FACTS */
	struct facts facts; /* FACTS_SERVICES, or of a probe FACTS_MACHINE */
	bool forwarding;    /* with `probe`: a remote forward was opened and closed again */
	struct error forwarding_error;
	int64_t connect_ms;
	const char *transport; /* static: "libssh2", "openssh"; NULL: not connected */
};

struct survey {
	struct survey_host *hosts;
	size_t n;
};

struct survey_options {
	struct visit_options visit;
	const char *limit;
	int parallel; /* 0: 16 */
	bool probe; /* for `check`: of the facts the machine, not our services; and try a forward */
};

/* All hosts, side by side. Fails only where nothing could be begun; what a host answers is in it.
 */
int survey_run(const struct survey_options *options, struct survey *ret, struct error *err);
void survey_release(struct survey *survey);

#endif
