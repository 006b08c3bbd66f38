#include "transport/registry/relay.h"

#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/clock.h"

enum {
	CONNECT_MS = 10 * 1000,
	STALL_MS = 60 * 1000,
	PIECE_MAX = 8 * CURL_MAX_WRITE_SIZE, /* libcurl gives an eighth of it at once */
	WAKE_MS = 1000,
};

struct relay {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct relay_answer answer;
	bool headed, ended;
	CURLcode result;
	int64_t moved_ms;
	int cancel_fd;
	struct buf piece; /* came, and is not taken yet */
	size_t taken;
	char words[CURL_ERROR_SIZE];
};

static const char *const passed[RELAY_HEADERS] = {
    "Content-Type", "Content-Range", "Accept-Ranges", "Docker-Content-Digest", "ETag"};

static void take_header(struct relay *relay, const char *line, size_t len)
{
	for (size_t i = 0; i < RELAY_HEADERS; i++) {
		size_t skip = strlen(passed[i]), n = 0;
		char *value = relay->answer.headers[i].value;

		if (len <= skip || line[skip] != ':' || strncasecmp(line, passed[i], skip) != 0)
			continue;
		for (skip++; skip < len && (line[skip] == ' ' || line[skip] == '\t'); skip++)
			;
		while (skip < len && n + 1 < sizeof(relay->answer.headers[i].value) &&
		       line[skip] >= ' ')
			value[n++] = line[skip++];
		value[n] = '\0';
	}
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct relay *relay = context;
	size_t len = size * count;
	long status = 0;

	relay->moved_ms = clock_now_ms();
	curl_easy_getinfo(relay->easy, CURLINFO_RESPONSE_CODE, &status);
	if (line[0] == '\r' || line[0] == '\n')
		relay->headed = relay->headed || status >= 200;
	else if (!relay->headed)
		take_header(relay, line, len);
	return len;
}

/* What was not taken yet is waited for. */
static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct relay *relay = context;
	size_t len = size * count;

	if (relay->piece.len + len > PIECE_MAX)
		return CURL_WRITEFUNC_PAUSE;
	relay->moved_ms = clock_now_ms();
	return buf_add(&relay->piece, data, len) == 0 ? len : 0;
}

static CURLcode set_options(struct relay *relay, const char *url, bool head)
{
	CURL *easy = relay->easy;
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
	rc |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, relay->words);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, relay->headers);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, relay);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, relay);
	rc |= curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L);
	rc |= curl_easy_setopt(easy, CURLOPT_URL, url);
	return rc;
}

static int add_header(struct relay *relay, const char *name, const char *value)
{
	CLEANUP_FREE char *line = NULL;
	struct curl_slist *more;

	if (value == NULL)
		return 0;
	line = string_printf("%s: %s", name, value);
	more = line != NULL ? curl_slist_append(relay->headers, line) : NULL;
	if (more == NULL)
		return -1;
	relay->headers = more;
	return 0;
}

/* What is ready; `ended` when there is no more to come. */
static int step(struct relay *relay, struct error *err)
{
	int running = 0, left;
	CURLMcode rc = curl_multi_perform(relay->multi, &running);
	CURLMsg *message;

	if (rc != CURLM_OK)
		return error_set(err, ERROR_SYSTEM, "libcurl: %s", curl_multi_strerror(rc));
	if (running > 0)
		return 0;
	message = curl_multi_info_read(relay->multi, &left);
	relay->ended = true;
	relay->result = message != NULL ? message->data.result : CURLE_OK;
	return 0;
}

static int wait_a_little(struct relay *relay, struct error *err)
{
	struct curl_waitfd cancel = {relay->cancel_fd, CURL_WAIT_POLLIN, 0};

	if (cancel_fd_fired(relay->cancel_fd))
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (clock_now_ms() - relay->moved_ms > STALL_MS)
		return error_set(err, ERROR_UNREACHABLE, "the registry says nothing");
	curl_multi_poll(relay->multi, &cancel, 1, WAKE_MS, NULL);
	return 0;
}

static int broken(const struct relay *relay, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE, "the registry cannot be read: %s",
	    *relay->words != '\0' ? relay->words : curl_easy_strerror(relay->result));
}

static int take_head(struct relay *relay, struct error *err)
{
	CURL *easy = relay->easy;

	while (!relay->headed && !relay->ended)
		if (step(relay, err) < 0 ||
		    (!relay->headed && !relay->ended && wait_a_little(relay, err) < 0))
			return -1;
	if (!relay->headed || (relay->ended && relay->result != CURLE_OK))
		return broken(relay, err);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &relay->answer.status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &relay->answer.length);
	return 0;
}

static int begin(
    struct relay *relay, const char *url, const struct relay_request *request, struct error *err)
{
	relay->multi = curl_multi_init();
	relay->easy = curl_easy_init();
	relay->moved_ms = clock_now_ms();
	relay->cancel_fd = request->cancel_fd;
	buf_init(&relay->piece, PIECE_MAX);
	for (size_t i = 0; i < RELAY_HEADERS; i++)
		relay->answer.headers[i].name = passed[i];
	if (relay->multi == NULL || relay->easy == NULL ||
	    add_header(relay, "User-Agent", "shipit") < 0 ||
	    add_header(relay, "Accept", request->accept) < 0 ||
	    add_header(relay, "Range", request->range) < 0 ||
	    set_options(relay, url, request->head) != CURLE_OK ||
	    curl_multi_add_handle(relay->multi, relay->easy) != CURLM_OK)
		return error_memory(err);
	return take_head(relay, err);
}

int relay_start(struct error *err)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : error_memory(err);
}

int relay_open(const struct relay_request *request, struct relay **ret,
    struct relay_answer *ret_answer, struct error *err)
{
	CLEANUP_FREE char *url = string_printf("%s%s", request->base, request->path);
	struct relay *relay = url != NULL ? calloc(1, sizeof(*relay)) : NULL;

	if (relay == NULL)
		return error_memory(err);
	if (begin(relay, url, request, err) < 0) {
		relay_close(relay);
		return -1;
	}
	*ret_answer = relay->answer;
	*ret = relay;
	return 0;
}

ssize_t relay_read(struct relay *relay, void *data, size_t len, struct error *err)
{
	size_t n;

	/* While nobody asked, nothing could come: that is no stall of the registry. */
	if (relay->piece.len == 0)
		relay->moved_ms = clock_now_ms();
	while (relay->piece.len == 0 && !relay->ended) {
		curl_easy_pause(relay->easy, CURLPAUSE_CONT);
		if (step(relay, err) < 0 ||
		    (relay->piece.len == 0 && !relay->ended && wait_a_little(relay, err) < 0))
			return -1;
	}
	if (relay->piece.len == 0)
		return relay->result == CURLE_OK ? 0 : broken(relay, err);
	n = relay->piece.len - relay->taken < len ? relay->piece.len - relay->taken : len;
	memcpy(data, relay->piece.data + relay->taken, n);
	relay->taken += n;
	if (relay->taken == relay->piece.len) {
		buf_clear(&relay->piece);
		relay->taken = 0;
	}
	return (ssize_t)n;
}

void relay_close(struct relay *relay)
{
	if (relay == NULL)
		return;
	if (relay->multi != NULL && relay->easy != NULL)
		curl_multi_remove_handle(relay->multi, relay->easy);
	if (relay->easy != NULL)
		curl_easy_cleanup(relay->easy);
	if (relay->multi != NULL)
		curl_multi_cleanup(relay->multi);
	curl_slist_free_all(relay->headers);
	buf_release(&relay->piece);
	free(relay);
}
