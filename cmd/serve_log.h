/* Lines that many threads have to say, and one writes: a reader that is slow or gone (`| less`,
 * `| head`) holds up no request, and no end. */
#ifndef SHIPIT_CMD_SERVE_LOG_H
#define SHIPIT_CMD_SERVE_LOG_H

#include <pthread.h>

#include "base/buf.h"
#include "base/error.h"

struct serve_log {
	pthread_mutex_t lock;
	struct buf waiting; /* at most 1 MiB */
	uint64_t lost;	    /* lines that came when it was full */
	int wake[2];
};

int serve_log_init(struct serve_log *log, struct error *err);
void serve_log_release(struct serve_log *log);
/* From any thread; never blocks. The line is whole, with its newline. */
void serve_log_add(struct serve_log *log, const char *line, size_t len);
uint64_t serve_log_lost(struct serve_log *log);

/* Write to `fd` (-1: nowhere) until `cancel_fd` is readable or nobody reads `fd` any more. */
int serve_log_run(struct serve_log *log, int fd, int cancel_fd, struct error *err);
/* Write what is left; a reader that takes nothing for a second gets no more. */
void serve_log_flush(struct serve_log *log, int fd);

#endif
