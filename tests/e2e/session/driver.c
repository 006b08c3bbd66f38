/* A session as a program, to be measured beside `ssh`:
 *
 *	driver HOST run COMMAND		its exit status; prints when that was known, in seconds of
 *						the monotonic clock
 *	driver HOST forward TARGET	prints the port there; until its standard input
 *						ends, then prints the CPU seconds of this process
 *						and its children
 *	driver HOST many N		N sessions at once, in each `true`; when all are
 *						there, prints the seconds and the most resident
 *						memory of this process in MB
 *
 * $SSH_CONFIG: as `ssh -F`; $TRANSPORT: auto, libssh2, openssh. Exit 125: an error, in words. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "transport/ssh/askpass.h"
#include "transport/ssh/session.h"

enum { FAILED = 125 };

static int complain(const struct error *err)
{
	fprintf(stderr, "driver: %s\n", error_text(err));
	if (err->hint != NULL)
		fprintf(stderr, "driver: %s\n", err->hint);
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

static int run_timed(struct session *session, const char *command, struct error *err)
{
	int status = run(session, command, err);

	printf("%.3f\n", (double)clock_now_ms() / 1000);
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

struct one {
	const struct session_target *target;
	struct session *session;
	pthread_t thread;
	bool well;
};

static void *open_one(void *context)
{
	struct one *one = context;
	CLEANUP_ERROR struct error err = {0};

	if (session_open(one->target, &one->session, &err) < 0)
		complain(&err);
	else
		one->well = run(one->session, "true", &err) == 0;
	return NULL;
}

static int many(const struct session_target *target, int n)
{
	struct one *all = calloc((size_t)n, sizeof(*all));
	int64_t start_ms = clock_now_ms();
	struct rusage usage;
	int rc = all != NULL ? 0 : FAILED;

	for (int i = 0; rc == 0 && i < n; i++) {
		all[i].target = target;
		if (pthread_create(&all[i].thread, NULL, open_one, &all[i]) != 0)
			abort();
	}
	for (int i = 0; all != NULL && i < n; i++)
		pthread_join(all[i].thread, NULL);
	getrusage(RUSAGE_SELF, &usage);
	printf("%.2f %.1f\n", (double)(clock_now_ms() - start_ms) / 1000,
	    (double)usage.ru_maxrss / 1000);
	for (int i = 0; all != NULL && i < n; i++) {
		rc = all[i].well ? rc : FAILED;
		session_close(all[i].session);
	}
	free(all);
	return rc;
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
		fprintf(stderr, "usage: driver HOST run|forward|many WHAT\n");
		return FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	forwards = strcmp(argv[2], "forward") == 0;
	target.name = argv[1];
	if (transport != NULL && strcmp(transport, "auto") != 0)
		target.transport =
		    strcmp(transport, "openssh") == 0 ? SESSION_OPENSSH : SESSION_LIBSSH2;
	target.run_dir = run_dir;
	if (strcmp(argv[2], "many") == 0)
		rc = many(&target, atoi(argv[3]));
	else if (session_open(&target, &session, &err) < 0)
		rc = complain(&err);
	else if (forwards)
		rc = forward(session, argv[3], &err);
	else
		rc = run_timed(session, argv[3], &err);
	session_close(session);
	rmdir(run_dir);
	if (forwards)
		printf("%.2f\n", cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN));
	return rc;
}
