/*
 * registry_driver: store, server and import as a program, for tests that need more of them than
 * `shipit registry` offers: accounts, imports without a deploy, a read-only server. $SHIPIT_STORE
 * names the store.
 *
 *	registry_driver serve [--listen ADDRESS:PORT] [--unix PATH] [--upstream HOST:PORT]
 *			      [--read-only] [--account USER:PASSWORD:r|rw:REPOSITORY]...
 *		prints where it listens, then serves until its standard input ends; REPOSITORY "*":
 *all registry_driver import NAME REPOSITORY:TAG an image of the local engine, oci:PATH or
 *docker-archive:PATH registry_driver gc [BYTES] registry_driver verify registry_driver list
 *
 * Exit 0: done; 1: an error, in words; verify: 3 when something is wrong.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "transport/engine.h"
#include "transport/registry/import.h"
#include "transport/registry/server.h"
#include "transport/registry/store.h"

enum { ACCOUNTS_MAX = 8 };

static int usage(void)
{
	fputs("usage: registry_driver serve|import|gc|verify|list ...\n", stderr);
	return 2;
}

static int complain(struct error *err)
{
	fprintf(stderr, "registry_driver: %s\n", error_text(err));
	if (err->hint)
		fprintf(stderr, "registry_driver: %s\n", err->hint);
	return 1;
}

/* --- serve */

static void log_request(void *context, const struct server_request *request)
{
	(void)context;
	fprintf(stderr, "%s %s %u sent=%" PRIu64 " received=%" PRIu64 " ms=%" PRId64 " by=%s\n",
	    request->method, request->path, request->status, request->sent, request->received,
	    request->ms, request->account ? request->account : "-");
}

/* USER:PASSWORD:r|rw:REPOSITORY */
static int allow(struct server *server, char *account, struct error *err)
{
	char *rest = account, *user = strsep(&rest, ":"), *password = strsep(&rest, ":");
	char *rights = strsep(&rest, ":");
	CLEANUP_STRV struct strv repositories = {0};
	bool all = rest && strcmp(rest, "*") == 0;

	if (!rest)
		return error_set(err, ERROR_USAGE, "--account USER:PASSWORD:r|rw:REPOSITORY");
	if (!all && strv_add(&repositories, rest) < 0)
		return error_memory(err);
	return server_allow(
	    server, user, password, all ? NULL : &repositories, strcmp(rights, "rw") == 0, err);
}

static int serve_until_eof(
    const struct server_options *options, char **accounts, size_t n, struct error *err)
{
	struct server *server = NULL;
	char byte;
	int rc = server_start(options, &server, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = allow(server, accounts[i], err);
	if (rc == 0) {
		printf("%s\n", server_address(server));
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
	}
	server_stop(server);
	return rc;
}

static int serve(struct store *store, char **argv, struct error *err)
{
	struct server_options options = {.store = store, .log = log_request};
	char *accounts[ACCOUNTS_MAX];
	size_t n = 0;

	for (; *argv; argv++) {
		if (strcmp(*argv, "--read-only") == 0)
			options.read_only = true;
		else if (!argv[1])
			return error_set(err, ERROR_USAGE, "%s?", *argv);
		else if (strcmp(*argv, "--listen") == 0)
			options.listen = *++argv;
		else if (strcmp(*argv, "--unix") == 0)
			options.unix_path = *++argv;
		else if (strcmp(*argv, "--upstream") == 0)
			options.upstream = *++argv, options.store = NULL;
		else if (strcmp(*argv, "--account") == 0 && n < ACCOUNTS_MAX)
			accounts[n++] = *++argv;
		else
			return error_set(err, ERROR_USAGE, "%s?", *argv);
	}
	if (!options.listen && !options.unix_path)
		options.listen = "127.0.0.1:0";
	options.accounts = n > 0;
	return serve_until_eof(&options, accounts, n, err);
}

/* --- import */

static int import_from_engine(
    const struct import_target *target, const char *name, struct imported *ret, struct error *err)
{
	struct engine *engine = NULL;
	CLEANUP_FREE char *address = NULL;
	int rc = engine_local_address(&address, err);

	if (rc == 0)
		rc = engine_open(address, "the local engine", -1, &engine, err);
	if (rc == 0)
		rc = import_engine(target, engine, name, ret, err);
	engine_close(engine);
	return rc;
}

static int import(struct store *store, char **argv, struct error *err)
{
	struct imported got = {0};
	struct import_target target = {.store = store, .cancel_fd = -1};
	char *tag = argv[0] && argv[1] ? strrchr(argv[1], ':') : NULL;
	int rc;

	if (!tag)
		return error_set(err, ERROR_USAGE, "import NAME REPOSITORY:TAG");
	*tag++ = '\0';
	target.repository = argv[1];
	target.tag = tag;
	rc = import_is_file(argv[0]) ? import_file(&target, argv[0], &got, err)
				     : import_from_engine(&target, argv[0], &got, err);
	for (size_t i = 0; rc == 0 && i < got.n; i++)
		printf("%s %s %s/%s %" PRIu64 "%s\n", got.images[i].manifest, got.images[i].config,
		    got.images[i].os, got.images[i].arch, got.images[i].bytes,
		    got.known ? " known" : "");
	imported_release(&got);
	return rc;
}

/* --- care */

static int gc(struct store *store, char **argv, struct error *err)
{
	struct store_gc_options options = {.cancel_fd = -1};
	struct store_gc_result result = {0};
	int rc;

	if (argv[0])
		options.limit = strtoull(argv[0], NULL, 10);
	rc = store_gc(store, &options, &result, err);
	if (rc == 0)
		printf("tags %zu manifests %zu blobs %zu chunks %zu bytes %" PRIu64 "%s\n",
		    result.tags, result.manifests, result.blobs, result.chunks, result.bytes,
		    result.held ? " held" : "");
	store_gc_result_release(&result);
	return rc;
}

static int verify(struct store *store, struct error *err)
{
	struct store_verify_result result = {0};
	int rc = store_verify(store, -1, NULL, NULL, &result, err);

	for (size_t i = 0; rc == 0 && i < result.wrong.n; i++)
		printf("wrong: %s\n", result.wrong.v[i]);
	if (rc == 0)
		printf("chunks %" PRIu64 " blobs %" PRIu64 " manifests %" PRIu64 "\n",
		    result.chunks, result.blobs, result.manifests);
	if (rc == 0 && result.wrong.n > 0)
		rc = 3;
	store_verify_result_release(&result);
	return rc;
}

static int list(struct store *store, struct error *err)
{
	struct store_images images = {0};
	int rc = store_list(store, &images, err);

	for (size_t i = 0; rc == 0 && i < images.n; i++)
		printf("%s:%s %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", images.v[i].repository,
		    images.v[i].tag ? images.v[i].tag : "", images.v[i].digest,
		    images.v[i].platform ? images.v[i].platform : "-", images.v[i].size,
		    images.v[i].stored, images.v[i].shared);
	if (rc == 0)
		printf("file %" PRIu64 " free %" PRIu64 " unreferenced %" PRIu64 "\n",
		    images.file_bytes, images.free_bytes, images.unreferenced);
	store_images_release(&images);
	return rc;
}

static int run(char **argv, struct error *err)
{
	struct store *store = NULL;
	int rc = store_open(NULL, &store, err);

	if (rc == 0 && strcmp(argv[0], "serve") == 0)
		rc = serve(store, argv + 1, err);
	else if (rc == 0 && strcmp(argv[0], "import") == 0)
		rc = import(store, argv + 1, err);
	else if (rc == 0 && strcmp(argv[0], "gc") == 0)
		rc = gc(store, argv + 1, err);
	else if (rc == 0 && strcmp(argv[0], "verify") == 0)
		rc = verify(store, err);
	else if (rc == 0 && strcmp(argv[0], "list") == 0)
		rc = list(store, err);
	else if (rc == 0)
		rc = error_set(err, ERROR_USAGE, "there is no command %s", argv[0]);
	store_close(store);
	return rc;
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error err = {0};
	int rc;

	if (argc < 2)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	rc = run(argv + 1, &err);
	return rc < 0 ? complain(&err) : rc;
}
