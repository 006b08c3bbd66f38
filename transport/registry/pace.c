/* How fast clients are. A connection's own thread waits in MHD for its socket, which drops it when
 * nothing at all moves for long; here a thread looks now and then at all of them, and ends those
 * that move, but so slowly that they just hold a place. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/cond.h"
#include "transport/registry/server_internal.h"

enum {
	LOOKS = 30,	    /* per limit */
	STALLS_COUNTED = 4, /* standing still is forgiven for that many times `slow_ms`, in all */
};

struct client {
	struct client *next;
	int fd;
	bool stranger; /* no request of it had the credentials of an account yet */
	bool busy;     /* a request is under way */
	_Atomic uint64_t moved;
	/* Since when it is judged, and how it was then and at the last look. */
	int64_t begun_ms, since_ms, moving_ms, looked_ms;
	uint64_t moved_then, moved_last;
	int queued_last;
};

struct client *client_open(struct pace *pace, int fd, bool stranger)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->fd = fd;
	client->stranger = stranger;
	client->begun_ms = client->since_ms = client->looked_ms = clock_now_ms();
	pthread_mutex_lock(&pace->lock);
	client->next = pace->clients;
	pace->clients = client;
	pthread_mutex_unlock(&pace->lock);
	return client;
}

void client_close(struct pace *pace, struct client *client)
{
	struct client **at = &pace->clients;

	pthread_mutex_lock(&pace->lock);
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	pthread_mutex_unlock(&pace->lock);
	free(client);
}

void client_known(struct pace *pace, struct client *client)
{
	pthread_mutex_lock(&pace->lock);
	client->stranger = false;
	pthread_mutex_unlock(&pace->lock);
}

void client_moved(struct client *client, size_t bytes)
{
	atomic_fetch_add(&client->moved, bytes);
}

static void judge_anew(struct client *client, int64_t now)
{
	client->since_ms = now;
	client->moving_ms = 0;
	client->moved_then = atomic_load(&client->moved);
}

void client_request(struct pace *pace, struct client *client, bool begins)
{
	pthread_mutex_lock(&pace->lock);
	client->busy = begins;
	judge_anew(client, clock_now_ms());
	pthread_mutex_unlock(&pace->lock);
}

/* Bytes that the client has not taken yet of what was sent. */
static int queued(int fd)
{
	int bytes = 0;

	return ioctl(fd, TIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* Between two requests nobody tells us whether a header trickles in or nothing does: a header has
 * to come within the time in which bodies have to move. */
static bool is_too_slow(const struct pace *pace, struct client *client, int64_t now)
{
	const struct server_limits *limits = &pace->limits;
	uint64_t moved = atomic_load(&client->moved);
	int in_queue = queued(client->fd);

	if (moved != client->moved_last || in_queue != client->queued_last)
		client->moving_ms += now - client->looked_ms;
	client->moved_last = moved;
	client->queued_last = in_queue;
	client->looked_ms = now;
	if (!client->busy)
		return now - client->since_ms >= limits->slow_ms;
	if (client->moving_ms < limits->slow_ms &&
	    now - client->since_ms < STALLS_COUNTED * limits->slow_ms)
		return false;
	if (moved - client->moved_then < limits->slow_bytes)
		return true;
	judge_anew(client, now);
	return false;
}

/* Anybody on a host can connect; the places are for those who can say who they are. */
static bool is_idle_stranger(const struct pace *pace, const struct client *client, int64_t now)
{
	return client->stranger && now - client->begun_ms >= pace->limits.stranger_ms;
}

static void look(struct pace *pace)
{
	int64_t now = clock_now_ms();

	for (struct client *client = pace->clients; client != NULL; client = client->next)
		if (is_idle_stranger(pace, client, now) || is_too_slow(pace, client, now))
			shutdown(client->fd, SHUT_RDWR);
}

static int64_t look_every_ms(const struct server_limits *limits)
{
	int64_t least =
	    limits->slow_ms < limits->stranger_ms ? limits->slow_ms : limits->stranger_ms;

	return least / LOOKS + 1;
}

static void *watch(void *context)
{
	struct pace *pace = context;
	int64_t every_ms = look_every_ms(&pace->limits);

	pthread_mutex_lock(&pace->lock);
	while (!pace->stop) {
		int64_t next_ms = clock_now_ms() + every_ms;

		while (!pace->stop && cond_wait_until(&pace->wake, &pace->lock, next_ms))
			continue;
		if (pace->stop)
			break;
		look(pace);
		uploads_drop_idle(pace->uploads, pace->limits.upload_idle_ms);
	}
	pthread_mutex_unlock(&pace->lock);
	return NULL;
}

int pace_start(struct pace *pace, const struct server_limits *limits, struct uploads *uploads,
    struct error *err)
{
	int rc;

	pace->limits = *limits;
	pace->uploads = uploads;
	pthread_mutex_init(&pace->lock, NULL);
	cond_init(&pace->wake);
	rc = pthread_create(&pace->thread, NULL, watch, pace);
	if (rc != 0)
		return error_errno(err, rc, "cannot start a thread");
	pace->running = true;
	return 0;
}

void pace_stop(struct pace *pace)
{
	if (!pace->running)
		return;
	pthread_mutex_lock(&pace->lock);
	pace->stop = true;
	pthread_cond_signal(&pace->wake);
	pthread_mutex_unlock(&pace->lock);
	pthread_join(pace->thread, NULL);
	pthread_cond_destroy(&pace->wake);
	pthread_mutex_destroy(&pace->lock);
	pace->running = false;
}
