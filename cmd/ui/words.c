#include "cmd/ui/words.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

void words_duration(int64_t ms, char out[WORDS_SIZE])
{
	int64_t s = (ms + 500) / 1000;

	if (ms < 0)
		snprintf(out, WORDS_SIZE, "-");
	else if (ms < 9950)
		snprintf(out, WORDS_SIZE, "%.1f s", (double)ms / 1000);
	else if (s < 60)
		snprintf(out, WORDS_SIZE, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(out, WORDS_SIZE, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		snprintf(out, WORDS_SIZE, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
}

void words_clock(int64_t ms, char out[WORDS_SIZE])
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 3600)
		snprintf(out, WORDS_SIZE, "%" PRId64 ":%02" PRId64, s / 60, s % 60);
	else
		snprintf(out, WORDS_SIZE, "%" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600,
		    s / 60 % 60, s % 60);
}

void words_bytes(uint64_t bytes, uint64_t total, double rate, char out[2 * WORDS_SIZE])
{
	char done[TEXT_BYTES_SIZE], all[TEXT_BYTES_SIZE], speed[TEXT_BYTES_SIZE];

	out[0] = '\0';
	if (bytes == 0 && total == 0)
		return;
	text_bytes(bytes, done);
	text_bytes(total, all);
	text_bytes(rate > 0 ? (uint64_t)rate : 0, speed);
	snprintf(out, 2 * WORDS_SIZE, "%s%s%s%s%s%s", done, total > 0 ? " of " : "",
	    total > 0 ? all : "", rate > 0 ? ", " : "", rate > 0 ? speed : "",
	    rate > 0 ? "/s" : "");
}

void words_hosts(size_t n, char out[WORDS_SIZE])
{
	snprintf(out, WORDS_SIZE, "%zu host%s", n, n == 1 ? "" : "s");
}

const char *words_host(const char *host)
{
	return host != NULL ? host : "here";
}

const char *words_row_state(enum row_state state)
{
	static const char *const names[N_ROW_STATES] = {
	    [ROW_WAITING] = "waiting",
	    [ROW_RUNNING] = "running",
	    [ROW_OK] = "done",
	    [ROW_FAILED] = "failed",
	    [ROW_REVERTED] = "reverted",
	    [ROW_SKIPPED] = "skipped",
	    [ROW_UNKNOWN] = "unknown",
	};

	return names[state];
}
