/* JSON lines: docs/json.md. Every line is an object with `time` and `event` first; the last one is
 * a `summary`. ASCII only, so that no text from a host can drive a terminal that shows it. */
#ifndef SHIPIT_CMD_UI_JSON_H
#define SHIPIT_CMD_UI_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "cmd/ui/ui.h"

/* Set a string member; bytes that are not UTF-8 are shown as \xff. NULL is left out. */
void json_put(json_t *object, const char *key, const char *text);
void json_put_int(json_t *object, const char *key, int64_t value);
/* Write it as one line and forget it (takes the reference; NULL does nothing). */
void json_line(FILE *out, json_t *object);

/* "unreachable", "locked", ...: the member `kind` of errors. */
const char *error_kind_name(enum error_kind kind);

/* An object that begins with the time `now`, and the event's name. NULL: out of memory. */
json_t *json_event(const char *name);

#endif
