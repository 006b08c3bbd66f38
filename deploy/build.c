#include "deploy/build.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "deploy/building.h"
#include "deploy/secrets.h"
#include "deploy/state.h"

enum { SIDE_BY_SIDE = 4, LOCK_MS = 200 };

/* --- what is known of steps */

static const json_t *record_of(const struct step_work *work)
{
	return json_object_get(json_object_get(work->building->records, "steps"), work->node->name);
}

/* A step of which nothing can be remembered is done again, and that is all. */
static int remember(struct step_work *work, struct error *err)
{
	struct building *building = work->building;
	const struct event_source source = {
	    .events = building->events, .service = work->node->name};
	CLEANUP_ERROR struct error why = {0};
	json_t *steps, *record = NULL;
	int rc = 0;

	if (work->node->output != NULL && work->inputs[0] != '\0') {
		record =
		    json_pack("{s:s, s:s}", "inputs", work->inputs, "output", work->node->output);
		if (record == NULL)
			return error_memory(err);
	}
	pthread_mutex_lock(&building->lock);
	steps = json_object_get(building->records, "steps");
	if (record != NULL)
		rc = json_object_set_new(steps, work->node->name, record);
	else
		json_object_del(steps, work->node->name);
	if (rc == 0 &&
	    state_write_builds(building->inv->path, json_incref(building->records), &why) < 0)
		emit_log(&source, 1, error_text(&why));
	pthread_mutex_unlock(&building->lock);
	return rc < 0 ? error_memory(err) : 0;
}

static int read_records(struct building *building, struct error *err)
{
	struct error why = {0};

	if (state_read_builds(building->inv->path, &building->records, &why) < 0) {
		if (why.kind == ERROR_MEMORY)
			return error_memory(err);
		error_release(&why);
	}
	if (!json_is_object(json_object_get(building->records, "steps"))) {
		json_decref(building->records);
		building->records = json_pack("{s:i, s:{}}", "v", 1, "steps");
	}
	return building->records != NULL ? 0 : error_memory(err);
}

/* --- one step */

/* Is it to be done whatever is known of it? */
static bool is_forced(const struct step_work *work)
{
	const struct build_options *options = &work->building->options;
	const struct step_run *run = work->node->run;
	const json_t *own = work->node->build->settings;
	bool fetches = run == NULL || build_needed(work->node, run->image) == NULL;

	return options->no_cache || (options->pull && fetches) ||
	       json_is_true(json_object_get(own, "no_cache")) ||
	       json_is_true(json_object_get(own, "pull"));
}

static int is_unchanged(struct step_work *work, bool *ret, struct error *err)
{
	char now[DIGEST_TEXT_SIZE], output[DIGEST_TEXT_SIZE] = "", inputs[DIGEST_TEXT_SIZE] = "";
	const char *empty;
	int rc = 0;

	*ret = false;
	pthread_mutex_lock(&work->building->lock);
	snprintf(inputs, sizeof(inputs), "%s", json_str(record_of(work), "inputs", ""));
	snprintf(output, sizeof(output), "%s", json_str(record_of(work), "output", ""));
	pthread_mutex_unlock(&work->building->lock);
	if (is_forced(work) || work->inputs[0] == '\0' || strcmp(inputs, work->inputs) != 0)
		return 0;
	if (work->node->run == NULL)
		rc = image_is_there(work, output, ret, err);
	else if ((rc = build_outputs(work, now, &empty, err)) == 0)
		*ret = strcmp(now, output) == 0 && empty == NULL;
	if (rc == 0 && *ret && (work->node->output = strdup(output)) == NULL)
		return error_memory(err);
	return rc;
}

static int open_engine(struct step_work *work, struct error *err)
{
	CLEANUP_FREE char *address = NULL;

	if (engine_local_address(&address, err) == 0 &&
	    engine_open(address, "the engine on this machine", work->building->stop.fd,
		&work->engine, err) == 0)
		return 0;
	/* Its own command may reach it all the same, and says it better where not. */
	if (work->node->run != NULL || err->kind == ERROR_MEMORY || err->kind == ERROR_CANCELLED)
		return -1;
	error_release(err);
	return 0;
}

static int do_step(struct step_work *work, struct error *err)
{
	bool unchanged = false;

	if (open_engine(work, err) < 0 || build_recipe(work->node, err) < 0 ||
	    build_inputs(work, err) < 0 || is_unchanged(work, &unchanged, err) < 0)
		return -1;
	work->node->skipped = unchanged;
	if (unchanged)
		return 0;
	emit_step(&work->tail.source, STEP_BUILD, STATE_START, -1, NULL);
	if (work->node->run != NULL)
		return container_make(work, err) < 0 ? -1 : remember(work, err);
	if (image_make(work, err) < 0 || build_inputs_again(work, err) < 0)
		return -1;
	return remember(work, err);
}

static void *step_thread(void *context)
{
	struct node *node = context;
	struct building *building = node->building;
	struct step_work work = {
	    .building = building,
	    .node = node,
	    .tail.source = {.events = building->events, .service = node->name},
	};
	const struct event_source *source = &work.tail.source;
	int64_t start_ms = clock_now_ms();
	enum node_state state = NODE_DONE;

	if (do_step(&work, &node->err) < 0) {
		state = NODE_FAILED;
		emit_failed(source, STEP_BUILD, clock_now_ms() - start_ms, &node->err);
	} else {
		emit_step(source, STEP_BUILD, node->skipped ? STATE_SKIPPED : STATE_OK,
		    clock_now_ms() - start_ms, "%s",
		    node->skipped     ? "unchanged"
		    : node->unchanged ? "the image is as it was"
				      : "");
	}
	tail_release(&work.tail);
	engine_close(work.engine);
	pthread_mutex_lock(&building->lock);
	node->state = state;
	pthread_mutex_unlock(&building->lock);
	while (write(building->done_fds[1], "", 1) < 0 && errno == EINTR)
		continue;
	return NULL;
}

/* --- all steps */

/* Does it begin now? */
static bool take(struct building *building, struct node *node)
{
	bool ready = true;

	pthread_mutex_lock(&building->lock);
	for (size_t i = 0; i < node->n_needs; i++)
		ready = ready && building->nodes[node->needs[i]].state == NODE_DONE;
	ready = ready && node->state == NODE_WAITING;
	if (ready)
		node->state = NODE_RUNNING;
	pthread_mutex_unlock(&building->lock);
	return ready;
}

static int begin_steps(struct building *building, size_t *running, struct error *err)
{
	for (size_t i = 0; i < building->n && *running < SIDE_BY_SIDE; i++) {
		struct node *node = &building->nodes[i];
		int rc;

		if (!take(building, node))
			continue;
		rc = pthread_create(&node->thread, NULL, step_thread, node);
		if (rc != 0)
			return error_errno(err, rc, "cannot start a thread");
		node->started = true;
		++*running;
	}
	return 0;
}

/* Wait until one of them has ended; the user's wish to stop goes on to all. */
static void await_one(struct building *building, size_t *running)
{
	struct pollfd slots[] = {{.fd = building->done_fds[0], .events = POLLIN},
	    {.fd = cancel_fired(&building->stop) ? -1 : building->options.cancel_fd,
		.events = POLLIN}};
	char byte;

	if (poll(slots, 2, -1) < 0)
		return;
	if (slots[1].revents != 0)
		cancel_fire(&building->stop);
	if (slots[0].revents != 0 && read(building->done_fds[0], &byte, 1) == 1)
		--*running;
}

static struct node *first_failure(struct building *building)
{
	struct node *found = NULL;

	pthread_mutex_lock(&building->lock);
	for (size_t i = 0; i < building->n; i++)
		if (building->nodes[i].state == NODE_FAILED && building->nodes[i].started &&
		    (found == NULL || found->err.kind == ERROR_CANCELLED))
			found = &building->nodes[i];
	pthread_mutex_unlock(&building->lock);
	return found;
}

/* The first that fails ends the others, too. */
static int run_steps(struct building *building, struct error *err)
{
	size_t running = 0;
	struct node *failed;
	int rc = 0;

	for (;;) {
		if (rc == 0 && first_failure(building) == NULL && !cancel_fired(&building->stop))
			rc = begin_steps(building, &running, err);
		else
			cancel_fire(&building->stop);
		if (running == 0)
			break;
		await_one(building, &running);
	}
	for (size_t i = 0; i < building->n; i++)
		if (building->nodes[i].started)
			pthread_join(building->nodes[i].thread, NULL);
	failed = first_failure(building);
	if (rc < 0)
		return -1;
	if (failed != NULL && failed->err.kind != ERROR_CANCELLED) {
		error_move(err, &failed->err);
		return -1;
	}
	if (failed != NULL || cancel_fired(&building->stop))
		return error_set(err, ERROR_CANCELLED, "interrupted");
	return 0;
}

/* --- before and after */

static int lock_project(struct building *building, struct error *err)
{
	const struct event_source source = {.events = building->events};
	const char *project = building->inv->project;
	struct pollfd slot = {.fd = building->options.cancel_fd, .events = POLLIN};
	struct error why = {0};
	bool told = false;

	while (state_lock_builds(project, &building->lock_fd, &why) < 0) {
		if (why.kind != ERROR_LOCKED) {
			/* Without a state folder nobody can be kept apart. */
			emit_log(&source, 1, error_text(&why));
			error_release(&why);
			return 0;
		}
		if (!told)
			emit_note(&source, "%s; waiting for its end", error_text(&why));
		told = true;
		if (poll(&slot, 1, LOCK_MS) > 0) {
			error_release(&why);
			return error_set(err, ERROR_CANCELLED, "interrupted");
		}
	}
	error_release(&why);
	return 0;
}

static int clear_left(struct building *building, struct error *err)
{
	struct step_work work = {.building = building};
	int rc;

	for (size_t i = 0; i < building->n && work.node == NULL; i++)
		if (building->nodes[i].run != NULL)
			work.node = &building->nodes[i];
	if (work.node == NULL)
		return 0;
	rc = open_engine(&work, err);
	if (rc == 0)
		rc = containers_clear(building, work.engine, err);
	engine_close(work.engine);
	return rc;
}

static void mask(void *secrets, char *text)
{
	secrets_mask(secrets, text);
}

static int have_secrets(struct building *building, struct error *err)
{
	bool some = false;

	for (size_t i = 0; i < building->n; i++)
		some = some || building->nodes[i].build->n_secrets > 0;
	if (!some || building->options.secrets != NULL)
		return 0;
	if (secrets_new(building->inv, building->stop.fd, &building->own_secrets, err) < 0)
		return -1;
	building->options.secrets = building->own_secrets;
	events_set_mask(building->events, mask, building->own_secrets);
	return 0;
}

static void release(struct building *building)
{
	if (building->own_secrets != NULL)
		events_set_mask(building->events, NULL, NULL);
	secrets_free(building->own_secrets);
	build_graph_release(building);
	free(building->help);
	json_decref(building->records);
	cancel_release(&building->stop);
	for (int i = 0; i < 2; i++)
		if (building->done_fds[i] >= 0)
			close(building->done_fds[i]);
	if (building->lock_fd >= 0)
		close(building->lock_fd);
	pthread_mutex_destroy(&building->lock);
}

static int build(
    struct building *building, const struct service *const *services, size_t n, struct error *err)
{
	if (cancel_init(&building->stop, err) < 0 || build_graph(building, services, n, err) < 0)
		return -1;
	if (building->n == 0)
		return 0;
	if (fd_pipe(building->done_fds) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	if (lock_project(building, err) < 0 || read_records(building, err) < 0 ||
	    clear_left(building, err) < 0 || have_secrets(building, err) < 0)
		return -1;
	return run_steps(building, err);
}

int deploy_build(const struct inventory *inv, const struct service *const *services, size_t n,
    const struct build_options *options, struct events *events, struct build_counts *ret,
    struct error *err)
{
	struct building building = {
	    .inv = inv,
	    .options = *options,
	    .events = events,
	    .stop = CANCEL_INIT,
	    .lock_fd = -1,
	    .done_fds = {-1, -1},
	};
	struct build_counts counts = {0};
	int rc;

	pthread_mutex_init(&building.lock, NULL);
	rc = build(&building, services, n, err);
	for (size_t i = 0; i < building.n; i++) {
		counts.run += building.nodes[i].state == NODE_DONE && !building.nodes[i].skipped;
		counts.unchanged += building.nodes[i].skipped;
	}
	if (ret != NULL)
		*ret = counts;
	release(&building);
	return rc;
}
