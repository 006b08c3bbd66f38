#include "transport/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/http_address.h"
#include "transport/http_internal.h"

enum {
	WAKE_MS = 1000,
	HEADERS_MAX = 64,
	BULK_PIECE = 256 * 1024,
};

struct http {
	CURLM *multi;
	CURL *easy;
	struct http_address address;
	int cancel_fd;
	int fd; /* the connection made last; curl's, borrowed */
	bool tls;
};

/* One request under way. */
struct call {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	struct error failure; /* set by a callback that gave up */
	int64_t deadline_ms;
	int64_t moved_ms; /* when something moved last */
	uint64_t sent;
	bool headed;  /* the answer's head came whole */
	bool done;    /* the sink has seen enough */
	bool paused;  /* the source has nothing to send yet */
	bool yielded; /* an answer that waited was let in first */
	char curl_words[CURL_ERROR_SIZE];
	struct curl_slist headers[HEADERS_MAX];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_open(const char *address, int cancel_fd, struct http **ret, struct error *err)
{
	struct http *http;

	if (pthread_once(&curl_once, curl_start) != 0 || curl_ready != CURLE_OK)
		return error_set(err, ERROR_SYSTEM, "libcurl cannot be started");
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return error_memory(err);
	http->cancel_fd = cancel_fd;
	if (http_address_take(&http->address, address, err) < 0)
		goto fail;
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (http->multi == NULL || http->easy == NULL) {
		error_memory(err);
		goto fail;
	}
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
	*ret = http;
	return 0;
fail:
	http_close(http);
	return -1;
}

void http_close(struct http *http)
{
	if (http == NULL)
		return;
	if (http->easy != NULL)
		curl_easy_cleanup(http->easy);
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi);
	http_address_release(&http->address);
	free(http);
}

int http_cancel_fd(const struct http *http)
{
	return http->cancel_fd;
}

void http_set_cancel(struct http *http, int cancel_fd)
{
	http->cancel_fd = cancel_fd;
}

void http_set_tls(struct http *http)
{
	http->tls = true;
}

static curl_socket_t on_open_socket(
    void *context, curlsocktype purpose UNUSED, struct curl_sockaddr *address)
{
	struct http *http = context;
	int fd = socket(address->family, address->socktype, address->protocol);

	if (fd >= 0 && fd_cloexec(fd) < 0) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	http->fd = fd;
	return fd;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct call *call = context;
	size_t len = size * count;

	/* An empty line ends the head; trailers may follow the body. */
	if (line[0] == '\r' || line[0] == '\n')
		call->headed = true;
	http_response_take_line(call->response, line, len);
	if (call->request->head != NULL)
		buf_add(call->request->head, line, len);
	return len;
}

static bool status_is_good(const struct call *call)
{
	long status = 0;

	curl_easy_getinfo(call->http->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct call *call = context;
	size_t len = size * count;
	bool good = status_is_good(call);

	call->yielded = false;
	if (call->request->sink == NULL || !good) {
		call->moved_ms = clock_now_ms();
		if (http_response_add(call->response, data, len, good, &call->failure) < 0)
			return 0;
		return len;
	}
	switch (call->request->sink(call->request->context, data, len, &call->failure)) {
	case HTTP_MOVED:
		call->moved_ms = clock_now_ms();
		return len;
	case HTTP_IDLE:
		return len;
	case HTTP_DONE:
		call->done = true;
		return 0;
	case HTTP_FAILED:
		break;
	}
	return 0;
}

static bool source_is_ready(const struct call *call)
{
	struct pollfd slot = {.fd = call->request->source->fd, .events = POLLIN};

	return poll(&slot, 1, 0) != 0;
}

/* A server that refuses a body answers and hangs up; to write once more would lose its words. Once
 * between two pieces of an answer: `fd` is a good guess, no more. */
static bool yields_to_answer(struct call *call)
{
	struct pollfd slot = {.fd = call->http->fd, .events = POLLIN};

	if (call->yielded || poll(&slot, 1, 0) <= 0)
		return false;
	call->yielded = true;
	return true;
}

static size_t on_source(char *out, size_t size, size_t count, void *context)
{
	struct call *call = context;
	const struct http_source *source = call->request->source;
	ssize_t n = -1;

	errno = EAGAIN;
	if (!yields_to_answer(call) && source_is_ready(call))
		n = read(source->fd, out, size * count);
	if (n < 0 && fd_is_for_later(errno)) {
		call->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (n < 0) {
		error_errno(&call->failure, errno, "cannot read what is to be sent");
		return CURL_READFUNC_ABORT;
	}
	call->moved_ms = clock_now_ms();
	call->sent += (size_t)n;
	if (source->sent != NULL)
		source->sent(source->context, call->sent);
	return (size_t)n;
}

/* A list of curl's own shape over the caller's strings: curl_slist_append() would leave copies of
 * credentials behind. */
static int link_headers(struct call *call, struct error *err)
{
	static const char *const none[] = {NULL};
	const char *const *given = call->request->headers ? call->request->headers : none;
	size_t n = 0;

	call->headers[n++].data = (char *)(uintptr_t) "Expect:";
	call->headers[n++].data = (char *)(uintptr_t) "User-Agent: shipit";
	for (; *given != NULL; given++) {
		if (n == HEADERS_MAX)
			return error_set(err, ERROR_FAILED, "too many headers");
		call->headers[n++].data = (char *)(uintptr_t)*given;
	}
	for (size_t i = 0; i + 1 < n; i++)
		call->headers[i].next = &call->headers[i + 1];
	return 0;
}

static CURLcode set_body(struct call *call)
{
	const struct http_request *request = call->request;
	CURL *easy = call->http->easy;
	CURLcode rc = CURLE_OK;

	if (request->source != NULL) {
		rc |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		rc |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_source);
		rc |= curl_easy_setopt(easy, CURLOPT_READDATA, call);
		/* What was read cannot be read again for a second try on a dead connection. */
		rc |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	} else if (request->body != NULL || strcmp(request->method, "POST") == 0) {
		rc |= curl_easy_setopt(
		    easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		rc |= curl_easy_setopt(
		    easy, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
	}
	rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	return rc;
}

static int set_options(struct call *call, struct error *err)
{
	struct http *http = call->http;
	CURL *easy = http->easy;
	CURLcode rc = CURLE_OK;
	CLEANUP_FREE char *url = string_printf("%s%s%s", http->tls ? "https" : "http",
	    http->address.base + strlen("http"), call->request->target);

	if (url == NULL)
		return error_memory(err);
	curl_easy_reset(easy);
	rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
	rc |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
	rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
	rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_words);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	rc |= curl_easy_setopt(easy, CURLOPT_URL, url);
	if (call->request->bulk)
		rc |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BULK_PIECE);
	if (http->tls) {
		rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (http->address.socket != NULL)
		rc |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, http->address.socket);
	rc |= set_body(call);
	return rc == CURLE_OK ? 0 : error_memory(err);
}

static bool is_cancelled(const struct http *http, const struct http_request *request)
{
	return cancel_fd_fired(http->cancel_fd) ||
	       (request->cancel_fd > 0 && cancel_fd_fired(request->cancel_fd));
}

/* Has this call's time run out, or was it cancelled? */
static int check_limits(const struct call *call, struct error *err)
{
	int stall_ms = call->request->stall_ms;

	if (is_cancelled(call->http, call->request))
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (clock_left_ms(call->deadline_ms) == 0)
		return error_set(err, ERROR_TIMEOUT, "no answer in time");
	if (stall_ms > 0 && clock_now_ms() - call->moved_ms >= stall_ms)
		return error_set(
		    err, ERROR_TIMEOUT, "nothing has moved for %d s", (stall_ms + 500) / 1000);
	return 0;
}

static int wait_ms(const struct call *call)
{
	int left = clock_left_ms(call->deadline_ms), wait = WAKE_MS;

	if (left >= 0 && left < wait)
		wait = left;
	if (call->request->stall_ms > 0) {
		left = clock_left_ms(call->moved_ms + call->request->stall_ms);
		if (left < wait)
			wait = left;
	}
	return wait;
}

/* Sleep until there is something to do. */
static CURLMcode wait_for_more(struct call *call)
{
	struct curl_waitfd extra[3];
	unsigned int n = 0;
	int wait = wait_ms(call);
	int64_t before = clock_now_ms(), slept;
	CURLMcode rc;

	if (call->http->cancel_fd >= 0)
		extra[n++] = (struct curl_waitfd){call->http->cancel_fd, CURL_WAIT_POLLIN, 0};
	if (call->request->cancel_fd > 0)
		extra[n++] = (struct curl_waitfd){call->request->cancel_fd, CURL_WAIT_POLLIN, 0};
	if (call->paused)
		extra[n++] = (struct curl_waitfd){call->request->source->fd, CURL_WAIT_POLLIN, 0};
	rc = curl_multi_poll(call->http->multi, extra, n, wait, NULL);
	/* This machine was asleep, or this process was stopped: that is no stall of theirs. */
	slept = clock_now_ms() - before - wait;
	if (slept > WAKE_MS)
		call->moved_ms += slept;
	if (call->paused && source_is_ready(call)) {
		call->paused = false;
		curl_easy_pause(call->http->easy, CURLPAUSE_CONT);
	}
	return rc;
}

static int refused(const struct call *call, struct error *err)
{
	const struct http *http = call->http;
	long errnum = 0;

	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &errnum);
	error_set(err, ERROR_UNREACHABLE, "cannot connect to %s: %s", http->address.text,
	    errnum != 0 ? strerror((int)errnum) : call->curl_words);
	if (err != NULL)
		err->code = (int)errnum;
	return -1;
}

/* What libcurl's verdict means. */
static int judge(struct call *call, CURLcode code, struct error *err)
{
	const char *words = call->curl_words[0] ? call->curl_words : curl_easy_strerror(code);

	if (call->done)
		return 0;
	if (call->failure.kind != ERROR_NONE) {
		error_move(err, &call->failure);
		return -1;
	}
	switch (code) {
	case CURLE_OK:
		/* libcurl takes a head that was cut short for a whole one. */
		if (call->headed)
			return 0;
		return error_set(err, ERROR_UNREACHABLE, "the connection broke: half an answer");
	case CURLE_OUT_OF_MEMORY:
		return error_memory(err);
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
		return refused(call, err);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
		return error_set(err, ERROR_UNREACHABLE, "the connection broke: %s", words);
	default:
		return error_set(err, ERROR_PROTOCOL, "no valid HTTP answer: %s", words);
	}
}

static int run(struct call *call, struct error *err)
{
	struct http *http = call->http;
	CURLMcode rc = CURLM_OK;
	CURLMsg *message;
	int running = 1, left;

	while (rc == CURLM_OK) {
		rc = curl_multi_perform(http->multi, &running);
		if (rc != CURLM_OK || running == 0)
			break;
		if (check_limits(call, err) < 0)
			return -1;
		rc = wait_for_more(call);
	}
	if (rc == CURLM_OUT_OF_MEMORY)
		return error_memory(err);
	message = curl_multi_info_read(http->multi, &left);
	if (rc != CURLM_OK || message == NULL || message->msg != CURLMSG_DONE)
		return error_set(err, ERROR_SYSTEM, "libcurl: %s", curl_multi_strerror(rc));
	return judge(call, message->data.result, err);
}

int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
    struct error *err)
{
	struct call call = {.http = http, .request = request, .response = ret};
	struct error failure = {0};
	int64_t now = clock_now_ms();
	long status = 0;
	int rc;

	http_response_init(ret, request->max_body);
	call.moved_ms = now;
	call.deadline_ms = request->deadline_ms != 0 ? request->deadline_ms : now + HTTP_TOTAL_MS;
	if (is_cancelled(http, request))
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (link_headers(&call, err) < 0 || set_options(&call, err) < 0)
		return -1;
	if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return error_memory(err);
	rc = run(&call, &failure);
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (int)status;
	curl_multi_remove_handle(http->multi, http->easy);
	curl_easy_reset(http->easy);
	error_release(&call.failure);
	if (rc < 0)
		error_move(err, &failure);
	return rc;
}
