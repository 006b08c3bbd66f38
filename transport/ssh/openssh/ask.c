#include "transport/ssh/openssh/ask.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "transport/ssh/askpass.h"
#include "transport/socket.h"

extern char **environ;

enum { QUESTION_MAX = 4096, QUESTION_MS = 2000, NOTICE = 'n', QUESTION = 'q', ANSWER = 'a' };

static const char variable[] = "SHIPIT_ASKPASS";

/* --- the side of the session */

int ask_open(struct ask *ask, const char *run_dir, bool wanted, struct error *err)
{
	*ask = (struct ask){.fd = -1};
	if (!wanted)
		return 0;
	ask->fd = socket_listen(run_dir, &ask->path, err);
	return ask->fd < 0 ? -1 : 0;
}

void ask_close(struct ask *ask)
{
	if (ask->fd >= 0)
		close(ask->fd);
	if (ask->path != NULL)
		unlink(ask->path);
	free(ask->path);
	*ask = (struct ask){.fd = -1};
}

static int own_program(char path[PATH_MAX])
{
#ifdef __APPLE__
	uint32_t size = PATH_MAX;

	return _NSGetExecutablePath(path, &size) == 0 ? 0 : -1;
#else
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return -1;
	path[n] = '\0';
	return 0;
#endif
}

static bool is_ours(const char *setting)
{
	return strncmp(setting, "SSH_ASKPASS=", 12) == 0 ||
	       strncmp(setting, "SSH_ASKPASS_REQUIRE=", 20) == 0 ||
	       strncmp(setting, "SHIPIT_ASKPASS=", 15) == 0;
}

/* With nobody to ask a program that does not exist is named: ssh must not read the terminal. */
int ask_environment(const struct ask *ask, struct strv *env, struct error *err)
{
	char program[PATH_MAX] = "/nonexistent";

	for (char **setting = environ; setting != NULL && *setting != NULL; setting++)
		if (!is_ours(*setting) && strv_add(env, *setting) < 0)
			return error_memory(err);
	if (ask->fd >= 0 && own_program(program) < 0)
		return error_errno(err, errno, "where this program is");
	if (strv_addf(env, "SSH_ASKPASS=%s", program) < 0 ||
	    strv_add(env, "SSH_ASKPASS_REQUIRE=force") < 0 ||
	    (ask->path != NULL && strv_addf(env, "%s=%s", variable, ask->path) < 0))
		return error_memory(err);
	return 0;
}

/* All until its end; -1 when it does not come in time. */
static int receive(int fd, struct buf *out)
{
	int64_t deadline_ms = clock_now_ms() + QUESTION_MS;
	char part[512];

	for (;;) {
		struct pollfd slot = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&slot, 1, clock_left_ms(deadline_ms)) <= 0)
			return -1;
		n = recv(fd, part, sizeof(part), 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (n > 0 && buf_add(out, part, (size_t)n) < 0)
			return -1;
	}
}

static void put_question(int fd, const struct session_target *target, const char *text)
{
	char *answer = target->prompt(target->context, target->name, text, false);
	char mark = ANSWER;

	if (answer == NULL)
		return;
	if (send(fd, &mark, 1, MSG_NOSIGNAL) == 1)
		send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	explicit_bzero(answer, strlen(answer));
	free(answer);
}

void ask_answer(const struct ask *ask, const struct session_target *target)
{
	const struct trace trace = {target->log, target->context, target->name};
	CLEANUP_CLOSE int fd = socket_accept(ask->fd);
	CLEANUP_BUF struct buf question = BUF_INIT(QUESTION_MAX);
	CLEANUP_BUF struct buf clean = BUF_INIT((size_t)QUESTION_MAX * 4);

	if (fd < 0 || receive(fd, &question) < 0 || question.len < 1 ||
	    text_clean(&clean, question.data + 1, question.len - 1, false) < 0)
		return;
	if (question.data[0] == NOTICE)
		trace_line(&trace, TRACE_ALWAYS, "ssh says: %s", clean.data);
	else if (question.data[0] == QUESTION && target->prompt != NULL)
		put_question(fd, target, clean.data);
}

/* --- the side of the program that ssh runs */

bool askpass_wanted(void)
{
	return getenv(variable) != NULL && getenv("SSH_ASKPASS_REQUIRE") != NULL;
}

static int say(int fd, const char *text)
{
	const char *kind = getenv("SSH_ASKPASS_PROMPT");
	char mark = kind != NULL && strcmp(kind, "none") == 0 ? NOTICE : QUESTION;

	if (kind != NULL && strcmp(kind, "confirm") == 0)
		return -1; /* what needs a yes is never said yes to here */
	if (fd_write_all(fd, &mark, 1) < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		return -1;
	return shutdown(fd, SHUT_WR);
}

static ssize_t listen_to(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size) {
		struct pollfd slot = {.fd = fd, .events = POLLIN};

		poll(&slot, 1, -1);
		n = recv(fd, out + len, size - len, 0);
		if (n < 0 && fd_is_for_later(errno))
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)len;
}

int askpass_run(int argc, char **argv)
{
	CLEANUP_CLOSE int fd = socket_connect_unix(getenv(variable));
	char answer[QUESTION_MAX];
	ssize_t len;
	int rc = 1;

	if (argc < 2 || fd < 0 || say(fd, argv[1]) < 0)
		return 1;
	len = listen_to(fd, answer, sizeof(answer) - 1);
	if (len > 0 && answer[0] == ANSWER) {
		answer[len] = '\n';
		rc = fd_write_all(STDOUT_FILENO, answer + 1, (size_t)len) < 0;
	}
	explicit_bzero(answer, sizeof(answer));
	return rc;
}
