/* Errors and mistakes as people read them: what, where, why, and what to do. */
#ifndef SHIPIT_CMD_COMPLAIN_H
#define SHIPIT_CMD_COMPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "inventory/inventory.h"

/* "shipit: web1: swap: MESSAGE", further lines of the message indented, then "  hint: ...". `host`
 * and `step` may be NULL, and are not said twice when the message begins with them. */
void complain(FILE *to, bool color, const char *host, const char *step, const struct error *error);
/* The same for text that is no struct error; `hint` may be NULL. */
void complain_text(FILE *to, bool color, const char *host, const char *step, const char *message,
    const char *hint);

/* What went wrong on one of several hosts. All borrowed; an `error` of kind ERROR_NONE is skipped.
 */
struct host_error {
	const char *host;
	const char *step; /* NULL: not known */
	const struct error *error;
};
/* One message for each error; hosts with the same one are named together. */
void complain_hosts(FILE *to, bool color, const struct host_error *errors, size_t n);

/* "shipit.yml:12:5: TEXT", as editors expect it, then the line of the file with a caret below the
 * place, then "  hint: ...". When there are very many, those after the first dozens take one line
 * each. `label` stands before the text, as in "warning: "; or "". */
void complain_problems(FILE *to, bool color, const char *label, const struct problems *problems);

#endif
