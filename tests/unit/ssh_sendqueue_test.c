/* The send queue against a model: bytes come out once, in order, whatever the socket takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh/libssh2/sendqueue.h"

enum { MAX = 300000, ROUNDS = 20000 };

struct socket {
	unsigned seed;
	uint64_t taken; /* bytes so far */
	size_t room;	/* until it says EAGAIN */
	int wrong;
	int dead; /* errno to answer */
};

static unsigned roll(unsigned *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 8;
}

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)((i * 2654435761U) >> 11);
}

static ssize_t take(void *context, const void *data, size_t len)
{
	struct socket *socket = context;
	const unsigned char *bytes = data;
	size_t n = len < socket->room ? len : socket->room;

	if (socket->dead != 0 || n == 0) {
		errno = socket->dead != 0	       ? socket->dead
			: roll(&socket->seed) % 4 == 0 ? EWOULDBLOCK
						       : EAGAIN;
		return -1;
	}
	if (roll(&socket->seed) % 8 == 0) {
		errno = EINTR;
		return -1;
	}
	n = 1 + roll(&socket->seed) % n;
	for (size_t i = 0; i < n; i++)
		socket->wrong += bytes[i] != byte_at(socket->taken + i);
	socket->taken += n;
	socket->room -= n;
	return (ssize_t)n;
}

static void test_model(void **state)
{
	static unsigned char data[MAX];
	struct socket socket = {.seed = 7};
	struct sendqueue queue;
	uint64_t given = 0;

	(void)state;
	sendqueue_init(&queue, MAX);
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = roll(&socket.seed) % (roll(&socket.seed) % 10 == 0 ? MAX : 5000);

		for (size_t j = 0; j < len; j++)
			data[j] = byte_at(given + j);
		if (sendqueue_add(&queue, data, len) == 0) {
			given += len;
		} else {
			assert_int_equal(errno, ENOBUFS);
			assert_true(sendqueue_pending(&queue) + len > MAX);
		}
		assert_int_equal(sendqueue_pending(&queue), given - socket.taken);
		socket.room = roll(&socket.seed) % 3 == 0 ? 0 : roll(&socket.seed) % 9000;
		assert_int_equal(sendqueue_flush(&queue, take, &socket), 0);
		assert_int_equal(sendqueue_pending(&queue), given - socket.taken);
		assert_true(queue.cap <= 2 * MAX);
	}
	assert_int_equal(socket.wrong, 0);
	sendqueue_release(&queue);
}

static void test_errors(void **state)
{
	struct socket socket = {.dead = ECONNRESET};
	struct sendqueue queue;

	(void)state;
	sendqueue_init(&queue, 10);
	assert_int_equal(sendqueue_add(&queue, "", 0), 0);
	assert_int_equal(sendqueue_flush(&queue, take, &socket), 0);
	assert_int_equal(sendqueue_add(&queue, "0123456789", 10), 0);
	assert_int_equal(sendqueue_add(&queue, "x", 1), -1);
	assert_int_equal(sendqueue_pending(&queue), 10);
	assert_int_equal(sendqueue_flush(&queue, take, &socket), -1);
	assert_int_equal(errno, ECONNRESET);
	sendqueue_clear(&queue);
	assert_int_equal(sendqueue_pending(&queue), 0);
	assert_int_equal(sendqueue_flush(&queue, take, &socket), 0);
	sendqueue_release(&queue);
	sendqueue_release(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_model), cmocka_unit_test(test_errors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
