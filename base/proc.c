#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"

extern char **environ;

enum { KILL_AFTER_MS = 2000, LINE_MAX_BYTES = 64 * 1024 };

int fd_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

int fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int both_cloexec(int rc, int fds[2])
{
	if (rc < 0)
		return -1;
	if (fd_cloexec(fds[0]) == 0 && fd_cloexec(fds[1]) == 0)
		return 0;
	close(fds[0]);
	close(fds[1]);
	fds[0] = fds[1] = -1;
	return -1;
}

int fd_pipe(int ret_fds[2])
{
#ifdef __linux__
	return pipe2(ret_fds, O_CLOEXEC);
#else
	return both_cloexec(pipe(ret_fds), ret_fds);
#endif
}

int fd_socketpair(int ret_fds[2])
{
#ifdef SOCK_CLOEXEC
	(void)both_cloexec;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds);
#else
	return both_cloexec(socketpair(AF_UNIX, SOCK_STREAM, 0, ret_fds), ret_fds);
#endif
}

bool fd_is_for_later(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd slot = {.fd = fd, .events = POLLOUT};

			poll(&slot, 1, -1);
			continue;
		}
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int set_attributes(posix_spawnattr_t *attr, const struct proc_options *options)
{
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	sigemptyset(&none);
	sigfillset(&all);
	if (options->own_group || options->group > 0) {
		flags |= POSIX_SPAWN_SETPGROUP;
		posix_spawnattr_setpgroup(attr, options->own_group ? 0 : options->group);
	}
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	return posix_spawnattr_setflags(attr, flags);
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct proc_options *options)
{
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = options->fds[i] < 0
			 ? posix_spawn_file_actions_addopen(
			       actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0)
			 : posix_spawn_file_actions_adddup2(actions, options->fds[i], i);
	if (rc == 0 && options->dir != NULL)
		rc = posix_spawn_file_actions_addchdir_np(actions, options->dir);
	return rc;
}

/* The program itself is, and so it is the one of its "#!" that is not. */
static bool is_there(const struct proc_options *options)
{
	const char *program = options->argv[0];
	bool below = options->dir != NULL && *program != '/';
	CLEANUP_FREE char *path =
	    string_printf("%s%s%s", below ? options->dir : "", below ? "/" : "", program);

	return strchr(program, '/') != NULL && path != NULL && access(path, F_OK) == 0;
}

int proc_spawn(const struct proc_options *options, pid_t *ret_pid, struct error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	rc = set_actions(&actions, options);
	if (rc == 0)
		rc = set_attributes(&attr, options);
	if (rc == 0)
		rc = posix_spawnp(ret_pid, options->argv[0], &actions, &attr,
		    (char *const *)(uintptr_t)options->argv,
		    options->env != NULL ? (char *const *)(uintptr_t)options->env : environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc == ENOENT && options->dir != NULL && access(options->dir, F_OK) < 0)
		return error_set(err, ERROR_NOT_FOUND, "there is no folder %s", options->dir);
	if (rc == ENOENT && is_there(options)) {
		error_set(err, ERROR_NOT_FOUND, "cannot run %s: what should run it is not there",
		    options->argv[0]);
		return error_hint(err, "look at its first line: \"#!\" and the path of a program");
	}
	if (rc == ENOENT)
		return error_set(err, ERROR_NOT_FOUND, "there is no program %s", options->argv[0]);
	if (rc != 0)
		return error_errno(err, rc, "cannot run %s", options->argv[0]);
	return 0;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* waitpid until the deadline: 1 when it has ended. There is no portable descriptor for a child's
 * end, so the wait sleeps in small steps on the cancel descriptor. */
static int wait_until(pid_t pid, int64_t deadline_ms, int cancel_fd, int *ret_status)
{
	for (int step = 1;; step = step < 20 ? step * 2 : 20) {
		struct pollfd slot = {.fd = cancel_fd, .events = POLLIN};
		int left = clock_left_ms(deadline_ms);
		int status;
		pid_t rc = waitpid(pid, &status, WNOHANG);

		if (rc == pid || (rc < 0 && errno != EINTR)) {
			*ret_status = rc == pid ? exit_code(status) : 127;
			return 1;
		}
		if (left == 0)
			return 0;
		if (poll(&slot, 1, left >= 0 && left < step ? left : step) > 0)
			return 0;
	}
}

static int cut_short(int cancel_fd, struct error *err)
{
	if (cancel_fd_fired(cancel_fd))
		return error_set(err, ERROR_CANCELLED, "interrupted");
	return error_set(err, ERROR_TIMEOUT, "it took too long");
}

int proc_wait(pid_t pid, int64_t deadline_ms, int cancel_fd, int *ret_status, struct error *err)
{
	int status = 0;

	if (deadline_ms < 0 && cancel_fd < 0) {
		pid_t rc;

		while ((rc = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
			continue;
		*ret_status = rc == pid ? exit_code(status) : 127;
		return 0;
	}
	if (wait_until(pid, deadline_ms, cancel_fd, ret_status))
		return 0;
	kill(pid, SIGTERM);
	if (!wait_until(pid, clock_now_ms() + KILL_AFTER_MS, -1, &status)) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	*ret_status = 128 + SIGTERM;
	return cut_short(cancel_fd, err);
}

/* Feeds what two descriptors give to `sink` until both are at their end; -1 when the deadline or
 * the cancelling came first, or the sink is out of memory. */
typedef int sink_fn(void *context, int which, const char *data, size_t len);

/* What a program says may be a secret. */
struct chunk {
	char data[16 * 1024];
};

static void wipe(struct chunk *chunk)
{
	explicit_bzero(chunk->data, sizeof(chunk->data));
}

static int drain(
    int fds[2], int64_t deadline_ms, int cancel_fd, sink_fn *sink, void *context, struct error *err)
{
	__attribute__((cleanup(wipe))) struct chunk chunk;
	int open_fds = 2;

	while (open_fds > 0) {
		struct pollfd slots[] = {{.fd = fds[0], .events = POLLIN},
		    {.fd = fds[1], .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
		int left = clock_left_ms(deadline_ms);
		int rc = left == 0 ? 0 : poll(slots, 3, left);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			return error_errno(err, errno, "waiting for its output");
		if (rc == 0 || slots[2].revents != 0)
			return cut_short(cancel_fd, err);
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (slots[i].revents == 0)
				continue;
			n = read(fds[i], chunk.data, sizeof(chunk.data));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				close(fds[i]);
				fds[i] = -1;
				open_fds--;
			} else if (sink(context, i, chunk.data, (size_t)n) < 0) {
				return error_memory(err);
			}
		}
	}
	return 0;
}

/* Has it ended? It stays a zombie, so that its group's number is not given to another one. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

static bool await_end(pid_t pid, int64_t deadline_ms, int cancel_fd)
{
	while (!has_ended(pid)) {
		struct pollfd slot = {.fd = cancel_fd, .events = POLLIN};

		if (clock_left_ms(deadline_ms) == 0 || poll(&slot, 1, 5) > 0)
			return false;
	}
	return true;
}

/* TERM, and after a while KILL, for a child and all that is in its group. */
static void end_group(pid_t pid)
{
	int64_t deadline_ms = clock_now_ms() + KILL_AFTER_MS;

	kill(-pid, SIGTERM);
	while (!has_ended(pid) && clock_left_ms(deadline_ms) > 0)
		poll(NULL, 0, 10);
	kill(-pid, SIGKILL);
}

/* What was said is not all there is, even where the child itself has ended: that is no success. */
static int wait_for(pid_t pid, bool own_group, bool drained, int64_t deadline_ms, int cancel_fd,
    int *ret_status, struct error *err)
{
	if (drained && !own_group)
		return proc_wait(pid, deadline_ms, cancel_fd, ret_status, err);
	if (drained && await_end(pid, deadline_ms, cancel_fd))
		return proc_wait(pid, -1, -1, ret_status, err);
	if (own_group)
		end_group(pid);
	proc_wait(pid, clock_now_ms(), -1, ret_status, NULL);
	return drained ? cut_short(cancel_fd, err) : -1;
}

/* Somebody else who ends it when we cannot: a shell that reads from a pipe of ours. It is there
 * first, and the program comes into its process group, so there is no moment without it. */
struct guard {
	pid_t pid;
	int fd;
};

static int guard_begin(struct guard *guard, struct error *err)
{
	static const char script[] = "read -r never; kill 0";
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct proc_options options = {.argv = argv, .fds = {-1, -1, -1}, .own_group = 1};
	int fds[2], rc;

	if (fd_pipe(fds) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	options.fds[0] = fds[0];
	rc = proc_spawn(&options, &guard->pid, err);
	close(fds[0]);
	if (rc < 0)
		close(fds[1]);
	else
		guard->fd = fds[1];
	return rc;
}

static void guard_end(const struct guard *guard)
{
	if (guard->fd < 0)
		return;
	kill(guard->pid, SIGKILL);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	close(guard->fd);
}

static int run_piped(const struct proc_options *given, int64_t deadline_ms, int cancel_fd,
    sink_fn *sink, void *context, int *ret_status, struct error *err)
{
	int out[2] = {-1, -1}, errs[2] = {-1, -1}, fds[2], rc;
	struct proc_options options = *given;
	struct guard guard = {.fd = -1};
	pid_t pid = -1;

	if (fd_pipe(out) < 0 || fd_pipe(errs) < 0) {
		rc = error_errno(err, errno, "cannot make a pipe");
		if (out[0] >= 0) {
			close(out[0]);
			close(out[1]);
		}
		return rc;
	}
	options.fds[0] = -1;
	options.fds[1] = out[1];
	options.fds[2] = errs[1];
	rc = given->leash ? guard_begin(&guard, err) : 0;
	if (given->leash)
		options.group = guard.pid;
	if (rc == 0)
		rc = proc_spawn(&options, &pid, err);
	close(out[1]);
	close(errs[1]);
	fds[0] = out[0];
	fds[1] = errs[0];
	if (rc == 0) {
		bool drained = drain(fds, deadline_ms, cancel_fd, sink, context, err) == 0;

		rc = wait_for(
		    pid, options.own_group != 0, drained, deadline_ms, cancel_fd, ret_status, err);
		if (rc < 0)
			error_wrap(err, "%s", options.argv[0]);
	}
	guard_end(&guard);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return rc;
}

struct collector {
	struct proc_result result;
	bool strict, too_much;
};

static int collect(void *context, int which, const char *data, size_t len)
{
	struct collector *collector = context;
	struct buf *buf = which == 0 ? &collector->result.out : &collector->result.err;
	size_t room = buf->max - buf->len;

	collector->too_much = collector->strict && which == 0 && len > room;
	return collector->too_much ? -1 : buf_add(buf, data, len < room ? len : room);
}

int proc_collect(const struct proc_options *options, size_t max, int64_t deadline_ms, int cancel_fd,
    struct proc_result *ret, struct error *err)
{
	struct collector collector = {.strict = options->strict != 0};
	struct proc_result *result = &collector.result;

	buf_init(&result->out, max);
	buf_init(&result->err, max);
	result->out.secret = result->err.secret = options->secret;
	if (run_piped(options, deadline_ms, cancel_fd, collect, &collector, &result->status, err) <
	    0) {
		proc_result_release(result);
		if (collector.too_much)
			error_set(err, ERROR_PROTOCOL, "%s: it prints more than %zu bytes",
			    options->argv[0], max);
		return -1;
	}
	*ret = *result;
	return 0;
}

int proc_run(const char *const *argv, size_t max, int64_t deadline_ms, int cancel_fd,
    struct proc_result *ret, struct error *err)
{
	const struct proc_options options = {.argv = argv};

	return proc_collect(&options, max, deadline_ms, cancel_fd, ret, err);
}

void proc_result_release(struct proc_result *result)
{
	buf_release(&result->out);
	buf_release(&result->err);
}

static int feed_lines(void *context, int which, const char *data, size_t len)
{
	struct lines *lines = context;

	return lines_feed(&lines[which], data, len);
}

int proc_run_lines(const struct proc_options *options, int64_t deadline_ms, int cancel_fd,
    line_fn *line, void *context, int *ret_status, struct error *err)
{
	struct lines lines[2];
	int rc;

	for (int i = 0; i < 2; i++)
		lines_init(&lines[i], LINE_MAX_BYTES, line, context);
	rc = run_piped(options, deadline_ms, cancel_fd, feed_lines, lines, ret_status, err);
	for (int i = 0; i < 2; i++)
		lines_end(&lines[i]);
	return rc;
}
