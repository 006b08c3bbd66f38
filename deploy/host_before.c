/* `before:` - a one-off container of a service's new image, with its variables, volumes and
 * networks, once for each rollout: on the first host where the service changes, before anything is
 * swapped. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/run.h"
#include "deploy/tail.h"

/* --- the container */

/* One of an earlier rollout that was let go may run on. Else it is removed, with `remove`. */
static int look_for_earlier(struct host_run *run, const char *name, bool remove, struct error *err)
{
	CLEANUP_JSON json_t *inspect = NULL;

	if (engine_container_inspect(run->link.engine, name, &inspect, err) < 0)
		return err->kind == ERROR_NOT_FOUND ? (error_release(err), 0) : -1;
	if (json_object_get(json_at(inspect, "Config.Labels"), LABEL_PREFIX "before") == NULL) {
		error_set(err, ERROR_CONFLICT, "the container %s is not shipit's", name);
		return error_hint(err, "rename or remove it: docker rename %s ANOTHER", name);
	}
	if (json_flag(inspect, "State.Running", false)) {
		error_set(err, ERROR_CONFLICT,
		    "what an interrupted rollout began as %s still runs there", name);
		return error_hint(err, "wait until it has ended, or end it: docker stop %s", name);
	}
	return remove ? engine_container_remove(run->link.engine, name, true, err) : 0;
}

/* Without a name or an address that is the service's. */
static int join_networks(
    struct host_run *run, const char *id, const struct strv *networks, struct error *err)
{
	CLEANUP_JSON json_t *endpoint = json_object();

	if (endpoint == NULL)
		return error_memory(err);
	for (size_t i = 1; i < networks->n; i++)
		if (engine_network_connect(run->link.engine, networks->v[i], id, endpoint, err) < 0)
			return -1;
	return 0;
}

static int create(struct host_run *run, const struct planned *planned, const char *name,
    char **ret_id, struct error *err)
{
	const struct identity identity = host_identity(run, planned);
	CLEANUP_STRV struct strv networks = {0};
	CLEANUP_JSON json_t *body = NULL;

	if (look_for_earlier(run, name, true, err) < 0 ||
	    container_networks(&identity, planned->options, &networks, err) < 0 ||
	    container_before_body(&identity, planned->options, planned->image_id,
		run->rollout->secrets, &planned->service->before.command, &body, err) < 0 ||
	    engine_container_create(run->link.engine, name, body, ret_id, err) < 0)
		return -1;
	if (host_put_secrets(run, planned->options, *ret_id, err) < 0)
		return error_wrap(err, "putting secrets into it");
	return join_networks(run, *ret_id, &networks, err);
}

/* --- its run */

/* Its end is waited for, and what it says is told meanwhile. */
static int follow(struct host_run *run, const char *id, const struct before *before,
    struct tail *tail, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + before->timeout_ms;
	int status = 0;

	if (engine_container_start(run->link.engine, id, err) < 0)
		return -1;
	if (engine_container_follow(run->link.engine, id, deadline_ms, tail_line, tail, err) < 0 ||
	    engine_container_wait(run->link.engine, id, deadline_ms, &status, err) < 0) {
		if (err->kind != ERROR_TIMEOUT || clock_left_ms(deadline_ms) > 0)
			return -1;
		return error_set(err, ERROR_FAILED, "it was stopped after %lld s",
		    (long long)(before->timeout_ms / 1000));
	}
	if (status == 0)
		return 0;
	error_set(err, ERROR_FAILED, "it exited %d", status);
	tail_explain(tail, err);
	return -1;
}

/* A link that died leaves it running, and so does somebody who lets go; the next rollout looks. */
static void end(struct host_run *run, const struct planned *planned, const char *id)
{
	int grace_s = (int)((options_stop_grace_ms(planned->options) + 999) / 1000);

	engine_container_stop(run->link.care, id, grace_s, NULL);
	engine_container_remove(run->link.care, id, true, NULL);
}

static int run_it(struct host_run *run, const struct planned *planned, struct error *err)
{
	const char *service = planned->service->name;
	CLEANUP_FREE char *name = string_printf("%s.%s.before", run->rollout->prefix, service);
	CLEANUP_FREE char *id = NULL;
	struct tail tail = {.source = host_source(run, service)};
	int rc;

	if (name == NULL)
		return error_memory(err);
	rc = create(run, planned, name, &id, err);
	if (rc == 0)
		rc = follow(run, id, &planned->service->before, &tail, err);
	if (id != NULL)
		end(run, planned, id);
	tail_release(&tail);
	return rc < 0 ? error_wrap(err, "`before` of %s", service) : 0;
}

/* Another host was the first one of the rollout that left it. */
static int look_beside(struct host_run *run, const char *service, struct error *err)
{
	CLEANUP_FREE char *name = string_printf("%s.%s.before", run->rollout->prefix, service);

	if (name == NULL)
		return error_memory(err);
	if (!strv_has(&run->facts.foreign, name))
		return 0;
	return look_for_earlier(run, name, false, err);
}

int host_before(struct host_run *run, size_t service, struct error *err)
{
	const struct planned *planned = &run->plan.services[service];
	const char *name = run->rollout->services[service]->name;
	int rc;

	if (!has_before(run->rollout, service))
		return 0;
	if (run->rollout->before_on[service] != run)
		return look_beside(run, name, err);
	/* From now on Ctrl-C has something to bring to an end. */
	atomic_store(&run->rollout->swapping, true);
	step_begin(run, STEP_BEFORE, name);
	rc = step_end(run, STEP_BEFORE, name, run_it(run, planned, err), err);
	if (rc == 0)
		run->rollout->befores[service] = run->host->name;
	/* A refresh is to know that this image was tried. */
	else if (planned->content != NULL && err->kind == ERROR_FAILED)
		record_refused(run, &run->works[service], error_text(err), NULL);
	return rc;
}
