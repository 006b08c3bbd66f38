/* Questions on a terminal of our own: asked without echo, answered, interrupted. */
#include "tests/unit/cmd_ui_help.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "cmd/signals.h"

enum { PATIENCE_MS = 20000 };

struct asked {
	pid_t pid;
	int master; /* the terminal, as its user sees it */
	int answer; /* what ui_prompt returned: "=TEXT", or "none" */
	struct buf seen;
};

enum how { ALONE, BELOW_A_SHELL, WITHOUT_TERMINAL };

/* What a shell does about Ctrl-Z: takes the terminal, and gives it back when a line comes. */
static void shell(pid_t job)
{
	int status;
	char c;

	signal(SIGTTOU, SIG_IGN);
	setpgid(job, job);
	tcsetpgrp(STDIN_FILENO, job);
	while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
		tcsetpgrp(STDIN_FILENO, getpgrp());
		fd_write_all(STDOUT_FILENO, "[stopped]", 9);
		while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
			continue;
		tcsetpgrp(STDIN_FILENO, job);
		kill(-job, SIGCONT);
	}
	_exit(0);
}

static void child(int answer_fd, bool echo, enum how how)
{
	struct cancel cancel = CANCEL_INIT;
	struct memory out, err;
	struct ui_options options;
	struct ui *ui = NULL;
	char *answer;

	if (how == BELOW_A_SHELL) {
		pid_t job = fork();

		if (job > 0) {
			close(answer_fd);
			shell(job);
		}
		setpgid(0, 0);
		while (tcgetpgrp(STDIN_FILENO) != getpgrp())
			usleep(1000);
	}
	if (how == WITHOUT_TERMINAL) {
		int fd = open("/dev/tty", O_RDWR);

		signal(SIGHUP, SIG_IGN);
		ioctl(fd, TIOCNOTTY);
		close(fd);
	}
	memory_open(&out);
	memory_open(&err);
	options = memory_options(&out, &err);
	cancel_init(&cancel, NULL);
	options.cancel_fd = cancel.fd;
	signals_install(&cancel);
	ui_new_plain(&options, &ui, NULL);
	answer = ui_prompt(ui, "web1", "passphrase of \033[2Jkey:", echo);
	fd_write_all(answer_fd, answer != NULL ? "=" : "none", answer != NULL ? 1 : 4);
	if (answer != NULL)
		fd_write_all(answer_fd, answer, strlen(answer));
	_exit(0);
}

static void ask(struct asked *asked, bool echo, enum how how)
{
	int fds[2];

	*asked = (struct asked){.seen = BUF_INIT(65536)};
	assert_int_equal(fd_pipe(fds), 0);
	asked->pid = forkpty(&asked->master, NULL, NULL, NULL);
	assert_true(asked->pid >= 0);
	if (asked->pid == 0)
		child(fds[1], echo, how);
	close(fds[1]);
	asked->answer = fds[0];
}

/* Read the terminal until it shows `text`. */
static void wait_for(struct asked *asked, const char *text)
{
	int64_t deadline = clock_now_ms() + PATIENCE_MS;

	while (strstr(asked->seen.data, text) == NULL) {
		struct pollfd slot = {.fd = asked->master, .events = POLLIN};
		char chunk[256];
		ssize_t n;

		assert_true(poll(&slot, 1, clock_left_ms(deadline)) > 0);
		n = read(asked->master, chunk, sizeof(chunk));
		assert_true(n > 0);
		assert_int_equal(buf_add(&asked->seen, chunk, (size_t)n), 0);
	}
}

static bool echoes(const struct asked *asked)
{
	struct termios now;

	assert_int_equal(tcgetattr(asked->master, &now), 0);
	return (now.c_lflag & ECHO) != 0;
}

static void wait_echo(const struct asked *asked, bool wanted)
{
	int64_t deadline = clock_now_ms() + PATIENCE_MS;

	while (echoes(asked) != wanted) {
		assert_true(clock_now_ms() < deadline);
		usleep(1000);
	}
}

static void answered(struct asked *asked, const char *expected)
{
	struct buf answer = BUF_INIT(65536);
	char chunk[256];
	ssize_t n;

	while ((n = read(asked->answer, chunk, sizeof(chunk))) > 0)
		assert_int_equal(buf_add(&answer, chunk, (size_t)n), 0);
	assert_string_equal(answer.data, expected);
	waitpid(asked->pid, NULL, 0);
	close(asked->answer);
	close(asked->master);
	buf_release(&asked->seen);
	buf_release(&answer);
}

static void test_silent(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, false, ALONE);
	wait_for(&asked, "web1: passphrase of \\x1b[2Jkey: ");
	wait_echo(&asked, false);
	assert_int_equal(fd_write_all(asked.master, "s3 cret\n", 8), 0);
	wait_for(&asked, "\r\n");
	assert_null(strstr(asked.seen.data, "s3"));
	wait_echo(&asked, true);
	answered(&asked, "=s3 cret");
}

static void test_echo(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, true, ALONE);
	wait_for(&asked, "key: ");
	assert_int_equal(fd_write_all(asked.master, "yes\n", 4), 0);
	wait_for(&asked, "yes");
	answered(&asked, "=yes");
}

static void test_interrupt(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, false, ALONE);
	wait_for(&asked, "key: ");
	wait_echo(&asked, false);
	assert_int_equal(fd_write_all(asked.master, "s3\003", 3), 0); /* Ctrl-C */
	wait_echo(&asked, true);
	answered(&asked, "none");
}

/* Ctrl-Z gives the terminal back with its echo; afterwards the question goes on. */
static void test_suspend(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, false, BELOW_A_SHELL);
	wait_for(&asked, "key: ");
	wait_echo(&asked, false);
	assert_int_equal(fd_write_all(asked.master, "p\032", 2), 0); /* Ctrl-Z */
	wait_for(&asked, "[stopped]");
	assert_true(echoes(&asked));
	assert_int_equal(fd_write_all(asked.master, "fg\n", 3), 0);
	wait_echo(&asked, false);
	assert_int_equal(fd_write_all(asked.master, "w\n", 2), 0);
	answered(&asked, "=w"); /* what was typed before is the terminal's to forget */
}

static void test_end_of_terminal(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, false, ALONE);
	wait_for(&asked, "key: ");
	wait_echo(&asked, false);
	assert_int_equal(fd_write_all(asked.master, "\004", 1), 0); /* Ctrl-D */
	answered(&asked, "none");
}

static void test_nobody(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, false, WITHOUT_TERMINAL);
	answered(&asked, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_silent),
	    cmocka_unit_test(test_echo),
	    cmocka_unit_test(test_interrupt),
	    cmocka_unit_test(test_suspend),
	    cmocka_unit_test(test_end_of_terminal),
	    cmocka_unit_test(test_nobody),
	};

	/* Shells start what they put into the background with SIGINT ignored. */
	signal(SIGINT, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
