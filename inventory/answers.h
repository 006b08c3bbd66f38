/* What programs printed, kept from one run of shipit to the next: a file for each program below
 * $XDG_CACHE_HOME/shipit, else ~/.cache/shipit, for this user alone, since there may be passwords
 * in it. Nothing depends on its being there: what cannot be read, or was cut off, is as if it were
 * not there. Written in one step, so two shipits at once do no harm. */
#ifndef SHIPIT_INVENTORY_ANSWERS_H
#define SHIPIT_INVENTORY_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

/* What the program at `path` said in `dir`, at most `age_ms` ago and being the same file as now
 * (its size and time): 0 and malloc'ed text. -1: there is no such answer. */
int answer_read(const char *path, const char *dir, int64_t age_ms, size_t max, char **ret_text,
    size_t *ret_len);
/* -1: it could not be kept. */
int answer_write(const char *path, const char *dir, const char *text, size_t len);

#endif
