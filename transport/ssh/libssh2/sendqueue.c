#include "transport/ssh/libssh2/sendqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 * 1024 };

void sendqueue_init(struct sendqueue *queue, size_t max)
{
	struct sendqueue empty = {.max = max};

	*queue = empty;
}

static int grow(struct sendqueue *queue, size_t need)
{
	size_t cap = queue->cap > 0 ? queue->cap : FIRST_CAP;
	unsigned char *data;

	while (cap < need)
		cap *= 2;
	data = malloc(cap);
	if (data == NULL)
		return -1;
	if (queue->len > 0)
		memcpy(data, queue->data + queue->head, queue->len);
	free(queue->data);
	queue->data = data;
	queue->cap = cap;
	queue->head = 0;
	return 0;
}

int sendqueue_add(struct sendqueue *queue, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (len > queue->max || queue->len > queue->max - len) {
		errno = ENOBUFS;
		return -1;
	}
	if (queue->len + len > queue->cap) {
		if (grow(queue, queue->len + len) < 0)
			return -1;
	} else if (queue->head + queue->len + len > queue->cap) {
		memmove(queue->data, queue->data + queue->head, queue->len);
		queue->head = 0;
	}
	memcpy(queue->data + queue->head + queue->len, data, len);
	queue->len += len;
	return 0;
}

size_t sendqueue_pending(const struct sendqueue *queue)
{
	return queue->len;
}

int sendqueue_flush(struct sendqueue *queue, sendqueue_write_fn *write, void *context)
{
	while (queue->len > 0) {
		ssize_t n = write(context, queue->data + queue->head, queue->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		queue->head += (size_t)n;
		queue->len -= (size_t)n;
	}
	queue->head = 0;
	return 0;
}

void sendqueue_clear(struct sendqueue *queue)
{
	queue->head = 0;
	queue->len = 0;
}

void sendqueue_release(struct sendqueue *queue)
{
	free(queue->data);
	sendqueue_init(queue, queue->max);
}
