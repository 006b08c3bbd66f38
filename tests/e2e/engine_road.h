/* A road between the engine and the registry that can be slow, frozen or cut: a TCP proxy on a free
 * port of loopback. */
#ifndef SHIPIT_TESTS_E2E_ENGINE_ROAD_H
#define SHIPIT_TESTS_E2E_ENGINE_ROAD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct road {
	char address[32]; /* "127.0.0.1:PORT" */
	int listener, far_port;
	pthread_t thread;
	atomic_int rate; /* bytes per 10 ms towards the engine, for each connection; 0: no limit */
	atomic_int frozen; /* nothing moves */
	atomic_int closed; /* all is to end */
	atomic_int lanes;
};

struct lane {
	struct road *road;
	int fds[2];
};

static inline int road_connect(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline void *lane_run(void *context)
{
	struct lane *lane = context;
	struct road *road = lane->road;
	static _Thread_local char piece[65536];

	while (!road->closed) {
		struct pollfd slots[2] = {{lane->fds[0], POLLIN, 0}, {lane->fds[1], POLLIN, 0}};

		if (road->frozen || poll(slots, 2, 10) == 0) {
			usleep(1000);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			size_t most = i == 1 && road->rate > 0 ? (size_t)road->rate : sizeof(piece);
			ssize_t n;

			if (slots[i].revents == 0)
				continue;
			n = read(lane->fds[i], piece, most < sizeof(piece) ? most : sizeof(piece));
			if (n <= 0 || send(lane->fds[!i], piece, (size_t)n, MSG_NOSIGNAL) != n)
				goto out;
			if (i == 1 && road->rate > 0)
				usleep(10 * 1000);
		}
	}
out:
	close(lane->fds[0]);
	close(lane->fds[1]);
	free(lane);
	road->lanes--;
	return NULL;
}

static inline void *road_run(void *context)
{
	struct road *road = context;

	while (!road->closed) {
		struct pollfd slot = {road->listener, POLLIN, 0};
		struct lane *lane;
		pthread_t thread;

		if (poll(&slot, 1, 20) <= 0)
			continue;
		lane = calloc(1, sizeof(*lane));
		lane->road = road;
		lane->fds[0] = accept(road->listener, NULL, NULL);
		lane->fds[1] = road_connect(road->far_port);
		road->lanes++;
		pthread_create(&thread, NULL, lane_run, lane);
		pthread_detach(thread);
	}
	return NULL;
}

static inline void road_open(struct road *road, const char *far)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	*road = (struct road){.far_port = atoi(strrchr(far, ':') + 1)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	road->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(road->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(road->listener, 64) < 0 ||
	    getsockname(road->listener, (struct sockaddr *)&address, &len) < 0)
		abort();
	snprintf(road->address, sizeof(road->address), "127.0.0.1:%d", ntohs(address.sin_port));
	pthread_create(&road->thread, NULL, road_run, road);
}

static inline void road_close(struct road *road)
{
	road->closed = 1;
	pthread_join(road->thread, NULL);
	while (road->lanes > 0)
		usleep(1000);
	close(road->listener);
}

#endif
