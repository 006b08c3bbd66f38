/* A talk with a keeper that says hello, what the test wants, and no more. Include it once in a
 * program. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_TALK_H
#define SHIPIT_TESTS_UNIT_DEPLOY_TALK_H

#include "tests/unit/deploy_check.h"
#include "tests/unit/deploy_keeper.h"

#define HELLO "@shipit hello 1 4242\n"

/* A host that says hello, this, and no more. */
struct talk {
	struct session session;
	struct keeper *keeper;
	struct error err;
	char asked[256]; /* after end(): the commands it got */
};

static inline void start(struct talk *talk, const char *says)
{
	CLEANUP_FREE char *all = string_printf("%s%s", HELLO, says);

	*talk = (struct talk){.session = {.says = all, .len = strlen(all), .hangs_up = true}};
	if (keeper_start(&talk->session, NULL, -1, NULL, &talk->keeper, &talk->err) < 0)
		fail_msg("%s", error_text(&talk->err));
}

static inline void end(struct talk *talk)
{
	char chunk[65536], *last = chunk;
	size_t n = 0;
	ssize_t got;

	keeper_end(talk->keeper);
	while ((got = read(talk->session.in, chunk + n, sizeof(chunk) - 1 - n)) > 0)
		n += (size_t)got;
	chunk[n] = '\0';
	/* The program comes first; it ends with the last line that is not ours. */
	for (char *at = chunk; (at = strstr(at, "\nfinish\n")) != NULL; at += 1)
		last = at + strlen("\nfinish\n");
	snprintf(talk->asked, sizeof(talk->asked), "%.255s", last);
	session_hang_up(&talk->session);
	error_release(&talk->err);
}

#endif
