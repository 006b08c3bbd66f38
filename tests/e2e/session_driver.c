/* A session as a program, to be measured beside `ssh`:
 *
 *	session_driver HOST run COMMAND		its exit status
 *	session_driver HOST forward TARGET	prints the port there; until its standard input
 *ends, then prints the CPU seconds of this process and its children
 *
 * $SSH_CONFIG: as `ssh -F`; $TRANSPORT: auto, libssh2, openssh. Exit 125: an error, in words. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"
#include "transport/ssh/askpass.h"
#include "transport/ssh/session.h"

enum { FAILED = 125 };

static int complain(const struct error *err)
{
	fprintf(stderr, "session_driver: %s\n", error_text(err));
	if (err->hint != NULL)
		fprintf(stderr, "session_driver: %s\n", err->hint);
	return FAILED;
}

/* For commands that say little. */
static int run(struct session *session, const char *command, struct error *err)
{
	struct session_exec exec;
	int status = 0;

	if (session_exec(session, command, &exec, err) < 0)
		return complain(err);
	close(exec.in);
	if (session_exec_wait(session, exec.id, -1, &status, err) < 0)
		return complain(err);
	close(exec.out);
	close(exec.err);
	return status;
}

static double cpu_of(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int forward(struct session *session, const char *target, struct error *err)
{
	char byte;
	int port;

	if (session_forward_remote(session, target, &port, err) < 0)
		return complain(err);
	printf("%d\n", port);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error err = {0};
	char run_dir[] = "/tmp/session-driver.XXXXXX";
	struct session_target target = {.config = getenv("SSH_CONFIG"), .cancel_fd = -1};
	const char *transport = getenv("TRANSPORT");
	struct session *session = NULL;
	bool forwards;
	int rc;

	if (askpass_wanted())
		return askpass_run(argc, argv);
	if (argc != 4 || mkdtemp(run_dir) == NULL) {
		fprintf(stderr, "usage: session_driver HOST run|forward WHAT\n");
		return FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	forwards = strcmp(argv[2], "forward") == 0;
	target.name = argv[1];
	if (transport != NULL && strcmp(transport, "auto") != 0)
		target.transport =
		    strcmp(transport, "openssh") == 0 ? SESSION_OPENSSH : SESSION_LIBSSH2;
	target.run_dir = run_dir;
	if (session_open(&target, &session, &err) < 0)
		rc = complain(&err);
	else
		rc = forwards ? forward(session, argv[3], &err) : run(session, argv[3], &err);
	session_close(session);
	rmdir(run_dir);
	if (forwards)
		printf("%.2f\n", cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN));
	return rc;
}
