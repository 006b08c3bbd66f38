/* shipit registry verify: is every byte what it was? */
#include "base/text.h"
#include "cmd/complain.h"
#include "cmd/registry.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"

static void json_result(const struct cli *cli, const struct store_verify_result *result)
{
	json_t *object;

	for (size_t i = 0; i < result->wrong.n; i++) {
		object = json_event("damage");
		if (object != NULL)
			json_put(object, "error", result->wrong.v[i]);
		json_line(cli->out, object);
	}
	object = json_event("verify");
	if (object == NULL)
		return;
	json_put_int(object, "chunks", (int64_t)result->chunks);
	json_put_int(object, "blobs", (int64_t)result->blobs);
	json_put_int(object, "manifests", (int64_t)result->manifests);
	json_put_int(object, "bytes", (int64_t)result->bytes);
	json_put_int(object, "damaged", (int64_t)result->wrong.n);
	json_line(cli->out, object);
}

static void print_result(const struct cli *cli, const struct store_verify_result *result)
{
	char manifests[REGISTRY_COUNT_SIZE], blobs[REGISTRY_COUNT_SIZE],
	    chunks[REGISTRY_COUNT_SIZE], bytes[TEXT_BYTES_SIZE];

	registry_count(result->manifests, "manifest", manifests);
	registry_count(result->blobs, "blob", blobs);
	registry_count(result->chunks, "chunk", chunks);
	text_bytes(result->bytes, bytes);
	fprintf(cli->out, "looked at %s, %s, %s: %s; %s\n", manifests, blobs, chunks, bytes,
	    result->wrong.n == 0 ? "all is well" : "not all is well");
	fflush(cli->out);
	for (size_t i = 0; i < result->wrong.n; i++)
		complain_text(cli->err, cli->color_err, NULL, NULL, result->wrong.v[i], NULL);
}

/* A damaged chunk is found again by its digest and taken as it is, so images that are put into the
 * same file do not mend it. */
static int damaged(const struct store_verify_result *result, const char *file, struct error *err)
{
	CLEANUP_FREE char *shown = text_cleaned(file);
	char n[REGISTRY_COUNT_SIZE];

	registry_count(result->wrong.n, "problem", n);
	error_set(err, ERROR_FAILED, "%s in %s", n, shown != NULL ? shown : "the image store");
	return error_hint(err,
	    "move that file away, and those beside it whose names begin with its name; the next "
	    "deploy fills a new one, and what was pushed is to be pushed again");
}

static int verify(struct cli *cli, struct store *store, struct error *err)
{
	struct store_verify_result result = {0};
	struct meter meter;
	int rc;

	registry_meter(cli, &meter, "verify");
	rc = store_verify(store, cli->cancel.fd, meter_show, &meter, &result, err);
	meter_clear(&meter);
	if (rc < 0)
		return -1;
	if (cli->settings.json)
		json_result(cli, &result);
	else
		print_result(cli, &result);
	if (result.wrong.n > 0)
		rc = damaged(&result, store_file(store), err);
	store_verify_result_release(&result);
	return rc;
}

int registry_verify_run(struct cli *cli, struct error *err)
{
	struct store *store = NULL;
	int rc = registry_open(cli, &store, err);

	if (rc == 0 && store != NULL)
		rc = verify(cli, store, err);
	store_close(store);
	return rc;
}
