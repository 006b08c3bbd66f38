#include "cmd/ui/meter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVERY_MS = 100 };

void meter_init(struct meter *meter, FILE *out, const char *what)
{
	const char *term = getenv("TERM");
	bool capable = out != NULL && isatty(fileno(out)) && term != NULL && *term != '\0' &&
		       strcmp(term, "dumb") != 0;

	*meter = (struct meter){.out = capable ? out : NULL, .what = what};
}

void meter_show(void *context, uint64_t done, uint64_t total)
{
	struct meter *meter = context;
	int64_t now = clock_now_ms();
	unsigned int percent = 100;

	if (meter->out == NULL || (meter->shown && now - meter->shown_ms < EVERY_MS))
		return;
	if (done < total)
		percent = (unsigned int)((double)done * 100 / (double)total);
	fprintf(meter->out, "\r%s %u %%\033[K", meter->what, percent);
	fflush(meter->out);
	meter->shown = true;
	meter->shown_ms = now;
}

void meter_clear(struct meter *meter)
{
	if (!meter->shown)
		return;
	fputs("\r\033[K", meter->out);
	fflush(meter->out);
	meter->shown = false;
}
