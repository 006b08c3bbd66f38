/* Where the lines for -v and -vv go. `log` is called from the thread that does the work, so also
 * from a session's I/O thread. */
#ifndef SHIPIT_TRANSPORT_SSH_TRACE_H
#define SHIPIT_TRANSPORT_SSH_TRACE_H

#include "base/attr.h"
#include "transport/ssh/session.h"

/* -v, -vv; ALWAYS: somebody has to do something. */
enum { TRACE_ALWAYS = 0, TRACE_SHORT = 1, TRACE_LONG = 2 };

struct trace {
	session_log_fn *log; /* NULL: nobody listens */
	void *context;
	const char *host; /* starts every line; borrowed */
};

void trace_line(const struct trace *trace, int level, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
