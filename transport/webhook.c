#include "transport/webhook.h"

#include <curl/curl.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"

enum { CONNECT_MS = 5000 };

static size_t ignore(char *data UNUSED, size_t size, size_t n, void *context UNUSED)
{
	return size * n;
}

static int on_progress(void *context, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED,
    curl_off_t d UNUSED)
{
	return cancel_fd_fired(*(const int *)context) ? 1 : 0;
}

/* "hooks.example.com" of a URL; malloc'ed. */
static char *server_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *at;
	size_t len;

	host = host != NULL ? host + 3 : url;
	len = strcspn(host, "/?#");
	at = memrchr(host, '@', len);
	if (at != NULL) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	return strndup(host, len);
}

static CURLcode set_options(
    CURL *curl, const char *url, const char *json, int64_t deadline_ms, int *cancel_fd)
{
	CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, url);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)clock_left_ms(deadline_ms));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, cancel_fd);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "shipit");
	return rc;
}

static int explain(CURLcode rc, long status, const char *server, struct error *err)
{
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return error_set(err, ERROR_CANCELLED, "cancelled");
	if (rc == CURLE_OUT_OF_MEMORY)
		return error_memory(err);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return error_set(err, ERROR_TIMEOUT, "%s did not answer in time", server);
	if (rc != CURLE_OK)
		return error_set(err, ERROR_UNREACHABLE, "%s: %s", server, curl_easy_strerror(rc));
	if (status < 200 || status > 299)
		return error_set(err, ERROR_FAILED, "%s answered with status %ld", server, status);
	return 0;
}

int webhook_post(
    const char *url, const char *json, int64_t deadline_ms, int cancel_fd, struct error *err)
{
	CLEANUP_FREE char *server = server_of(url);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	long status = 0;

	if (server != NULL && headers != NULL && curl != NULL)
		rc = set_options(curl, url, json, deadline_ms, &cancel_fd);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (rc == CURLE_OK)
		rc = curl_easy_perform(curl);
	if (rc == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return explain(rc, status, server != NULL ? server : "the server", err);
}
