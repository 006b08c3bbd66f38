#include "transport/ssh/trace.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 4096 };

void trace_line(const struct trace *trace, int level, const char *format, ...)
{
	CLEANUP_BUF struct buf raw = BUF_INIT(LINE_MAX_BYTES);
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES * 4);
	va_list args;
	int rc;

	if (trace->log == NULL)
		return;
	va_start(args, format);
	rc = buf_vaddf(&raw, format, args);
	va_end(args);
	if (rc < 0 || buf_addf(&line, "%s: ", trace->host) < 0 ||
	    text_clean(&line, raw.data, raw.len, true) < 0)
		return;
	trace->log(trace->context, level, line.data);
}
