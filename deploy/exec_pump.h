/* The bytes of a program in a container, between the engine's stream and where they belong.
 * Memory is a piece for each direction: who does not read makes the program wait. */
#ifndef SHIPIT_DEPLOY_EXEC_PUMP_H
#define SHIPIT_DEPLOY_EXEC_PUMP_H

#include "deploy/event.h"
#include "deploy/exec.h"
#include "transport/engine.h"

/* Both return 0 when the program has closed its output; ERROR_CANCELLED. exec_pump returns 1 when
 * nobody reads any more. `fd`: of engine_exec_open, with the `id` that a resize takes. */
int exec_pump(int fd, const struct exec_stdio *stdio, struct engine *engine, const char *id,
    int cancel_fd, struct error *err);
int exec_tell(int fd, const struct event_source *source, int cancel_fd, struct error *err);

#endif
