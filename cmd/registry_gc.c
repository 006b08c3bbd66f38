/* shipit registry gc: what no image needs goes, and old images where all take too much. */
#include "base/text.h"
#include "cmd/registry.h"
#include "cmd/ui/color.h"
#include "cmd/ui/json.h"

static uint64_t limit_of(const struct cli *cli)
{
	return cli->settings.max_size > 0 ? cli->settings.max_size
					  : (uint64_t)STORE_LIMIT_GIB << 30;
}

static void json_result(const struct cli *cli, const struct store_gc_result *result)
{
	json_t *object;

	for (size_t i = 0; i < result->images.n; i++) {
		object = json_event("removed");
		if (object != NULL)
			json_put(object, "image", result->images.v[i]);
		json_line(cli->out, object);
	}
	object = json_event("gc");
	if (object == NULL)
		return;
	json_put_int(object, "tags", (int64_t)result->tags);
	json_put_int(object, "manifests", (int64_t)result->manifests);
	json_put_int(object, "blobs", (int64_t)result->blobs);
	json_put_int(object, "chunks", (int64_t)result->chunks);
	json_put_int(object, "bytes", (int64_t)result->bytes);
	json_object_set_new(object, "held", json_boolean(result->held));
	json_put_int(object, "limit", (int64_t)limit_of(cli));
	json_put_int(object, "over", (int64_t)result->over);
	json_line(cli->out, object);
}

static void print_freed(const struct cli *cli, const struct store_gc_result *result)
{
	char blobs[REGISTRY_COUNT_SIZE], chunks[REGISTRY_COUNT_SIZE], bytes[TEXT_BYTES_SIZE];

	registry_count(result->blobs, "blob", blobs);
	registry_count(result->chunks, "chunk", chunks);
	text_bytes(result->bytes, bytes);
	if (result->bytes == 0 && result->blobs == 0 && result->chunks == 0)
		fputs(result->tags > 0 ? "nothing was freed by that\n" : "nothing to free\n",
		    cli->out);
	else
		fprintf(cli->out, "freed %s: %s, %s\n", bytes, blobs, chunks);
}

static void print_result(const struct cli *cli, const struct store_gc_result *result)
{
	char over[TEXT_BYTES_SIZE], limit[TEXT_BYTES_SIZE];

	for (size_t i = 0; i < result->images.n; i++) {
		CLEANUP_FREE char *image = text_cleaned(result->images.v[i]);

		fprintf(cli->out, "removed %s\n", image != NULL ? image : "");
	}
	print_freed(cli, result);
	if (result->held)
		fputs("another shipit is at work with the images: what no image needs stayed, and "
		      "goes next time\n",
		    cli->out);
	text_bytes(result->over, over);
	text_bytes(limit_of(cli), limit);
	if (result->over > 0)
		fprintf(cli->out,
		    "%s more than %s: all that is left is kept for rollbacks, or in use\n", over,
		    limit);
}

static int collect(struct cli *cli, struct store *store, struct error *err)
{
	struct meter meter;
	struct store_gc_options options = {.limit = limit_of(cli),
	    .cancel_fd = cli->cancel.fd,
	    .progress = meter_show,
	    .context = &meter};
	struct store_gc_result result = {0};
	int rc;

	registry_meter(cli, &meter, "gc");
	rc = store_gc(store, &options, &result, err);
	meter_clear(&meter);
	if (rc == 0 && cli->settings.json)
		json_result(cli, &result);
	else if (rc == 0)
		print_result(cli, &result);
	store_gc_result_release(&result);
	return rc;
}

int registry_gc_run(struct cli *cli, struct error *err)
{
	struct store *store = NULL;
	int rc = registry_open(cli, &store, err);

	if (rc == 0 && store != NULL)
		rc = collect(cli, store, err);
	store_close(store);
	return rc;
}
