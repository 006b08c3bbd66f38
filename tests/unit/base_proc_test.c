/* Children: how they end, what they say, and that nothing of them stays behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "tests/unit/base_check.h"

enum { PLENTY_MS = 20 * 1000 };

static const char *const *sh(const char *script)
{
	static const char *argv[4];

	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = script;
	return argv;
}

static int64_t soon(void)
{
	return clock_now_ms() + PLENTY_MS;
}

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	if (dir == NULL)
		return 0; /* no /proc: nothing to be counted */
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* --- how it ends */

static void exit_codes_and_signals(void **state UNUSED)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {{"exit 0", 0}, {"exit 3", 3}, {"exit 255", 255}, {"kill -9 $$", 128 + 9},
	    {"kill -TERM $$", 128 + 15}};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		struct proc_result result = {0};

		/* With and without a deadline: two ways of waiting. */
		assert_int_equal(proc_run(sh(cases[i / 2].script), 100, i % 2 == 0 ? -1 : soon(),
				     -1, &result, NULL),
		    0);
		assert_int_equal(result.status, cases[i / 2].status);
		proc_result_release(&result);
	}
}

static void no_such_program_is_not_found(void **state UNUSED)
{
	const char *const argv[] = {"shipit-no-such-program", NULL};
	const char *const folder[] = {"/", NULL};
	struct proc_result result;
	struct error err = {0};

	assert_int_equal(proc_run(argv, 10, -1, -1, &result, &err), -1);
	assert_error(&err, ERROR_NOT_FOUND, "shipit-no-such-program");
	assert_int_equal(proc_run(folder, 10, -1, -1, &result, &err), -1);
	assert_error(&err, ERROR_SYSTEM, "cannot run /");
}

/* The kernel says of both that there is no such file. */
static void no_such_interpreter_is_not_no_such_program(void **state UNUSED)
{
	static const char text[] = "#!/no/such/interpreter\n";
	char folder[] = "/tmp/base_proc.XXXXXX", path[64];
	const char *const argv[] = {"./script", NULL};
	struct error err = {0};
	int status = -1, fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/script", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(proc_run_lines(&(struct proc_options){.argv = argv, .dir = folder}, -1, -1,
			     NULL, NULL, &status, &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, "cannot run ./script: what should run it is not there");
	unlink(path);
	rmdir(folder);
}

static void no_such_folder_is_not_the_programs_fault(void **state UNUSED)
{
	struct error err = {0};
	int status = -1;

	assert_int_equal(
	    proc_run_lines(&(struct proc_options){.argv = sh("true"), .dir = "/no/such/folder"}, -1,
		-1, NULL, NULL, &status, &err),
	    -1);
	assert_error(&err, ERROR_NOT_FOUND, "/no/such/folder");
}

static void deadline_ends_it(void **state UNUSED)
{
	struct proc_result result;
	struct error err = {0};
	int64_t start_ms = clock_now_ms();

	assert_int_equal(proc_run(sh("exec sleep 60"), 10, start_ms + 50, -1, &result, &err), -1);
	assert_error(&err, ERROR_TIMEOUT, "sh: it took too long");
	assert_true(clock_now_ms() - start_ms < 30000);
}

static void who_ignores_term_is_killed(void **state UNUSED)
{
	struct proc_result result;
	struct error err = {0};
	int64_t start_ms = clock_now_ms();

	assert_int_equal(proc_run(sh("trap '' TERM; while :; do sleep 0.1; done"), 10,
			     start_ms + 200, -1, &result, &err),
	    -1);
	assert_error(&err, ERROR_TIMEOUT, NULL);
	assert_in_range(clock_now_ms() - start_ms, 2000, 30000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left to be waited for */
	assert_int_equal(errno, ECHILD);
}

/* What is cut short must not pass for all that was said, even if the child itself has ended. */
static void output_that_never_ends_is_no_success(void **state UNUSED)
{
	struct proc_result result;
	struct error err = {0};

	assert_int_equal(proc_run(sh("echo part; sleep 5 & exit 0"), 100, clock_now_ms() + 200, -1,
			     &result, &err),
	    -1);
	assert_error(&err, ERROR_TIMEOUT, NULL);
}

/* What it started goes with it, though it does not listen to TERM. */
static void a_group_is_ended_whole(void **state UNUSED)
{
	static const char script[] = "(trap '' TERM; while :; do sleep 0.1; done) & echo $!; wait";
	const struct proc_options options = {.argv = sh(script), .own_group = 1};
	int fds[2];
	struct proc_result result;
	struct error err = {0};
	char byte;

	/* Every process of the group has the pipe: its end is theirs. */
	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFD, 0), 0);
	assert_int_equal(proc_collect(&options, 100, clock_now_ms() + 300, -1, &result, &err), -1);
	assert_error(&err, ERROR_TIMEOUT, NULL);
	close(fds[1]);
	struct pollfd slot = {.fd = fds[0], .events = POLLIN};
	assert_int_equal(poll(&slot, 1, PLENTY_MS), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void a_group_of_its_own_may_end_well(void **state UNUSED)
{
	const struct proc_options options = {.argv = sh("echo here; exit 3"), .own_group = 1};
	struct proc_result result;

	assert_int_equal(proc_collect(&options, 100, soon(), -1, &result, NULL), 0);
	assert_int_equal(result.status, 3);
	assert_string_equal(result.out.data, "here\n");
	proc_result_release(&result);
}

static void *fire_later(void *context)
{
	poll(NULL, 0, 100);
	cancel_fire(context);
	return NULL;
}

static void cancel_ends_it(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct proc_result result;
	struct error err = {0};
	pthread_t thread;
	int64_t start_ms = clock_now_ms();

	assert_false(cancel_fired(&cancel));
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	assert_false(cancel_fired(&cancel));
	assert_int_equal(pthread_create(&thread, NULL, fire_later, &cancel), 0);
	assert_int_equal(proc_run(sh("exec sleep 60"), 10, -1, cancel.fd, &result, &err), -1);
	pthread_join(thread, NULL);
	assert_error(&err, ERROR_CANCELLED, "interrupted");
	assert_true(clock_now_ms() - start_ms < 30000);
	assert_true(cancel_fired(&cancel));
	for (int i = 0; i < 100000; i++) /* a full pipe must not block */
		cancel_fire(&cancel);
	cancel_release(&cancel);
	assert_int_equal(cancel.fd, -1);
}

/* --- what it says */

static void both_outputs_are_collected(void **state UNUSED)
{
	struct proc_result result;

	assert_int_equal(
	    proc_run(sh("echo out; echo err >&2; cat"), 100, soon(), -1, &result, NULL), 0);
	assert_string_equal(result.out.data, "out\n");
	assert_string_equal(result.err.data, "err\n");
	assert_int_equal(result.status, 0); /* `cat` read the end of /dev/null */
	proc_result_release(&result);
}

static void more_than_the_limit_is_dropped(void **state UNUSED)
{
	struct proc_result result;

	assert_int_equal(
	    proc_run(sh("head -c 500000 /dev/zero | tr '\\0' x; printf 12345678901 >&2"), 10,
		soon(), -1, &result, NULL),
	    0);
	assert_string_equal(result.out.data, "xxxxxxxxxx");
	assert_string_equal(result.err.data, "1234567890");
	proc_result_release(&result);
}

static void more_than_there_is_room_for_ends_it(void **state UNUSED)
{
	struct proc_options options = {.argv = sh("yes"), .own_group = 1, .strict = 1};
	struct proc_result result;
	struct error err = {0};

	assert_int_equal(proc_collect(&options, 10, -1, -1, &result, &err), -1);
	assert_error(&err, ERROR_PROTOCOL, "sh: it prints more than 10 bytes");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	options.argv = sh("printf 1234567890; echo and much more >&2");
	assert_int_equal(proc_collect(&options, 10, soon(), -1, &result, NULL), 0);
	assert_string_equal(result.out.data, "1234567890");
	proc_result_release(&result);
}

struct heard {
	size_t n, longest;
	char text[256];
};

static void hear(void *context, const char *line)
{
	struct heard *heard = context;
	size_t len = strlen(heard->text);

	heard->n++;
	if (strlen(line) > heard->longest)
		heard->longest = strlen(line);
	snprintf(heard->text + len, sizeof(heard->text) - len, "[%.20s]", line);
}

static void lines_are_split(void **state UNUSED)
{
	static const struct {
		const char *script, *want;
	} cases[] = {
	    {"printf 'a\\nb\\n'", "[a][b]"},
	    {"printf 'a\\n\\nlast'", "[a][][last]"},
	    {"true", ""},
	    {"printf 'a'; sleep 0.05; printf 'b\\nc\\n'", "[ab][c]"},
	    {"printf '\\n'", "[]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heard heard = {0};
		int status = -1;

		assert_int_equal(
		    proc_run_lines(&(struct proc_options){.argv = sh(cases[i].script), .dir = "/"},
			soon(), -1, hear, &heard, &status, NULL),
		    0);
		assert_int_equal(status, 0);
		assert_string_equal(heard.text, cases[i].want);
	}
}

static void long_lines_come_in_pieces(void **state UNUSED)
{
	/* 64 KiB exactly is one line and no empty one after it; 150000 are three pieces. */
	static const struct {
		const char *script;
		size_t n, longest;
	} cases[] = {{"head -c 65536 /dev/zero | tr '\\0' x; echo; echo y", 2, 65536},
	    {"head -c 150000 /dev/zero | tr '\\0' x; echo; echo y", 4, 65536}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heard heard = {0};
		int status = -1;

		assert_int_equal(
		    proc_run_lines(&(struct proc_options){.argv = sh(cases[i].script), .dir = NULL},
			soon(), -1, hear, &heard, &status, NULL),
		    0);
		assert_int_equal(heard.n, cases[i].n);
		assert_int_equal(heard.longest, cases[i].longest);
	}
}

static void folder_and_environment_are_as_asked(void **state UNUSED)
{
	const char *const env[] = {"WHO=ann", "PATH=/usr/bin:/bin", NULL};
	int fds[2], status = -1;
	struct proc_options options = {
	    .argv = sh("printf '%s %s' \"$PWD\" \"$WHO\"; echo x >&2"), .env = env, .dir = "/"};
	char out[64] = "";
	pid_t pid;

	assert_int_equal(fd_pipe(fds), 0);
	options.fds[0] = options.fds[2] = -1;
	options.fds[1] = fds[1];
	options.own_group = 1;
	assert_int_equal(proc_spawn(&options, &pid, NULL), 0);
	close(fds[1]);
	assert_int_equal(proc_wait(pid, soon(), -1, &status, NULL), 0);
	assert_int_equal(read(fds[0], out, sizeof(out) - 1), 5);
	assert_string_equal(out, "/ ann");
	close(fds[0]);
}

/* --- what it gets, and what is left */

static int fds_of_a_child(void)
{
	struct proc_result result;
	int n = 0;

	assert_int_equal(proc_run(sh("exec ls /proc/self/fd"), 100, soon(), -1, &result, NULL), 0);
	for (const char *c = result.out.data; *c != '\0'; c++)
		n += *c == '\n';
	proc_result_release(&result);
	return n;
}

/* Whatever we have open: what we were started with aside, a child gets none of it. */
static void children_get_three_descriptors(void **state UNUSED)
{
	int pair[2], other[2], before;

	if (open_fds() == 0)
		skip();
	before = fds_of_a_child();
	assert_int_equal(fd_pipe(pair), 0);
	assert_int_equal(fd_socketpair(other), 0);
	assert_int_equal(fds_of_a_child(), before);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(other[i]);
	}
}

static void signals_are_as_by_default(void **state UNUSED)
{
	struct proc_result result;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(proc_run(sh("kill -PIPE $$; exit 1"), 10, soon(), -1, &result, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(result.status, 128 + SIGPIPE);
	proc_result_release(&result);
}

static void no_descriptor_stays_behind(void **state UNUSED)
{
	static const char *const scripts[] = {"true", "exec sleep 60", "echo x; echo y >&2"};
	const char *const none[] = {"shipit-no-such-program", NULL};
	size_t before = open_fds();

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct proc_result result = {0};
		int status;

		if (proc_run(sh(scripts[i]), 10, clock_now_ms() + 100, -1, &result, NULL) == 0)
			proc_result_release(&result);
		assert_int_equal(proc_run(none, 10, -1, -1, &result, NULL), -1);
		proc_run_lines(&(struct proc_options){.argv = sh(scripts[i]), .dir = "/"},
		    clock_now_ms() + 100, -1, hear, &(struct heard){0}, &status, NULL);
	}
	assert_int_equal(open_fds(), before);
}

/* Its stdout is the pipe: it reads its end when the program is gone. */
static void a_leash_ends_it_with_us(void **state UNUSED)
{
	struct proc_options options = {.argv = sh("echo begun >&3; exec sleep 60"), .leash = 1};
	struct pollfd slot;
	int fds[2], status;
	char begun[8];
	pid_t us;

	assert_int_equal(pipe(fds), 0);
	us = fork();
	assert_true(us >= 0);
	if (us == 0) {
		dup2(fds[1], 3);
		for (int fd = 4; fd < 20; fd++)
			close(fd);
		proc_run_lines(&options, -1, -1, hear, &(struct heard){0}, &status, NULL);
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], begun, sizeof(begun)), 6);
	kill(us, SIGKILL);
	waitpid(us, &status, 0);
	slot = (struct pollfd){.fd = fds[0], .events = POLLIN};
	assert_int_equal(poll(&slot, 1, PLENTY_MS), 1);
	assert_int_equal(read(fds[0], begun, sizeof(begun)), 0);
	close(fds[0]);
}

static void a_leash_is_not_felt(void **state UNUSED)
{
	struct proc_options options = {.argv = sh("cat; exit 3"), .leash = 1};
	size_t before = open_fds();
	int status = 0;

	assert_int_equal(
	    proc_run_lines(&options, soon(), -1, hear, &(struct heard){0}, &status, NULL), 0);
	assert_int_equal(status, 3);
	assert_int_equal(open_fds(), before);
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exit_codes_and_signals),
	    cmocka_unit_test(no_such_program_is_not_found),
	    cmocka_unit_test(no_such_interpreter_is_not_no_such_program),
	    cmocka_unit_test(no_such_folder_is_not_the_programs_fault),
	    cmocka_unit_test(deadline_ends_it),
	    cmocka_unit_test(who_ignores_term_is_killed),
	    cmocka_unit_test(output_that_never_ends_is_no_success),
	    cmocka_unit_test(a_group_is_ended_whole),
	    cmocka_unit_test(a_group_of_its_own_may_end_well),
	    cmocka_unit_test(cancel_ends_it),
	    cmocka_unit_test(both_outputs_are_collected),
	    cmocka_unit_test(more_than_the_limit_is_dropped),
	    cmocka_unit_test(more_than_there_is_room_for_ends_it),
	    cmocka_unit_test(lines_are_split),
	    cmocka_unit_test(long_lines_come_in_pieces),
	    cmocka_unit_test(folder_and_environment_are_as_asked),
	    cmocka_unit_test(children_get_three_descriptors),
	    cmocka_unit_test(signals_are_as_by_default),
	    cmocka_unit_test(no_descriptor_stays_behind),
	    cmocka_unit_test(a_leash_ends_it_with_us),
	    cmocka_unit_test(a_leash_is_not_felt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
