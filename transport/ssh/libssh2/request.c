#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cond.h"
#include "transport/ssh/libssh2/internal.h"

void session_wake(struct ssh2_session *session)
{
	ssize_t n;

	do
		n = write(session->wake[1], "", 1);
	while (n < 0 && errno == EINTR);
	/* A full pipe wakes just as well. */
}

int session_why(struct ssh2_session *session, struct error *err)
{
	error_set(err, session->why.kind != ERROR_NONE ? session->why.kind : ERROR_FAILED, "%s",
	    session->why.kind != ERROR_NONE ? error_text(&session->why) : "the session is closed");
	if (session->why.hint != NULL)
		error_hint(err, "%s", session->why.hint);
	return -1;
}

bool session_sleep(struct ssh2_session *session, int64_t deadline_ms)
{
	return cond_wait_until(&session->changed, &session->lock, deadline_ms);
}

int request_run(struct ssh2_session *session, struct request *request, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	if (session->state == SESSION_ENDED) {
		rc = session_why(session, err);
	} else {
		*session->requests_end = request;
		session->requests_end = &request->next;
		session_wake(session);
		while (!request->done)
			pthread_cond_wait(&session->changed, &session->lock);
		rc = request->result;
		if (rc < 0 && request->err.kind == ERROR_NONE)
			session_why(session, &request->err);
	}
	pthread_mutex_unlock(&session->lock);
	if (request->err.kind != ERROR_NONE) {
		if (err != NULL)
			error_move(err, &request->err);
		error_release(&request->err);
	}
	return rc;
}

struct request *request_take(struct ssh2_session *session)
{
	struct request *request;

	pthread_mutex_lock(&session->lock);
	request = session->requests;
	if (request != NULL) {
		session->requests = request->next;
		if (session->requests == NULL)
			session->requests_end = &session->requests;
		request->next = NULL;
	}
	pthread_mutex_unlock(&session->lock);
	return request;
}

void request_answer(
    struct ssh2_session *session, struct request *request, int result, struct error *why)
{
	pthread_mutex_lock(&session->lock);
	if (why != NULL)
		error_move(&request->err, why);
	request->result = result;
	request->done = true;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

struct exec_record *exec_find(struct ssh2_session *session, uint64_t id)
{
	struct exec_record *record = session->execs;

	while (record != NULL && record->id != id)
		record = record->next;
	return record;
}

void exec_ended(struct ssh2_session *session, uint64_t id, int status)
{
	struct exec_record *record;

	pthread_mutex_lock(&session->lock);
	record = exec_find(session, id);
	if (record != NULL && !record->ended) {
		record->ended = true;
		record->status = status;
		pthread_cond_broadcast(&session->changed);
	}
	pthread_mutex_unlock(&session->lock);
}
