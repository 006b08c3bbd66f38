/* Who is let in and to what, how much an account took, sockets, slow clients, damage, and the
 * window on another registry. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "tests/unit/registry_server.h"

static const struct server_options asking = {.accounts = true};

static void allow(
    struct world *world, const char *user, const char *password, const char *repository, bool write)
{
	CLEANUP_STRV struct strv list = {0};

	if (repository != NULL)
		assert_int_equal(strv_add(&list, repository), 0);
	assert_int_equal(server_allow(world->server, user, password,
			     repository != NULL ? &list : NULL, write, NULL),
	    0);
}

/* Until the request before is logged: its answer may be here first. */
static void wait_for_log(struct world *world, const char *part)
{
	int64_t until = clock_now_ms() + 10000;
	bool found = false;

	while (!found && clock_now_ms() < until) {
		pthread_mutex_lock(&world->lock);
		found = strstr(world->logged, part) != NULL;
		pthread_mutex_unlock(&world->lock);
		if (!found)
			poll(NULL, 0, 5);
	}
	assert_contains(world->logged, part);
}

/* MUST NOT get anything: 401, and the same for everything. */
static void nobody_gets_anything(void **state UNUSED)
{
	struct world *world = world_new(&asking, NULL);
	static const char *const paths[] = {"/", "/v2/", "/v2/_catalog", "/v2/a/manifests/v1",
	    "/v2/A/tags/list", "/v2/a/blobs/uploads/1"};
	static const char *const users[] = {NULL, "me:wrong", "me:", "you:secret", "me:secret2"};
	CLEANUP_FREE char *first = NULL;

	allow(world, "me", "secret", NULL, true);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (size_t j = 0; j < ARRAY_SIZE(users); j++) {
			assert_int_equal(ASK(world, .method = j % 2 ? "GET" : "PATCH",
					     .path = paths[i], .user = users[j]),
			    401);
			assert_code(world, "UNAUTHORIZED");
			assert_header(world, "WWW-Authenticate", "Basic realm=\"shipit\"");
			assert_header(world, "Docker-Distribution-Api-Version", "registry/2.0");
			if (first == NULL)
				first = strdup(world->body);
			assert_string_equal(world->body, first);
		}
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/", .user = "me:secret"), 200);
	assert_int_equal(server_allow(world->server, "me", "again", NULL, true, NULL), -1);
	assert_int_equal(server_allow(world->server, "m:e", "x", NULL, true, NULL), -1);
	world_free(world);
}

static void put_as(
    struct world *world, const char *repository, const char *user, const char *text, long want)
{
	char path[256], digest[DIGEST_TEXT_SIZE];

	digest_of(text, strlen(text), digest);
	snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/?digest=%s", repository, digest);
	assert_int_equal(ASK(world, .method = "POST", .path = path, .body = text,
			     .len = strlen(text), .user = user),
	    want);
}

static void accounts_have_their_own(void **state UNUSED)
{
	struct world *world = world_new(&asking, NULL);
	char digest[DIGEST_TEXT_SIZE], path[256];

	allow(world, "all", "1", NULL, true);
	allow(world, "mine", "2", "mine/app", true);
	allow(world, "reader", "3", "mine/app", false);
	put_as(world, "mine/app", "all:1", "mine", 201);
	put_as(world, "other/app", "all:1", "others", 201);
	put_as(world, "mine/app", "mine:2", "more", 201);
	put_as(world, "other/app", "mine:2", "more", 403);
	assert_code(world, "DENIED");
	put_as(world, "mine/app", "reader:3", "more", 403);
	assert_code(world, "DENIED");
	digest_of("others", 6, digest);
	snprintf(path, sizeof(path), "/v2/other/app/blobs/%s", digest);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "all:1"), 200);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "mine:2"), 404);
	assert_code(world, "NAME_UNKNOWN");
	snprintf(path, sizeof(path), "/v2/mine/app/blobs/uploads/?mount=%s&from=other/app", digest);
	assert_int_equal(ASK(world, .method = "POST", .path = path, .user = "mine:2"), 202);
	take_location(world, path);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "all:1"), 404);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "mine:2"), 204);
	world_free(world);
}

static void what_was_taken_is_counted(void **state UNUSED)
{
	struct world *world = world_new(&asking, NULL);
	char digest[DIGEST_TEXT_SIZE], path[256];

	allow(world, "me", "1", "a", true);
	allow(world, "you", "2", "a", true);
	put_as(world, "a", "me:1", "0123456789", 201);
	assert_int_equal(server_taken(world->server, "me"), 0);
	digest_of("0123456789", 10, digest);
	snprintf(path, sizeof(path), "/v2/a/blobs/%s", digest);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "me:1"), 200);
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "me:1",
			     .headers = {"Range: bytes=0-2"}),
	    206);
	assert_int_equal(ASK(world, .method = "HEAD", .path = path, .user = "me:1"), 200);
	assert_int_equal(server_taken(world->server, "me"), 13);
	assert_int_equal(server_taken(world->server, "you"), 0);
	assert_int_equal(server_taken(world->server, "nobody"), 0);
	wait_for_log(world, "me HEAD /v2/a/blobs/sha256:");
	world_free(world);
}

static void read_only(void **state UNUSED)
{
	static const struct server_options options = {.read_only = true};
	struct world *world = world_new(&options, NULL);

	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/blobs/uploads/"), 403);
	assert_code(world, "DENIED");
	assert_int_equal(ASK(world, .method = "DELETE", .path = "/v2/a/manifests/v1"), 403);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/"), 200);
	world_free(world);
}

static void sockets(void **state UNUSED)
{
	static const struct server_options tcp = {.listen = "127.0.0.1:0"};
	struct world *world = world_new(NULL, NULL), *other = world_new(&tcp, NULL);
	struct server_options options = {.store = world->store, .unix_path = world->socket};
	struct error err = {0};
	struct server *second;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	assert_int_equal(stat(world->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(server_start(&options, &second, &err), -1);
	assert_error(&err, ERROR_SYSTEM, "in use");
	assert_contains(server_address(other->server), "127.0.0.1:");
	assert_int_equal(ASK(other, .method = "GET", .path = "/v2/"), 200);
	/* One that a killed program left. */
	server_stop(steal_ptr(world->server));
	memcpy(address.sun_path, world->socket, strlen(world->socket) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(server_start(&options, &world->server, NULL), 0);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/"), 200);
	/* What is no socket stays. */
	server_stop(steal_ptr(world->server));
	close(open(world->socket, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(server_start(&options, &second, &err), -1);
	assert_error(&err, ERROR_SYSTEM, world->socket);
	assert_int_equal(unlink(world->socket), 0);
	world_free(world);
	world_free(other);
}

/* --- slow clients */

static int connect_to(const struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, world->socket, strlen(world->socket) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* One byte after the other; how many went until the other side had enough. */
static int trickle(int fd, int most)
{
	char answer[4096];

	for (int i = 0; i < most; i++) {
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			return i;
		if (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == 0)
			return i;
		poll(NULL, 0, 10);
	}
	return most;
}

static void slow_clients_are_dropped(void **state UNUSED)
{
	static const struct server_limits limits = {.idle_s = 60,
	    .slow_ms = 300,
	    .slow_bytes = 100000,
	    .upload_idle_ms = 60000,
	    .stranger_ms = 60000};
	struct world *world = world_new(NULL, &limits);
	char location[256], head[512];
	int fd;

	begin_one(world, "a", location);
	fd = connect_to(world);
	snprintf(head, sizeof(head),
	    "PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", location);
	assert_int_equal(send(fd, head, strlen(head), 0), (ssize_t)strlen(head));
	assert_true(trickle(fd, 2000) < 2000);
	close(fd);
	fd = connect_to(world);
	assert_int_equal(send(fd, "GET /v2/ HTTP/1.1\r\nX: ", 23, 0), 23);
	assert_true(trickle(fd, 2000) < 2000);
	close(fd);
	/* What came is kept. */
	assert_int_equal(ASK(world, .method = "GET", .path = location), 204);
	assert_true(strcmp(answered(world, "Range"), "0-0") != 0);
	world_free(world);
}

/* Those who only connect, and those whose credentials are wrong, lose their place soon; those who
 * belong here keep an idle connection. */
static void strangers_are_dropped(void **state UNUSED)
{
	static const char wrong[] = "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char right[] =
	    "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\n\r\n"; /* u:p */
	static const struct server_limits limits = {.idle_s = 60,
	    .slow_ms = 60000,
	    .slow_bytes = 1,
	    .upload_idle_ms = 60000,
	    .stranger_ms = 400};
	struct world *world = world_new(&asking, &limits);
	int silent = connect_to(world), refused = connect_to(world), known = connect_to(world);
	struct pollfd slot = {.fd = silent, .events = POLLIN};
	char answer[4096];

	assert_int_equal(server_allow(world->server, "u", "p", NULL, false, NULL), 0);
	assert_int_equal(send(refused, wrong, strlen(wrong), 0), (ssize_t)strlen(wrong));
	assert_int_equal(send(known, right, strlen(right), 0), (ssize_t)strlen(right));
	assert_true(recv(refused, answer, 12, MSG_WAITALL) == 12);
	assert_memory_equal(answer, "HTTP/1.1 401", 12);
	assert_true(recv(known, answer, 12, MSG_WAITALL) == 12);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	assert_int_equal(poll(&slot, 1, 10000), 1);
	assert_int_equal(recv(silent, answer, sizeof(answer), 0), 0);
	while (recv(refused, answer, sizeof(answer), 0) > 0)
		;
	/* Only then: the known one is still served. */
	assert_int_equal(send(known, right, strlen(right), 0), (ssize_t)strlen(right));
	do
		assert_true(recv(known, answer, 1, 0) == 1);
	while (answer[0] != 'H');
	assert_true(recv(known, answer, 11, MSG_WAITALL) == 11);
	assert_memory_equal(answer, "TTP/1.1 200", 11);
	close(silent);
	close(refused);
	close(known);
	world_free(world);
}

static void uploads_nobody_goes_on_with(void **state UNUSED)
{
	static const struct server_limits limits = {.idle_s = 60,
	    .slow_ms = 300,
	    .slow_bytes = 1,
	    .upload_idle_ms = 100,
	    .stranger_ms = 60000};
	struct world *world = world_new(NULL, &limits);
	char location[256];
	int64_t until = clock_now_ms() + 10000;

	begin_one(world, "a", location);
	do {
		poll(NULL, 0, 200);
		ASK(world, .method = "GET", .path = location);
	} while (world->status == 204 && clock_now_ms() < until);
	assert_int_equal(world->status, 404);
	world_free(world);
}

/* With something in each: empty ones make room after 10 s, and a busy machine needs longer. */
static void uploads_are_bounded(void **state)
{
	struct world *world = *state;
	char location[256];

	for (int i = 0; i < SERVER_UPLOADS_MAX; i++) {
		begin_one(world, "a", location);
		assert_int_equal(
		    ASK(world, .method = "PATCH", .path = location, .body = "x", .len = 1), 202);
	}
	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/blobs/uploads/"), 429);
	assert_code(world, "TOOMANYREQUESTS");
	assert_int_equal(ASK(world, .method = "DELETE", .path = location), 204);
	assert_int_equal(ASK(world, .method = "POST", .path = "/v2/a/blobs/uploads/"), 202);
}

/* --- damage */

static void run_sql(const struct world *world, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(world->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A blob whose pieces are sound, but not its own: only its digest tells. */
static void no_wrong_blob_goes_out(void **state)
{
	struct world *world = *state;
	char one[DIGEST_TEXT_SIZE], two[DIGEST_TEXT_SIZE];

	push_blob(world, "a", "one", 3, one);
	push_blob(world, "a", "two", 3, two);
	run_sql(world, "UPDATE pieces SET chunk = (SELECT max(chunk) FROM pieces)");
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a", one), 0);
	assert_true(world->len < 3);
	wait_for_log(world, " 500");
	assert_int_equal(get(world, "/v2/%s/blobs/%s", "a", two), 200);
	assert_string_equal(world->body, "two");
}

/* --- a window on another registry */

static void a_window(void **state)
{
	struct world *behind, *world;
	struct server_options options = {.accounts = true};
	static const struct server_options tcp = {.listen = "127.0.0.1:0"};
	char text[2048], digest[DIGEST_TEXT_SIZE], path[256];
	(void)state;

	behind = world_new(&tcp, NULL);
	make_image(behind, "up/app", "layer", "", text, sizeof(text));
	assert_int_equal(put(behind, "up/app", "v1", text), 201);
	options.upstream = server_address(behind->server);
	world = world_new(&options, NULL);
	allow(world, "me", "1", "up/app", true);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/up/app/manifests/v1"), 401);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/up/app/manifests/v1",
			     .user = "me:1", .headers = {"Accept: " MEDIA_OCI_MANIFEST}),
	    200);
	assert_string_equal(world->body, text);
	assert_header(world, "Content-Type", MEDIA_OCI_MANIFEST);
	digest_of(text, strlen(text), digest);
	assert_header(world, "Docker-Content-Digest", digest);
	digest_of("layer", 5, digest);
	snprintf(path, sizeof(path), "/v2/up/app/blobs/%s", digest);
	assert_int_equal(ASK(world, .method = "HEAD", .path = path, .user = "me:1"), 200);
	assert_header(world, "Content-Length", "5");
	assert_int_equal(ASK(world, .method = "GET", .path = path, .user = "me:1",
			     .headers = {"Range: bytes=1-2"}),
	    206);
	assert_string_equal(world->body, "ay");
	assert_header(world, "Content-Range", "bytes 1-2/5");
	assert_int_equal(
	    ASK(world, .method = "GET", .path = "/v2/up/app/manifests/none", .user = "me:1"), 404);
	assert_code(world, "MANIFEST_UNKNOWN");
	/* Nothing else passes. */
	assert_int_equal(
	    ASK(world, .method = "GET", .path = "/v2/up/app/tags/list", .user = "me:1"), 403);
	assert_int_equal(ASK(world, .method = "GET", .path = "/v2/_catalog", .user = "me:1"), 403);
	assert_int_equal(
	    ASK(world, .method = "GET", .path = "/v2/other/manifests/v1", .user = "me:1"), 404);
	assert_int_equal(
	    ASK(world, .method = "DELETE", .path = "/v2/up/app/manifests/v1", .user = "me:1"), 403);
	server_stop(steal_ptr(behind->server));
	assert_int_equal(
	    ASK(world, .method = "GET", .path = "/v2/up/app/manifests/v1", .user = "me:1"), 502);
	assert_code(world, "UNKNOWN");
	world_free(world);
	world_free(behind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_gets_anything),
	    cmocka_unit_test(strangers_are_dropped),
	    cmocka_unit_test(accounts_have_their_own),
	    cmocka_unit_test(what_was_taken_is_counted),
	    cmocka_unit_test(read_only),
	    cmocka_unit_test(sockets),
	    cmocka_unit_test(slow_clients_are_dropped),
	    cmocka_unit_test(uploads_nobody_goes_on_with),
	    cmocka_unit_test_setup_teardown(uploads_are_bounded, in_world, out_of_world),
	    cmocka_unit_test_setup_teardown(no_wrong_blob_goes_out, in_world, out_of_world),
	    cmocka_unit_test(a_window),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("registry_server_access", tests, NULL, NULL);
}
