/* What a real server refuses, by libcurl: answers whose exact form some client depends on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/proc.h"
#include "transport/registry/manifest.h"
#include "transport/registry/server.h"

static char folder[] = "/tmp/registry_refusals.XXXXXX", socket_path[64];
static struct store *store;
static struct server *server;

/* An answer. */
struct answer {
	long status;
	struct buf body;
	char location[256];
};

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
	struct answer *answer = context;
	static const char name[] = "Location: ";

	if (size * n < sizeof(answer->location) && strncmp(line, name, sizeof(name) - 1) == 0)
		sscanf(line, "Location: %255s", answer->location);
	return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
	struct answer *answer = context;

	assert_int_equal(buf_add(&answer->body, data, size * n), 0);
	return size * n;
}

static void ask(const char *method, const char *path, const void *body, size_t len,
    const char *type, struct answer *ret)
{
	CURL *easy = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, type);
	char url[512];

	*ret = (struct answer){.status = 0};
	buf_init(&ret->body, 1 << 20);
	snprintf(url, sizeof(url), "http://registry%s", path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(easy, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, ret);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret);
	if (body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	assert_int_equal(curl_easy_perform(easy), CURLE_OK);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret->status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
}

/* The answer has this status, and `words` in its body. */
static void says(const char *method, const char *path, const char *body, const char *type,
    long status, const char *words)
{
	struct answer answer;

	ask(method, path, body, body != NULL ? strlen(body) : 0, type, &answer);
	if (answer.status != status || strstr(answer.body.data, words) == NULL)
		fail_msg("%s %s: %ld %s, not %ld with %s", method, path, answer.status,
		    answer.body.data, status, words);
	buf_release(&answer.body);
}

#define OCTETS "Content-Type: application/octet-stream"
#define TYPED  "Content-Type: " MEDIA_OCI_MANIFEST

static void begin_upload(char location[256])
{
	struct answer answer;

	ask("POST", "/v2/a/b/blobs/uploads/", "", 0, OCTETS, &answer);
	assert_int_equal(answer.status, 202);
	memcpy(location, answer.location, sizeof(answer.location));
	buf_release(&answer.body);
}

static long push_blob(const void *data, size_t len)
{
	char location[256], path[400], digest[DIGEST_TEXT_SIZE];
	struct answer answer;

	begin_upload(location);
	assert_int_equal(digest_text(data, len, digest, NULL), 0);
	snprintf(path, sizeof(path), "%s?digest=%s", location, digest);
	ask("PUT", path, data, len, OCTETS, &answer);
	buf_release(&answer.body);
	return answer.status;
}

static void a_tag_that_cannot_be_is_not_there(void **state UNUSED)
{
	/* spec: "If the manifest is not found in the repository, the response code MUST be 404" */
	says("GET", "/v2/a/b/manifests/.no", NULL, TYPED, 404, "MANIFEST_UNKNOWN");
	says("HEAD", "/v2/a/b/manifests/.no", NULL, TYPED, 404, "");
	says("DELETE", "/v2/a/b/manifests/.no", NULL, TYPED, 404, "MANIFEST_UNKNOWN");
	says("PUT", "/v2/a/b/manifests/.no", "{}", TYPED, 400, "MANIFEST_INVALID");
	says("GET", "/v2/a/b/manifests/sha256:no", NULL, TYPED, 400, "DIGEST_INVALID");
}

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static void a_filter_may_have_a_plus(void **state UNUSED)
{
	static const char path[] = "/v2/a/b/referrers/" EMPTY "?artifactType=";
	static const char body[] =
	    "{\"schemaVersion\":2,\"artifactType\":\"application/x.y+json\",\"config\":{"
	    "\"mediaType\":\"" MEDIA_OCI_EMPTY "\",\"digest\":\"" EMPTY "\",\"size\":2},"
	    "\"layers\":[],\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST
	    "\",\"digest\":\"" EMPTY "\",\"size\":2}}";
	char wanted[256];

	assert_int_equal(push_blob("{}", 2), 201);
	says("PUT", "/v2/a/b/manifests/sbom", body, TYPED, 201, "");
	snprintf(wanted, sizeof(wanted), "%sapplication/x.y%%2Bjson", path);
	says("GET", wanted, NULL, TYPED, 200, "application/x.y+json");
	snprintf(wanted, sizeof(wanted), "%sapplication/x.y+json", path);
	says("GET", wanted, NULL, TYPED, 200, "application/x.y+json");
	snprintf(wanted, sizeof(wanted), "%sapplication/x.z+json", path);
	says("GET", wanted, NULL, TYPED, 200, "\"manifests\":[]");
}

static void files_end_at(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void an_upload_that_the_store_refused_is_over(void **state UNUSED)
{
	enum { LEN = 12 << 20 };
	static const struct store_gc_options options = {.cancel_fd = -1};
	struct store_gc_result result;
	struct answer answer;
	struct error err = {0};
	char *data = malloc(LEN), location[256];
	uint64_t random = 88172645463325252;

	assert_non_null(data);
	for (size_t i = 0; i < LEN; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		data[i] = (char)random;
	}
	begin_upload(location);
	files_end_at(1 << 20);
	ask("PATCH", location, data, LEN, OCTETS, &answer);
	files_end_at(RLIM_INFINITY);
	assert_in_range(answer.status, 400, 599);
	assert_non_null(strstr(answer.body.data, "the image store"));
	buf_release(&answer.body);
	says("GET", location, NULL, OCTETS, 404, "BLOB_UPLOAD_UNKNOWN");
	/* Nobody holds the store for it any more. */
	assert_int_equal(store_gc(store, &options, &result, &err), 0);
	assert_false(result.held);
	store_gc_result_release(&result);
	assert_int_equal(push_blob(data, LEN), 201);
	free(data);
}

/* --- a window on a registry that says nothing */

static int listen_somewhere(char ret_address[32])
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(ret_address, 32, "127.0.0.1:%d", ntohs(address.sin_port));
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void a_window_on_silence_closes_at_once(void **state UNUSED)
{
	static const char request[] = "GET /v2/a/blobs/" EMPTY " HTTP/1.1\r\nHost: x\r\n\r\n";
	char upstream[32], path[80], asked[16];
	int silent = listen_somewhere(upstream), connection, client;
	struct server_options options = {.unix_path = path, .upstream = upstream};
	struct server *window;
	int64_t begun;

	snprintf(path, sizeof(path), "%s/window", folder);
	assert_int_equal(server_start(&options, &window, NULL), 0);
	client = connect_to(path);
	assert_int_equal(fd_write_all(client, request, sizeof(request) - 1), 0);
	connection = accept(silent, NULL, NULL);
	assert_int_equal(read(connection, asked, sizeof(asked)), sizeof(asked));
	assert_memory_equal(asked, "GET /v2/a/blobs/", sizeof(asked));
	begun = clock_now_ms();
	server_stop(window);
	assert_in_range(clock_now_ms() - begun, 0, 20 * 1000); /* it would wait a minute */
	close(connection);
	close(client);
	close(silent);
}

static int start(void **state UNUSED)
{
	struct server_options options = {.unix_path = socket_path};
	char path[64];

	signal(SIGXFSZ, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/store.db", folder);
	snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
	if (store_open(path, &store, NULL) < 0)
		return -1;
	options.store = store;
	return server_start(&options, &server, NULL);
}

static int stop(void **state UNUSED)
{
	char command[64];

	server_stop(server);
	store_close(store);
	curl_global_cleanup();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT: our own folder */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tag_that_cannot_be_is_not_there),
	    cmocka_unit_test(a_filter_may_have_a_plus),
	    cmocka_unit_test(a_window_on_silence_closes_at_once),
	    cmocka_unit_test(an_upload_that_the_store_refused_is_over),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
