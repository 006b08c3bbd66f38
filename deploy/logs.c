#include "deploy/logs.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "deploy/hosts.h"
#include "deploy/names.h"
#include "deploy/services.h"

enum { LOOK_MS = 1000, AGAIN_MS = 1000, AGAIN_MAX_MS = 15000, TIME_MAX = 64 };

struct logs_run {
	const struct logs_options *options;
	const struct service **services;
	size_t n_services;
	struct visit visit;
};

struct host_logs;

/* One service on one host. */
struct stream {
	struct host_logs *host;
	const struct service *service;
	pthread_t thread;
	bool started;
	char *id;	     /* of the container that was read last; NULL: none yet */
	char last[TIME_MAX]; /* the time of the last line; "": none */
	size_t same;	     /* lines that had it */
	size_t skip;	     /* of those, still to be passed over after beginning again */
	bool resuming;	     /* what comes may be known already */
	struct error err;
};

struct host_logs {
	struct logs_run *run;
	struct logs_host *result;
	size_t number;
	pthread_t thread;
	bool started;
	struct host_link link;
	struct stream *streams;
	size_t n;
};

static bool is_over(const struct logs_run *run)
{
	return cancel_fd_fired(run->options->visit.cancel_fd);
}

/* True: cancelled meanwhile. */
static bool wait_some(const struct logs_run *run, int ms)
{
	struct pollfd slot = {.fd = run->options->visit.cancel_fd, .events = POLLIN};

	poll(&slot, 1, ms);
	return is_over(run);
}

/* --- times */

/* "Z", "+02:00" */
static int zone_offset(const char *zone, time_t *ret_s)
{
	char *end;
	long hours, minutes;

	*ret_s = 0;
	if (strcmp(zone, "Z") == 0)
		return 0;
	if (strlen(zone) != 6 || strchr("+-", zone[0]) == NULL || zone[3] != ':' ||
	    strspn(zone + 1, "0123456789:") != 5)
		return -1;
	hours = strtol(zone + 1, &end, 10);
	minutes = strtol(zone + 4, NULL, 10);
	if (end != zone + 3)
		return -1;
	*ret_s = (time_t)(hours * 60 + minutes) * 60 * (zone[0] == '-' ? -1 : 1);
	return 0;
}

char *logs_since(const char *time)
{
	struct tm tm = {0};
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
	size_t fraction = 0;
	time_t offset;

	if (rest == NULL)
		return NULL;
	if (*rest == '.')
		fraction = 1 + strspn(rest + 1, "0123456789");
	if (fraction == 1 || zone_offset(rest + fraction, &offset) < 0)
		return NULL;
	return string_printf("%lld%.*s", (long long)(timegm(&tm) - offset), (int)fraction, rest);
}

/* --- lines */

/* What was said before the link was lost comes once more: as much of it as has the last time. */
static bool is_known(struct stream *stream, const char *time, size_t len)
{
	bool same = strlen(stream->last) == len && strncmp(stream->last, time, len) == 0;

	if (stream->resuming && same && stream->skip > 0) {
		stream->skip--;
		return true;
	}
	if (stream->resuming && !same && strncmp(time, stream->last, len) < 0)
		return true;
	stream->resuming = false;
	if (!same) {
		stream->same = 0;
		snprintf(stream->last, sizeof(stream->last), "%.*s", (int)len, time);
	}
	stream->same++;
	return false;
}

static void on_line(void *context, const char *line)
{
	struct stream *stream = context;
	struct event event = {.kind = EVENT_LOG,
	    .host = stream->host->result->host->name,
	    .service = stream->service->name,
	    .ms = -1};
	size_t len = strcspn(line, " ");

	/* The rest of a long line has no time of its own. */
	if (len < 20 || len >= TIME_MAX || line[len] == '\0' || line[4] != '-') {
		len = 0;
	} else if (is_known(stream, line, len)) {
		return;
	}
	event.said_at = len > 0 ? strndup(line, len) : NULL;
	event.text = strdup(len > 0 ? line + len + 1 : line);
	events_emit(stream->host->run->options->visit.events, &event);
}

/* --- one service */

/* The container that has the service's name now; NULL: none. */
static char *look(struct engine *engine, const struct stream *stream, struct error *err)
{
	CLEANUP_FREE char *name =
	    name_container(stream->host->run->visit.prefix, stream->service->name);
	CLEANUP_JSON json_t *inspect = NULL;
	char *id = NULL;

	if (name == NULL) {
		error_memory(err);
		return NULL;
	}
	if (engine_container_inspect(engine, name, &inspect, err) == 0) {
		id = strdup(json_str(inspect, "Id", ""));
		if (id == NULL)
			error_memory(err);
	} else if (err->kind == ERROR_NOT_FOUND) {
		error_release(err);
	}
	return id;
}

/* From where it was, when it is the one of before. */
static int read_log(struct engine *engine, struct stream *stream, char *id, struct error *err)
{
	const struct logs_options *options = stream->host->run->options;
	bool again = stream->id != NULL && strcmp(stream->id, id) == 0;
	CLEANUP_FREE char *since = again ? logs_since(stream->last) : NULL;
	struct engine_log log = {
	    .tail = -1, .follow = options->follow, .timestamps = true, .deadline_ms = -1};

	if (since != NULL) {
		log.since = since;
		stream->skip = stream->same;
		stream->resuming = true;
	} else if (again || stream->id == NULL) {
		log.tail = options->tail;
		log.since = options->since;
	} else {
		stream->last[0] = '\0';
		stream->same = 0;
	}
	free(stream->id);
	stream->id = id;
	return engine_container_log(engine, id, &log, on_line, stream, err);
}

static int follow(struct engine *engine, struct stream *stream)
{
	const struct logs_run *run = stream->host->run;
	struct error *err = &stream->err;

	for (;;) {
		char *id = look(engine, stream, err);

		if (err->kind != ERROR_NONE)
			return -1;
		if (id != NULL) {
			int rc = read_log(engine, stream, id, err);

			if (rc < 0 && err->kind != ERROR_NOT_FOUND)
				return -1;
			error_release(err);
		}
		if (!run->options->follow || wait_some(run, LOOK_MS))
			return 0;
	}
}

static void *stream_thread(void *context)
{
	struct stream *stream = context;
	const struct host_link *link = &stream->host->link;
	struct engine *engine = NULL;

	if (engine_open(link->api, link->describe, stream->host->run->options->visit.cancel_fd,
		&engine, &stream->err) == 0)
		follow(engine, stream);
	engine_close(engine);
	return NULL;
}

/* --- one host */

static int read_all(struct host_logs *host, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < host->n; i++) {
		struct stream *stream = &host->streams[i];
		int failed = pthread_create(&stream->thread, NULL, stream_thread, stream);

		stream->started = failed == 0;
		if (failed != 0 && rc == 0)
			rc = error_errno(err, failed, "cannot start a thread");
	}
	host->result->containers = 0;
	for (size_t i = 0; i < host->n; i++) {
		struct stream *stream = &host->streams[i];

		if (stream->started)
			pthread_join(stream->thread, NULL);
		host->result->containers += stream->id != NULL;
		if (rc == 0 && stream->err.kind != ERROR_NONE) {
			error_move(err, &stream->err);
			rc = -1;
		}
		error_release(&stream->err);
	}
	return rc;
}

static int connect_and_read(struct host_logs *host, struct error *err)
{
	int rc;

	if (visit_open(&host->run->visit, host->number, host->result->host, &host->link, err) < 0)
		return -1;
	rc = read_all(host, err);
	if (rc < 0 && err->kind == ERROR_UNREACHABLE)
		session_lost(host->link.session, err);
	host_link_close(&host->link);
	return rc;
}

/* What waiting does not mend. */
static bool is_final(const struct error *err)
{
	return err->kind == ERROR_AUTH || err->kind == ERROR_HOST_KEY ||
	       err->kind == ERROR_INVENTORY || err->kind == ERROR_MEMORY;
}

static void *host_thread(void *context)
{
	struct host_logs *host = context;
	const struct logs_options *options = host->run->options;
	const struct event_source source = {
	    .events = options->visit.events, .host = host->result->host->name};
	struct error *err = &host->result->error;
	int wait_ms = AGAIN_MS;

	while (connect_and_read(host, err) < 0 && options->follow && !is_final(err)) {
		if (is_over(host->run))
			break;
		emit_note(&source, "%s; it is tried again", error_text(err));
		if (wait_some(host->run, wait_ms))
			break;
		wait_ms = wait_ms < AGAIN_MAX_MS / 2 ? wait_ms * 2 : AGAIN_MAX_MS;
		error_release(err);
	}
	if (is_over(host->run))
		error_release(err);
	return NULL;
}

/* --- all of it */

/* Of the services those that run on the host. */
static int make_streams(struct logs_run *run, struct host_logs *host)
{
	const struct visit_options *options = &run->visit.options;

	host->streams = calloc(run->n_services, sizeof(*host->streams));
	for (size_t i = 0; i < run->n_services && host->streams != NULL; i++)
		if (inventory_runs_on(options->inventory, options->environment, run->services[i],
			host->result->host))
			host->streams[host->n++] =
			    (struct stream){.host = host, .service = run->services[i]};
	return host->streams != NULL ? 0 : -1;
}

static void run_hosts(struct host_logs *hosts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = pthread_create(&hosts[i].thread, NULL, host_thread, &hosts[i]);

		hosts[i].started = rc == 0;
		if (rc != 0)
			error_errno(&hosts[i].result->error, rc, "cannot start a thread");
	}
	for (size_t i = 0; i < n; i++)
		if (hosts[i].started)
			pthread_join(hosts[i].thread, NULL);
}

static int run_all(struct logs_run *run, struct logs *logs, struct error *err)
{
	struct host_logs *hosts = calloc(logs->n + 1, sizeof(*hosts));
	int rc = 0;

	if (hosts == NULL)
		return error_memory(err);
	for (size_t i = 0; i < logs->n && rc == 0; i++) {
		hosts[i].run = run;
		hosts[i].number = i;
		hosts[i].result = &logs->hosts[i];
		if (make_streams(run, &hosts[i]) < 0)
			rc = error_memory(err);
	}
	if (rc == 0)
		run_hosts(hosts, logs->n);
	for (size_t i = 0; i < logs->n; i++) {
		for (size_t k = 0; k < hosts[i].n && hosts[i].streams != NULL; k++)
			free(hosts[i].streams[k].id);
		free(hosts[i].streams);
	}
	free(hosts);
	return rc;
}

static int make_hosts(const struct logs_options *options, struct logs *logs, struct error *err)
{
	CLEANUP_FREE const struct host **hosts = NULL;
	size_t n = 0;

	if (hosts_choose(options->visit.inventory, options->visit.environment, options->limit, NULL,
		&hosts, &n, err) < 0)
		return -1;
	logs->hosts = calloc(n + 1, sizeof(*logs->hosts));
	if (logs->hosts == NULL)
		return error_memory(err);
	logs->n = n;
	for (size_t i = 0; i < n; i++)
		logs->hosts[i].host = hosts[i];
	return 0;
}

int logs_run(const struct logs_options *options, struct logs *ret, struct error *err)
{
	struct logs_run run = {.options = options};
	struct logs logs = {0};
	int rc = -1;

	if (services_choose(options->visit.inventory, options->visit.environment, options->services,
		&run.services, &run.n_services, err) < 0)
		return -1;
	if (make_hosts(options, &logs, err) == 0 &&
	    visit_begin(&options->visit, &run.visit, err) == 0) {
		rc = run_all(&run, &logs, err);
		visit_end(&run.visit);
	}
	free(run.services);
	if (rc < 0) {
		logs_release(&logs);
		return -1;
	}
	*ret = logs;
	return 0;
}

void logs_release(struct logs *logs)
{
	for (size_t i = 0; i < logs->n; i++)
		error_release(&logs->hosts[i].error);
	free(logs->hosts);
	*logs = (struct logs){0};
}
