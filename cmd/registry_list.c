/* shipit registry list: which images the store has, and what room they take. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/registry.h"
#include "cmd/ui/columns.h"
#include "cmd/ui/json.h"

/* "app:1", or of one without a tag "app@sha256:0123456789ab" */
static void name_cell(struct columns *table, const struct store_image *image)
{
	enum { SHORT_DIGEST = sizeof("sha256:") - 1 + 12 };

	if (image->tag != NULL)
		columns_addf(table, HUE_PLAIN, "%s:%s", image->repository, image->tag);
	else
		columns_addf(
		    table, HUE_PLAIN, "%s@%.*s", image->repository, SHORT_DIGEST, image->digest);
}

static void bytes_cell(struct columns *table, uint64_t bytes)
{
	char text[TEXT_BYTES_SIZE];

	text_bytes(bytes, text);
	columns_add(table, HUE_PLAIN, text);
}

static void age_cell(struct columns *table, int64_t since_s)
{
	int64_t age = (int64_t)time(NULL) - since_s;
	char text[CLOCK_AGE_SIZE];

	clock_format_age(age > 0 ? age : 0, text);
	columns_add(table, HUE_PLAIN, since_s > 0 ? text : NULL);
}

static void row(struct columns *table, const struct store_image *image)
{
	name_cell(table, image);
	columns_add(table, HUE_PLAIN, image->platform);
	bytes_cell(table, image->size);
	bytes_cell(table, image->stored);
	bytes_cell(table, image->shared);
	age_cell(table, image->pushed_s);
	age_cell(table, image->used_s);
	columns_add(table, HUE_PLAIN, image->retained ? "yes" : NULL);
}

static void json_row(const struct cli *cli, const struct store_image *image)
{
	json_t *object = json_event("image");

	if (object == NULL)
		return;
	json_put(object, "repository", image->repository);
	json_put(object, "tag", image->tag);
	json_put(object, "digest", image->digest);
	json_put(object, "platform", image->platform);
	json_put_int(object, "size", (int64_t)image->size);
	json_put_int(object, "stored", (int64_t)image->stored);
	json_put_int(object, "shared", (int64_t)image->shared);
	json_put_int(object, "pushed", image->pushed_s);
	json_put_int(object, "used", image->used_s);
	json_object_set_new(object, "kept", json_boolean(image->retained));
	json_line(cli->out, object);
}

static void json_totals(const struct cli *cli, const struct store_images *images, const char *file)
{
	json_t *object = json_event("store");

	if (object == NULL)
		return;
	json_put(object, "file", file);
	json_put_int(object, "images", (int64_t)images->n);
	json_put_int(object, "bytes", (int64_t)images->file_bytes);
	json_put_int(object, "free", (int64_t)images->free_bytes);
	json_put_int(object, "unreferenced", (int64_t)images->unreferenced);
	json_line(cli->out, object);
}

/* "3 images in ~/.local/share/shipit/store.db: 120 MB, of which 4.0 MB are not in use" */
static void print_totals(const struct cli *cli, const struct store_images *images, const char *file)
{
	CLEANUP_FREE char *shown = text_cleaned(file);
	char n[REGISTRY_COUNT_SIZE], bytes[TEXT_BYTES_SIZE];

	registry_count(images->n, "image", n);
	text_bytes(images->file_bytes, bytes);
	fprintf(cli->out, "%s in %s: %s", n, shown != NULL ? shown : "", bytes);
	text_bytes(images->free_bytes, bytes);
	if (images->free_bytes > 0)
		fprintf(cli->out, ", of which %s are free", bytes);
	fputc('\n', cli->out);
	text_bytes(images->unreferenced, bytes);
	if (images->unreferenced > 0)
		fprintf(
		    cli->out, "%s belong to no image: `shipit registry gc` removes them\n", bytes);
}

static int show(
    struct cli *cli, const struct store_images *images, const char *file, struct error *err)
{
	static const char *const headings[] = {
	    "IMAGE", "PLATFORM", "SIZE", "STORED", "SHARED", "AGE", "USED", "KEPT", NULL};
	CLEANUP_COLUMNS struct columns table;

	columns_init(&table, headings);
	for (size_t i = 0; i < images->n; i++) {
		if (cli->settings.json)
			json_row(cli, &images->v[i]);
		else
			row(&table, &images->v[i]);
	}
	if (cli->settings.json) {
		json_totals(cli, images, file);
		return EXIT_OK;
	}
	if (images->n > 0 && columns_print(&table, cli->out, cli->color_out, 0) < 0)
		return error_memory(err);
	if (!cli->settings.quiet)
		print_totals(cli, images, file);
	return EXIT_OK;
}

int registry_list_run(struct cli *cli, struct error *err)
{
	struct store_images images = {0};
	struct store *store = NULL;
	int rc = registry_open(cli, &store, err);

	if (rc == 0 && store != NULL) {
		rc = store_list(store, &images, err);
		if (rc == 0)
			rc = show(cli, &images, store_file(store), err);
		store_images_release(&images);
	}
	store_close(store);
	return rc;
}
