/* Images that travel: pull, push, load, import. */
#include "transport/engine.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "transport/engine_internal.h"
#include "transport/engine_stream.h"

enum {
	SHOW_EVERY_MS = 100,
	STALL_MS = 120 * 1000,
	/* podman's own pull is silent from the beginning of a layer to its end */
	SILENT_STALL_MS = 30 * 60 * 1000,
	CREDENTIALS_MAX = 16 * 1024,
};

/* base64url with padding (RFC 4648 §5), as dockerd wants it. */
static int add_base64url(struct buf *out, const char *text)
{
	size_t len = strlen(text);
	CLEANUP_FREE unsigned char *encoded = malloc(4 * ((len + 2) / 3) + 1);
	int rc;

	if (encoded == NULL || len > CREDENTIALS_MAX)
		return -1;
	EVP_EncodeBlock(encoded, (const unsigned char *)text, (int)len);
	for (unsigned char *c = encoded; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	rc = buf_adds(out, (char *)encoded);
	explicit_bzero(encoded, strlen((char *)encoded));
	return rc;
}

int engine_registry_auth(struct buf *out, const char *username, const char *password,
    const char *server, struct error *err)
{
	CLEANUP_JSON json_t *auth = NULL;
	char *text;
	int rc;

	auth = username == NULL || password == NULL
		   ? json_object()
		   : json_pack("{ssssss}", "username", username, "password", password,
			 "serveraddress", server);
	text = auth != NULL ? json_dumps(auth, JSON_COMPACT) : NULL;
	if (text == NULL)
		return error_memory(err);
	rc = buf_adds(out, "X-Registry-Auth: ");
	if (rc == 0)
		rc = add_base64url(out, text);
	explicit_bzero(text, strlen(text));
	free(text);
	return rc == 0 ? 0 : error_memory(err);
}

int engine_reference_split(
    const char *reference, char **ret_name, const char **ret_tag, struct error *err)
{
	const char *slash = strrchr(reference, '/');
	const char *cut = strchr(reference, '@');

	if (cut == NULL)
		cut = strrchr(slash != NULL ? slash : reference, ':');
	if (cut == reference || reference[0] == '\0' || (cut != NULL && cut[1] == '\0'))
		return error_set(err, ERROR_FAILED, "\"%s\" is no image reference", reference);
	*ret_name = cut != NULL ? strndup(reference, (size_t)(cut - reference)) : strdup(reference);
	*ret_tag = cut != NULL ? cut + 1 : "latest";
	return *ret_name != NULL ? 0 : error_memory(err);
}

/* A transfer under way. */
struct transfer {
	const struct engine_transfer *options;
	struct json_stream stream;
	struct transfer_state state;
	bool silent; /* the engine does not say what moves */
	int64_t shown_ms;
	uint64_t sent, sent_total; /* of an archive that we send */
};

static void show(struct transfer *transfer, bool last)
{
	const struct engine_transfer *options = transfer->options;
	struct engine_progress progress;
	int64_t now = clock_now_ms();

	if (options->progress == NULL || (!last && now - transfer->shown_ms < SHOW_EVERY_MS))
		return;
	transfer->shown_ms = now;
	transfer_state_sum(&transfer->state, &progress);
	if (transfer->sent > 0 && transfer->state.n == 0) {
		progress = (struct engine_progress){.phase = "sending"};
		progress.done = transfer->sent;
		progress.total = transfer->sent_total;
	}
	options->progress(options->context, &progress);
}

static int take_message(void *context, const json_t *message, struct error *err)
{
	struct transfer *transfer = context;

	return transfer_state_take(&transfer->state, message, err);
}

static enum http_sink take_piece(void *context, const char *data, size_t len, struct error *err)
{
	struct transfer *transfer = context;

	transfer->state.moved = false;
	if (json_stream_feed(&transfer->stream, data, len, take_message, transfer, err) < 0)
		return HTTP_FAILED;
	show(transfer, false);
	if (transfer->options->enough != NULL &&
	    transfer->options->enough(transfer->options->context)) {
		error_set(err, ERROR_CANCELLED, "enough was seen");
		return HTTP_FAILED;
	}
	return transfer->state.moved || transfer_state_is_local(&transfer->state) ? HTTP_MOVED
										  : HTTP_IDLE;
}

static void count_sent(void *context, uint64_t total)
{
	struct transfer *transfer = context;

	transfer->sent = total;
	show(transfer, false);
}

static int run(struct engine *engine, struct transfer *transfer, const struct target *target,
    struct http_request *request, struct error *err)
{
	struct http_response response;
	int rc;

	json_stream_init(&transfer->stream);
	request->method = "POST";
	request->sink = take_piece;
	request->context = transfer;
	request->deadline_ms = -1;
	request->stall_ms =
	    transfer->options->stall_ms > 0 ? transfer->options->stall_ms : STALL_MS;
	rc = engine_perform(engine, target, request, &response, err);
	if (rc == 0 && json_stream_open(&transfer->stream))
		rc = error_set(
		    err, ERROR_UNREACHABLE, "%s: its stream ended in the middle", engine->describe);
	if (rc == 0)
		show(transfer, true);
	http_response_release(&response);
	json_stream_release(&transfer->stream);
	return rc;
}

static bool is_loopback(const char *reference)
{
	static const char *const loopback[] = {"127.", "localhost:", "[::1]:"};

	for (size_t i = 0; i < ARRAY_SIZE(loopback); i++) {
		if (strncmp(reference, loopback[i], strlen(loopback[i])) == 0)
			return true;
	}
	return false;
}

static int add_credentials(const struct engine_transfer *options, const char *reference,
    struct buf *header, struct error *err)
{
	CLEANUP_FREE char *server = strndup(reference, strcspn(reference, "/"));

	if (server == NULL)
		return error_memory(err);
	return engine_registry_auth(header, options->username, options->password, server, err);
}

/* The engine ended without saying how: podman's pull says nothing more. Is the image there? */
static int check_pulled(struct engine *engine, const char *reference, struct error *err)
{
	CLEANUP_JSON json_t *image = NULL;
	struct error failure = {0};

	if (engine_image_inspect(engine, reference, &image, &failure) == 0)
		return 0;
	if (failure.kind != ERROR_NOT_FOUND) {
		error_move(err, &failure);
		return -1;
	}
	error_release(&failure);
	return error_set(err, ERROR_PROTOCOL,
	    "%s: ended the pull of %s without an error and without the image", engine->describe,
	    reference);
}

/* dockerd knows that loopback speaks plain HTTP, podman has to be told; and its Docker-like pull
 * does not listen (4.3), so it gets its own (libpod API, "images/pull"). */
static void route(const struct engine *engine, struct transfer *transfer, const char *reference,
    const char *name, const char *tag, struct target *target)
{
	bool plain = engine->is_podman && is_loopback(reference);

	if (transfer->state.kind == TRANSFER_PULL && plain) {
		target_init(target, NULL, "/v4.0.0/libpod/images/pull");
		target_query(target, "reference", reference);
		transfer->silent = true;
	} else if (transfer->state.kind == TRANSFER_PULL) {
		target_init(target, engine, "/images/create");
		target_query(target, "fromImage", name);
		target_query(target, "tag", tag);
	} else {
		target_init(target, engine, "/images/");
		target_name(target, "an image", name);
		target_path(target, "/push");
		target_query(target, "tag", tag);
	}
	if (plain)
		target_query(target, "tlsVerify", "false");
}

/* A pull or a push; `transfer` is released by the caller in any case. */
static int exchange(
    struct engine *engine, const char *reference, struct transfer *transfer, struct error *err)
{
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_FREE char *name = NULL;
	struct buf auth = BUF_INIT(2 * CREDENTIALS_MAX);
	const char *tag = NULL, *headers[2] = {NULL, NULL};
	struct http_request request = {.headers = headers};
	int rc;

	if (engine_reference_split(reference, &name, &tag, err) < 0)
		return -1;
	route(engine, transfer, reference, name, tag, &target);
	rc = add_credentials(transfer->options, reference, &auth, err);
	headers[0] = auth.data;
	if (rc == 0)
		rc = run(engine, transfer, &target, &request, err);
	buf_wipe(&auth);
	return rc;
}

static void transfer_init(
    struct transfer *transfer, enum transfer_kind kind, const struct engine_transfer *options)
{
	static const struct engine_transfer defaults;

	*transfer = (struct transfer){.options = options != NULL ? options : &defaults};
	transfer_state_init(&transfer->state, kind);
}

int engine_image_pull(struct engine *engine, const char *reference,
    const struct engine_transfer *options, struct error *err)
{
	struct transfer transfer;
	int rc;

	transfer_init(&transfer, TRANSFER_PULL, options);
	rc = exchange(engine, reference, &transfer, err);
	if (rc == 0 && !transfer.state.outcome)
		rc = check_pulled(engine, reference, err);
	transfer_state_release(&transfer.state);
	return rc;
}

static int no_outcome(const struct engine *engine, const char *what, struct error *err)
{
	return error_set(err, ERROR_PROTOCOL, "%s: ended the %s without saying whether it worked",
	    engine->describe, what);
}

int engine_image_push(struct engine *engine, const char *reference,
    const struct engine_transfer *options, char **ret_digest, struct error *err)
{
	struct transfer transfer;
	int rc;

	transfer_init(&transfer, TRANSFER_PUSH, options);
	rc = exchange(engine, reference, &transfer, err);
	if (rc == 0 && !transfer.state.outcome)
		rc = no_outcome(engine, "push", err);
	if (rc == 0 && ret_digest != NULL)
		*ret_digest = steal_ptr(transfer.state.digest);
	transfer_state_release(&transfer.state);
	return rc;
}

static const char *const tar_header[] = {"Content-Type: application/x-tar", NULL};

int engine_image_load(
    struct engine *engine, int fd, const struct engine_transfer *options, struct error *err)
{
	struct transfer transfer;
	CLEANUP_TARGET struct target target = TARGET_INIT;
	struct http_source source = {.fd = fd, .sent = count_sent, .context = &transfer};
	struct http_request request = {.headers = tar_header, .source = &source};
	struct stat file;
	int rc;

	transfer_init(&transfer, TRANSFER_LOAD, options);
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode))
		transfer.sent_total = (uint64_t)file.st_size;
	target_init(&target, engine, "/images/load");
	target_query(&target, "quiet", "0");
	rc = run(engine, &transfer, &target, &request, err);
	if (rc == 0 && !transfer.state.outcome)
		rc = no_outcome(engine, "load", err);
	transfer_state_release(&transfer.state);
	return rc;
}

int engine_image_import_empty(
    struct engine *engine, const char *repository, const char *tag, struct error *err)
{
	static const char empty_tar[1024]; /* two zero blocks end an archive (POSIX pax, ustar) */
	struct transfer transfer;
	CLEANUP_TARGET struct target target = TARGET_INIT;
	CLEANUP_FREE char *name = string_printf("%s:%s", repository, tag);
	struct http_request request = {
	    .headers = tar_header, .body = empty_tar, .body_len = sizeof(empty_tar)};
	int rc;

	if (name == NULL)
		return error_memory(err);

	transfer_init(&transfer, TRANSFER_IMPORT, NULL);
	target_init(&target, engine, "/images/create");
	target_query(&target, "fromSrc", "-");
	target_query(&target, "repo", name); /* podman 4.3 does not read "tag" */
	rc = run(engine, &transfer, &target, &request, err);
	if (rc == 0 && !transfer.state.outcome)
		rc = no_outcome(engine, "import", err);
	transfer_state_release(&transfer.state);
	return rc;
}
