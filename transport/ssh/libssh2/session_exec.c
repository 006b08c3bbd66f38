/* Programs on the host, as other threads ask for them. */
#include <errno.h>
#include <unistd.h>

#include "base/proc.h"
#include "transport/ssh/libssh2/internal.h"

static void close_pairs(int pairs[3][2])
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 2; j++)
			if (pairs[i][j] >= 0)
				close(pairs[i][j]);
}

static uint64_t record_exec(struct ssh2_session *session)
{
	struct exec_record *record = calloc(1, sizeof(*record));

	if (record == NULL)
		return 0;
	pthread_mutex_lock(&session->lock);
	record->id = session->next_exec++;
	record->next = session->execs;
	session->execs = record;
	pthread_mutex_unlock(&session->lock);
	return record->id;
}

/* With `lock` held. */
static void forget_exec(struct ssh2_session *session, uint64_t id)
{
	struct exec_record **at = &session->execs;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	if (*at != NULL) {
		struct exec_record *record = *at;

		*at = record->next;
		free(record);
	}
}

/* Socket pairs and not pipes, so that the I/O thread never meets SIGPIPE. */
int ssh2_exec(
    struct session *base, const char *command, struct session_exec *ret, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct request request = {.kind = REQUEST_EXEC, .to = command};

	for (int i = 0; i < 3; i++)
		if (fd_socketpair(pairs[i]) < 0) {
			error_errno(err, errno, "descriptors for a program on the host");
			pairs[i][0] = pairs[i][1] = -1;
			close_pairs(pairs);
			return -1;
		}
	request.exec_id = record_exec(session);
	if (request.exec_id == 0) {
		close_pairs(pairs);
		return error_memory(err);
	}
	for (int i = 0; i < 3; i++)
		request.fds[i] = pairs[i][1];
	if (request_run(session, &request, err) < 0) {
		close_pairs(pairs);
		pthread_mutex_lock(&session->lock);
		forget_exec(session, request.exec_id);
		pthread_mutex_unlock(&session->lock);
		return -1;
	}
	ret->in = pairs[0][0];
	ret->out = pairs[1][0];
	ret->err = pairs[2][0];
	ret->id = request.exec_id;
	return 0;
}

int ssh2_exec_wait(
    struct session *base, uint64_t id, int64_t deadline_ms, int *ret_status, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	int rc = -1;

	pthread_mutex_lock(&session->lock);
	for (;;) {
		const struct exec_record *record = exec_find(session, id);

		if (record == NULL) {
			error_set(err, ERROR_NOT_FOUND, "no such program in this session");
			break;
		}
		if (record->ended) {
			*ret_status = record->status;
			forget_exec(session, id);
			rc = 0;
			break;
		}
		if (session->state == SESSION_ENDED) {
			session_why(session, err);
			break;
		}
		if (!session_sleep(session, deadline_ms)) {
			error_set(err, ERROR_TIMEOUT, "the program on the host has not ended");
			break;
		}
	}
	pthread_mutex_unlock(&session->lock);
	return rc;
}

int ssh2_exec_stop(struct session *base, uint64_t id, struct error *err)
{
	struct ssh2_session *session = ssh2_of(base);
	struct request request = {.kind = REQUEST_EXEC_STOP, .exec_id = id};

	return request_run(session, &request, err);
}
