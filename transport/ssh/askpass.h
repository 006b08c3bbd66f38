/* The program as the system's ssh runs it, to ask a question (openssh/ask.h). Every program that
 * opens sessions begins its main() with:
 *
 *	if (askpass_wanted())
 *		return askpass_run(argc, argv); */
#ifndef SHIPIT_TRANSPORT_SSH_ASKPASS_H
#define SHIPIT_TRANSPORT_SSH_ASKPASS_H

#include <stdbool.h>

bool askpass_wanted(void);
/* Prints the answer; the exit status for ssh. */
int askpass_run(int argc, char **argv);

#endif
