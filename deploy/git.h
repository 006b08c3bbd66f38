/* What git says of a folder; that it says nothing is no error. */
#ifndef SHIPIT_DEPLOY_GIT_H
#define SHIPIT_DEPLOY_GIT_H

#include <stdint.h>

struct git_facts {
	char *revision; /* the commit, "-dirty" appended; NULL: not known */
	char *source;	/* where the repository came from, without a password; NULL: not known, or a
			   folder of this machine */
	int64_t epoch;	/* when that commit was made, or SOURCE_DATE_EPOCH says; -1: not known */
};

void git_look(const char *dir, int cancel_fd, struct git_facts *ret);
void git_facts_release(struct git_facts *facts);

/* "12 digits of the commit, -dirty appended", malloc'ed; NULL: not known. */
char *git_describe(const char *dir, int cancel_fd);

#endif
