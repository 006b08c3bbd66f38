/* Child programs by posix_spawn: argv only, never a shell line; every descriptor but the three is
 * closed in the child; signal mask and dispositions are the defaults there. */
#ifndef SHIPIT_BASE_PROC_H
#define SHIPIT_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/lines.h"

struct proc_options {
	const char *const *argv; /* argv[0] is looked up in PATH */
	const char *const *env;	 /* NULL: ours */
	const char *dir;	 /* NULL: ours */
	int fds[3];		 /* what the child gets as 0, 1, 2; -1: /dev/null */
	int own_group;		 /* a process group of its own (Ctrl-C does not reach it) */
	pid_t group;		 /* the process group that it comes into; 0: ours */
	int leash;		 /* it is ended (TERM) when we are, however that comes */
	int secret;		 /* what it says is collected into memory that is wiped */
	int strict;		 /* to print more than there is room for is an error */
};

/* Start it. `ret_pid` is to be waited for with proc_wait. An argv[0] that does not exist is
 * ERROR_NOT_FOUND. */
int proc_spawn(const struct proc_options *options, pid_t *ret_pid, struct error *err);

/* Wait until `deadline_ms` (base/clock.h; -1: for ever) or until `cancel_fd` is readable (-1:
 * none); then TERM, after 2 s KILL, and ERROR_TIMEOUT or ERROR_CANCELLED. `ret_status` is the exit
 * code, or 128 + the signal. */
int proc_wait(pid_t pid, int64_t deadline_ms, int cancel_fd, int *ret_status, struct error *err);

struct proc_result {
	int status;	/* exit code, or 128 + signal */
	struct buf out; /* at most `max` bytes each; what is more is read and dropped */
	struct buf err;
};

/* Run argv to its end with stdin from /dev/null and collect what it says. A status other than 0 is
 * not an error here. `deadline_ms` and `cancel_fd` as above. */
int proc_run(const char *const *argv, size_t max, int64_t deadline_ms, int cancel_fd,
    struct proc_result *ret, struct error *err);
/* The same of more options; its descriptors are not looked at. With `own_group` all that it started
 * is ended with it where it is cut short; with `strict` it is cut short, too, as soon as it has
 * printed more than `max` bytes (ERROR_PROTOCOL). */
int proc_collect(const struct proc_options *options, size_t max, int64_t deadline_ms, int cancel_fd,
    struct proc_result *ret, struct error *err);
void proc_result_release(struct proc_result *result);

/* Call `line` for each line (at most 64 KiB, longer ones in pieces) that the child
 * writes to stdout or stderr, as they come; of `options` its descriptors are not looked at. Returns
 * as proc_wait. */
int proc_run_lines(const struct proc_options *options, int64_t deadline_ms, int cancel_fd,
    line_fn *line, void *context, int *ret_status, struct error *err);

/* fcntl helpers: close-on-exec, non-blocking. Return 0, or -1 with errno set. */
int fd_cloexec(int fd);
int fd_nonblock(int fd);
/* A pipe and a socket pair with close-on-exec set. */
int fd_pipe(int ret_fds[2]);
int fd_socketpair(int ret_fds[2]);
/* What read(2) and write(2) say when they are to be tried again later. */
bool fd_is_for_later(int errnum);
/* Write all of it, however often write(2) is interrupted; -1 with errno set. */
int fd_write_all(int fd, const void *data, size_t len);

#endif
