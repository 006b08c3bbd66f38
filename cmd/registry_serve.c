/* shipit registry serve: a registry for whoever speaks the OCI distribution spec. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cmd/serve_address.h"
#include "cmd/registry.h"
#include "cmd/serve_log.h"
#include "cmd/signals.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"
#include "transport/registry/server.h"

static const char auth_variable[] = "SHIPIT_REGISTRY_AUTH";

struct serving {
	const struct cli *cli;
	struct serve_address address;
	struct serve_account account; /* user NULL: nobody is asked who it is */
	struct serve_log log;
	struct server *server;
};

/* --- what is said of requests, in the threads that served them */

enum { LINE_MAX_BYTES = 64 * 1024 };

static void request_words(struct buf *line, const struct server_request *request)
{
	char time_text[16] = "", bytes[TEXT_BYTES_SIZE];
	time_t now = time(NULL);
	struct tm tm = {0};

	localtime_r(&now, &tm);
	strftime(time_text, sizeof(time_text), "%H:%M:%S", &tm);
	text_bytes(request->sent + request->received, bytes);
	buf_addf(line, "%s ", time_text);
	text_clean(line, request->method, strlen(request->method), true);
	buf_addc(line, ' ');
	text_clean(line, request->path, strlen(request->path), true);
	buf_addf(line, " %u %s %" PRId64 " ms\n", request->status, bytes, request->ms);
}

static void request_json(struct buf *line, const struct server_request *request)
{
	json_t *object = json_event("request");
	char *text = NULL;

	if (object == NULL)
		return;
	json_put(object, "account", request->account);
	json_put(object, "method", request->method);
	json_put(object, "path", request->path);
	json_put_int(object, "status", request->status);
	json_put_int(object, "sent", (int64_t)request->sent);
	json_put_int(object, "received", (int64_t)request->received);
	json_put_int(object, "ms", request->ms);
	text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	if (text != NULL)
		buf_addf(line, "%s\n", text);
	free(text);
}

static void log_request(void *context, const struct server_request *request)
{
	struct serving *serving = context;
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);

	if (serving->cli->settings.json)
		request_json(&line, request);
	else
		request_words(&line, request);
	if (line.len > 0 && line.data[line.len - 1] == '\n')
		serve_log_add(&serving->log, line.data, line.len);
}

/* --- what is asked for */

static int read_account(struct serving *serving, struct error *err)
{
	const char *text = getenv(auth_variable);

	if (text == NULL || *text == '\0')
		return 0;
	return serve_account_parse(text, &serving->account, err);
}

static int check_reach(const struct serving *serving, struct error *err)
{
	if (serving->address.loopback)
		return 0;
	if (!serving->cli->settings.beyond_loopback) {
		error_set(err, ERROR_USAGE, "others than this machine can reach %s",
		    serving->address.host);
		return error_hint(err,
		    "if that is what you want, say --beyond-loopback, and set %s=USER:PASSWORD",
		    auth_variable);
	}
	if (serving->account.user == NULL) {
		error_set(err, ERROR_USAGE,
		    "others than this machine can reach %s, and nobody would be asked for a "
		    "password",
		    serving->address.host);
		return error_hint(err, "set %s=USER:PASSWORD in the environment", auth_variable);
	}
	return 0;
}

/* --- what is said of the whole */

static void json_serving(const struct cli *cli, const char *event, const char *address)
{
	json_t *object = json_event(event);

	if (object != NULL)
		json_put(object, "address", address);
	json_line(cli->out, object);
}

/* What a client calls us: engines take HTTP without TLS from "localhost". */
static void client_name(const struct serve_address *address, char out[256])
{
	char text[SERVE_ADDRESS_SIZE], machine[128] = "THIS-MACHINE";

	serve_address_format(address, text);
	if (strcmp(address->host, "127.0.0.1") == 0 || strcmp(address->host, "::1") == 0)
		snprintf(out, 256, "localhost:%u", (unsigned int)address->port);
	else if (address->any && gethostname(machine, sizeof(machine) - 1) == 0)
		snprintf(out, 256, "%s:%u", machine, (unsigned int)address->port);
	else
		snprintf(out, 256, "%s", text);
}

static void tell_begin(const struct serving *serving)
{
	const struct cli *cli = serving->cli;
	const char *address = server_address(serving->server);
	char name[256];

	if (cli->settings.json) {
		json_serving(cli, "serving", address);
		return;
	}
	fprintf(cli->out, "serving the images of this machine on %s\n", address);
	client_name(&serving->address, name);
	if (!cli->settings.quiet && serving->account.user != NULL)
		fprintf(cli->out, "to log in: docker login %s\n", name);
	if (!cli->settings.quiet)
		fprintf(
		    cli->out, "to push: docker tag app %s/app && docker push %s/app\n", name, name);
	if (!cli->settings.quiet && !serving->address.loopback)
		fputs("nothing is encrypted, the password neither: only for networks that you "
		      "trust\n",
		    cli->out);
	fflush(cli->out);
}

static void tell_end(struct serving *serving, int fd)
{
	const struct cli *cli = serving->cli;
	uint64_t lost = serve_log_lost(&serving->log);

	if (lost > 0)
		fprintf(cli->err,
		    "shipit: %" PRIu64 " lines were left out: they were not read in time\n", lost);
	if (!cli->settings.json && !cli->settings.quiet)
		serve_log_add(&serving->log, "stopped\n", strlen("stopped\n"));
	serve_log_flush(&serving->log, fd);
}

/* --- serving */

static int explain_start(const struct serving *serving, struct error *err)
{
	if (err->code == EADDRINUSE)
		error_hint(err,
		    "another program listens there (`ss -ltnp 'sport = :%u'` names it); "
		    "--listen %s:0 takes a free port",
		    (unsigned int)serving->address.port,
		    serving->address.v6 ? "[::1]" : "127.0.0.1");
	else if (err->code == EADDRNOTAVAIL)
		error_hint(err, "`ip address` lists the addresses of this machine");
	else if (err->code == EACCES)
		error_hint(err, "ports below 1024 are for root: take another one");
	return -1;
}

static int start(struct serving *serving, struct store *store, struct error *err)
{
	const struct settings *settings = &serving->cli->settings;
	const struct serve_account *account = &serving->account;
	char listen_text[SERVE_ADDRESS_SIZE];
	const struct server_options options = {
	    .store = store,
	    .listen = listen_text,
	    .accounts = account->user != NULL,
	    .log = settings->quiet ? NULL : log_request,
	    .context = serving,
	};
	int rc;

	serve_address_format(&serving->address, listen_text);
	/* Signals are the main thread's: those that are made here inherit the mask. */
	signals_block();
	rc = server_start(&options, &serving->server, err);
	signals_unblock();
	if (rc < 0)
		return explain_start(serving, err);
	if (account->user != NULL)
		return server_allow(
		    serving->server, account->user, account->password, NULL, true, err);
	return 0;
}

static int serve(struct serving *serving, struct store *store, struct error *err)
{
	const struct cli *cli = serving->cli;
	int fd = cli->settings.quiet ? -1 : fileno(cli->out), rc;

	rc = start(serving, store, err);
	if (rc == 0)
		rc = serve_address_parse(server_address(serving->server), &serving->address, err);
	if (rc == 0) {
		tell_begin(serving);
		rc = serve_log_run(&serving->log, fd, cli->cancel.fd, err);
	}
	server_stop(serving->server);
	if (rc == 0)
		tell_end(serving, fd);
	return rc;
}

static int prepare(struct serving *serving, struct error *err)
{
	const char *listen_text = serving->cli->settings.listen;

	if (serve_address_parse(
		listen_text != NULL ? listen_text : "127.0.0.1:5000", &serving->address, err) < 0 ||
	    read_account(serving, err) < 0)
		return -1;
	return check_reach(serving, err);
}

int registry_serve_run(struct cli *cli, struct error *err)
{
	struct serving serving = {.cli = cli};
	struct store *store = NULL;
	int rc = prepare(&serving, err);

	if (rc == 0)
		rc = store_open(NULL, &store, err);
	if (rc == 0 && (rc = serve_log_init(&serving.log, err)) == 0) {
		rc = serve(&serving, store, err);
		serve_log_release(&serving.log);
	}
	store_close(store);
	serve_account_release(&serving.account);
	return rc;
}
