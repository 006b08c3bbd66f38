/* Short words for times and amounts, shared by what is shown. */
#ifndef SHIPIT_CMD_UI_WORDS_H
#define SHIPIT_CMD_UI_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cmd/ui/fleet.h"
#include "deploy/rollout.h"

enum { WORDS_SIZE = 48 };

/* "0.3 s", "42 s", "3 min 12 s", "2 h 5 min" */
void words_duration(int64_t ms, char out[WORDS_SIZE]);
/* "0:42", "12:05", "1:02:05": the width stays while it counts. */
void words_clock(int64_t ms, char out[WORDS_SIZE]);
/* "34 MB of 120 MB, 11 MB/s"; "" when no bytes are known. */
void words_bytes(uint64_t bytes, uint64_t total, double rate, char out[2 * WORDS_SIZE]);
/* "1 host", "12 hosts" */
void words_hosts(size_t n, char out[WORDS_SIZE]);

/* "here" for this machine. */
const char *words_host(const char *host);
const char *words_row_state(enum row_state state);

#endif
