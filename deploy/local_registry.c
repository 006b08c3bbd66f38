#include "deploy/local_registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/text.h"
#include "deploy/run_dir.h"
#include "transport/registry/server.h"

static const char socket_name[] = "registry.sock";

/* --- the store */

static int make_folder(struct local_registry *registry, struct error *err)
{
	const char *base = getenv("TMPDIR");

	registry->folder =
	    string_printf("%s/shipit-store-XXXXXX", base != NULL && *base == '/' ? base : "/tmp");
	if (registry->folder == NULL)
		return error_memory(err);
	if (mkdtemp(registry->folder) != NULL)
		return 0;
	error_errno(err, errno, "cannot make the folder %s", registry->folder);
	free(steal_ptr(registry->folder));
	return -1;
}

int local_registry_open(struct local_registry *registry, bool dry_run, struct error *err)
{
	CLEANUP_FREE char *path = NULL;

	if (dry_run) {
		if (make_folder(registry, err) < 0)
			return -1;
		path = string_printf("%s/store.db", registry->folder);
		if (path == NULL)
			return error_memory(err);
	}
	if (store_open(path, &registry->store, err) < 0)
		return -1;
	return store_hold(registry->store, &registry->hold, err);
}

/* --- the server */

static const char *host_of(const struct local_registry *registry, const char *user)
{
	for (size_t i = 0; i < registry->n_accounts && user != NULL; i++)
		if (strcmp(registry->accounts[i].user, user) == 0)
			return registry->accounts[i].host;
	return NULL;
}

/* For -vv, as the calls of the hosts' engines are. */
static void on_request(void *context, const struct server_request *request)
{
	const struct local_registry *registry = context;
	const struct event_source source = {
	    .events = registry->events, .host = host_of(registry, request->account)};
	CLEANUP_FREE char *line =
	    string_printf("registry: %s %s %u, %llu bytes, %lld ms", request->method, request->path,
		request->status, (unsigned long long)request->sent, (long long)request->ms);

	if (line != NULL)
		emit_log(&source, 2, line);
}

static int make_account(
    struct local_registry *registry, size_t i, const char *host, struct error *err)
{
	struct account *account = &registry->accounts[i];

	account->host = host;
	snprintf(account->user, sizeof(account->user), "host%zu", i + 1);
	return digest_random_hex(sizeof(account->password) / 2, account->password, err);
}

int local_registry_start(struct local_registry *registry, const char *folder, const char *upstream,
    const char *const *hosts, const struct strv *repositories, size_t n, struct events *events,
    struct error *err)
{
	CLEANUP_FREE char *path = string_printf("%s/%s", folder, socket_name);
	const struct server_options options = {
	    .store = upstream == NULL ? registry->store : NULL,
	    .upstream = upstream,
	    .unix_path = path,
	    .accounts = true,
	    .read_only = true,
	    .limiter = registry->limiter,
	    .log = on_request,
	    .context = registry,
	};

	registry->events = events;
	registry->accounts = calloc(n + 1, sizeof(*registry->accounts));
	if (path == NULL || registry->accounts == NULL)
		return error_memory(err);
	registry->n_accounts = n;
	for (size_t i = 0; i < n; i++)
		if (make_account(registry, i, hosts[i], err) < 0)
			return -1;
	if (server_start(&options, &registry->server, err) < 0)
		return error_wrap(err, "cannot start the registry of this rollout");
	for (size_t i = 0; i < n; i++)
		if (repositories[i].n > 0 &&
		    server_allow(registry->server, registry->accounts[i].user,
			registry->accounts[i].password, &repositories[i], false, err) < 0)
			return -1;
	return 0;
}

const char *local_registry_address(const struct local_registry *registry)
{
	return server_address(registry->server);
}

uint64_t local_registry_taken(const struct local_registry *registry, size_t i)
{
	return server_taken(registry->server, registry->accounts[i].user);
}

int local_registry_offer(struct local_registry *registry, const char *repository, const char *tag,
    const char *manifest, const char *config, struct error *err)
{
	return server_offer(registry->server, repository, tag, manifest, config, err);
}

void local_registry_stop(struct local_registry *registry)
{
	limiter_stop(registry->limiter);
	server_stop(steal_ptr(registry->server));
	if (registry->accounts != NULL)
		explicit_bzero(
		    registry->accounts, registry->n_accounts * sizeof(*registry->accounts));
	free(steal_ptr(registry->accounts));
	registry->n_accounts = 0;
}

/* --- afterwards */

/* With the log that SQLite keeps beside it. */
static uint64_t file_size(const struct store *store)
{
	CLEANUP_FREE char *log = string_printf("%s-wal", store_file(store));
	struct stat file;
	uint64_t size = 0;

	if (stat(store_file(store), &file) == 0)
		size += (uint64_t)file.st_size;
	if (log != NULL && stat(log, &file) == 0)
		size += (uint64_t)file.st_size;
	return size;
}

static void tell(const struct store_gc_result *result, struct event_source *source)
{
	char freed[TEXT_BYTES_SIZE], over[TEXT_BYTES_SIZE];
	CLEANUP_FREE char *line = NULL;

	text_bytes(result->bytes, freed);
	text_bytes(result->over, over);
	line = string_printf("the store was over its limit: %zu image%s removed, %s freed%s%s%s",
	    result->tags, result->tags == 1 ? "" : "s", freed, result->over > 0 ? "; " : "",
	    result->over > 0 ? over : "", result->over > 0 ? " over it are all in use" : "");
	if (line != NULL)
		emit_log(source, 1, line);
}

void local_registry_tidy(
    struct local_registry *registry, uint64_t limit, int cancel_fd, struct events *events)
{
	const struct store_gc_options options = {.limit = limit, .cancel_fd = cancel_fd};
	struct event_source source = {.events = events};
	CLEANUP_ERROR struct error err = {0};
	struct store_gc_result result = {0};

	store_release(steal_ptr(registry->hold));
	/* The file is somewhat larger than what the limit counts: not at each deploy anew. */
	if (registry->store == NULL || registry->folder != NULL ||
	    file_size(registry->store) <= limit + limit / 4)
		return;
	if (store_gc(registry->store, &options, &result, &err) < 0) {
		CLEANUP_FREE char *line =
		    string_printf("the store could not be made smaller: %s", error_text(&err));

		if (line != NULL)
			emit_log(&source, 1, line);
		return;
	}
	tell(&result, &source);
	store_gc_result_release(&result);
}

void local_registry_close(struct local_registry *registry)
{
	local_registry_stop(registry);
	store_release(steal_ptr(registry->hold));
	store_close(steal_ptr(registry->store));
	if (registry->folder != NULL)
		run_dir_remove_tree(registry->folder);
	free(steal_ptr(registry->folder));
}
