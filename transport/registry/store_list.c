/* What is in the store, and what it takes. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "transport/registry/manifest.h"
#include "transport/registry/blob_internal.h"

enum { CONFIG_MAX = 4 * 1024 * 1024 };

void store_images_release(struct store_images *images)
{
	for (size_t i = 0; i < images->n; i++) {
		free(images->v[i].repository);
		free(images->v[i].tag);
		free(images->v[i].platform);
	}
	free(images->v);
	*images = (struct store_images){0};
}

/* --- platforms */

static int add_platform(struct buf *out, const char *os, const char *arch, struct error *err)
{
	char both[64];

	if (*os == '\0' || *arch == '\0' || strcmp(os, "unknown") == 0)
		return 0;
	snprintf(both, sizeof(both), "%s/%s", os, arch);
	if (strstr(out->data, both) != NULL)
		return 0;
	return buf_addf(out, "%s%s", out->len > 0 ? "," : "", both) < 0
		   ? buf_error(out, err, "the list of platforms")
		   : 0;
}

/* What is no config of an image has no platform; that is no error. */
static int config_platform(
    struct store *store, const char *digest, struct buf *out, struct error *err)
{
	CLEANUP_IMAGE_CONFIG struct image_config config = {0};
	CLEANUP_ERROR struct error why = {0};
	CLEANUP_FREE char *data = NULL;
	struct blob_reader *reader;
	struct blob_info info;
	uint64_t got = 0;
	ssize_t n = 1;

	if (blob_open(store, digest, &reader, &info, &why) < 0)
		return why.kind == ERROR_MEMORY ? error_memory(err) : 0;
	if (info.size <= CONFIG_MAX)
		data = malloc((size_t)info.size + 1);
	while (data != NULL && n > 0 && got < info.size) {
		n = blob_read(reader, got, data + got, (size_t)(info.size - got), &why);
		got += n > 0 ? (uint64_t)n : 0;
	}
	blob_close(reader);
	if (info.size <= CONFIG_MAX && data == NULL)
		return error_memory(err);
	if (data == NULL || got < info.size ||
	    image_config_parse(data, (size_t)info.size, &config, &why) < 0)
		return 0;
	return add_platform(out, config.os, config.arch, err);
}

static int manifest_platform(
    struct store *store, const void *data, size_t len, struct buf *out, struct error *err)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};
	CLEANUP_ERROR struct error why = {0};

	if (manifest_parse(data, len, NULL, &manifest, &why) < 0)
		return why.kind == ERROR_MEMORY ? error_memory(err) : 0;
	if (!manifest.is_index)
		return config_platform(store, manifest.config.digest, out, err);
	for (size_t i = 0; i < manifest.n; i++)
		if (add_platform(out, manifest.entries[i].os, manifest.entries[i].arch, err) < 0)
			return -1;
	return 0;
}

static int read_platform(struct store *store, struct connection *connection, int64_t manifest,
    char **ret, struct error *err)
{
	static const char sql[] = "SELECT data FROM manifests WHERE id = ?1";
	CLEANUP_BUF struct buf out = BUF_INIT(4096);
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, VALUES(V_INT(manifest)), &rows, err);
	struct bytes bytes;

	if (found < 0 || (found > 0 && sql_bytes(rows, 0, &bytes, err) < 0))
		return -1;
	if (found > 0 && manifest_platform(store, bytes.data, (size_t)bytes.len, &out, err) < 0)
		return -1;
	*ret = buf_steal(&out);
	return *ret != NULL ? 0 : error_memory(err);
}

/* --- sizes */

#define TREE                                                                                       \
	"WITH RECURSIVE tree(id) AS (SELECT ?1 UNION"                                              \
	"  SELECT m.id FROM tree t JOIN children c ON c.manifest = t.id"                           \
	"  JOIN manifests m ON m.digest = c.digest),"                                              \
	" own(blob) AS MATERIALIZED (SELECT DISTINCT blob FROM manifest_blobs"                     \
	"  WHERE manifest IN (SELECT id FROM tree))"

static int read_sizes(
    struct connection *connection, int64_t manifest, struct store_image *ret, struct error *err)
{
	static const char logical[] =
	    TREE " SELECT sum(size) FROM blobs WHERE id IN (SELECT blob FROM own)";
	static const char stored[] =
	    TREE ", held(chunk, length) AS MATERIALIZED (SELECT DISTINCT chunk, length FROM pieces"
		 "  WHERE blob IN (SELECT blob FROM own))"
		 " SELECT sum(length), sum(CASE WHEN EXISTS("
		 "  SELECT 1 FROM pieces p JOIN manifest_blobs b ON b.blob = p.blob"
		 "  WHERE p.chunk = held.chunk AND b.manifest NOT IN (SELECT id FROM tree))"
		 "  THEN length ELSE 0 END) FROM held";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int64_t size = 0;

	if (sql_int(connection, logical, VALUES(V_INT(manifest)), &size, err) < 0)
		return -1;
	ret->size = (uint64_t)size;
	if (sql_rows(connection, stored, VALUES(V_INT(manifest)), &rows, err) < 0)
		return -1;
	ret->stored = (uint64_t)sqlite3_column_int64(rows, 0);
	ret->shared = (uint64_t)sqlite3_column_int64(rows, 1);
	return 0;
}

/* --- the list */

static int add_image(struct store_images *images, sqlite3_stmt *rows, struct error *err)
{
	struct store_image *v = reallocarray(images->v, images->n + 1, sizeof(*v)), *image;
	bool has_tag = sqlite3_column_type(rows, 1) != SQLITE_NULL;

	if (v == NULL)
		return error_memory(err);
	images->v = v;
	image = &v[images->n++];
	*image = (struct store_image){
	    .repository = sql_text(rows, 0),
	    .tag = has_tag ? sql_text(rows, 1) : NULL,
	    .pushed_s = sqlite3_column_int64(rows, 4) / 1000,
	    .used_s = sqlite3_column_int64(rows, 5) / 1000,
	    .retained = sqlite3_column_int(rows, 6) != 0,
	};
	store_column_digest(rows, 3, image->digest);
	return image->repository == NULL || (has_tag && image->tag == NULL) ? error_memory(err) : 0;
}

static int read_images(struct connection *connection, struct store_images *images,
    int64_t **ret_ids, struct error *err)
{
	static const char sql[] =
	    "WITH " STORE_IMAGES
	    " SELECT i.name, i.tag, i.manifest, m.digest, i.pushed, i.used, i.retained"
	    " FROM images i JOIN manifests m ON m.id = i.manifest"
	    " ORDER BY i.name, i.tag IS NULL, i.pushed DESC, i.tag, i.manifest";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, NULL, &rows, err);

	while (found > 0) {
		int64_t *ids = reallocarray(*ret_ids, images->n + 1, sizeof(*ids));

		if (ids == NULL)
			return error_memory(err);
		*ret_ids = ids;
		ids[images->n] = sqlite3_column_int64(rows, 2);
		if (add_image(images, rows, err) < 0)
			return -1;
		found = sql_next(connection, rows, err);
	}
	return found;
}

/* What several tags are is looked at once. */
static int fill_image(struct store *store, struct connection *connection,
    struct store_images *images, const int64_t *ids, size_t at, struct error *err)
{
	struct store_image *image = &images->v[at];

	for (size_t i = 0; i < at; i++)
		if (ids[i] == ids[at]) {
			const struct store_image *same = &images->v[i];

			image->size = same->size;
			image->stored = same->stored;
			image->shared = same->shared;
			image->platform = strdup(same->platform);
			return image->platform != NULL ? 0 : error_memory(err);
		}
	if (read_sizes(connection, ids[at], image, err) < 0)
		return -1;
	return read_platform(store, connection, ids[at], &image->platform, err);
}

static uint64_t file_size(const char *path, const char *suffix)
{
	CLEANUP_FREE char *whole = string_printf("%s%s", path, suffix);
	struct stat st;

	return whole != NULL && stat(whole, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int read_totals(struct store *store, struct connection *connection,
    struct store_images *images, struct error *err)
{
	static const char unreferenced[] =
	    "SELECT sum(stored) FROM chunks"
	    " WHERE NOT EXISTS(SELECT 1 FROM pieces WHERE chunk = chunks.id)";
	int64_t pages = 0, size = 0, bytes = 0;

	if (sql_int(connection, "PRAGMA freelist_count", NULL, &pages, err) < 0 ||
	    sql_int(connection, "PRAGMA page_size", NULL, &size, err) < 0 ||
	    sql_int(connection, unreferenced, NULL, &bytes, err) < 0)
		return -1;
	images->file_bytes = file_size(store->path, "") + file_size(store->path, "-wal");
	images->free_bytes = (uint64_t)(pages * size);
	images->unreferenced = (uint64_t)bytes;
	return 0;
}

int store_list(struct store *store, struct store_images *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	CLEANUP_FREE int64_t *ids = NULL;
	struct store_images images = {0};
	int rc = -1;

	if (connection != NULL)
		rc = read_images(connection, &images, &ids, err);
	for (size_t i = 0; rc == 0 && i < images.n; i++)
		rc = fill_image(store, connection, &images, ids, i, err);
	if (rc == 0)
		rc = read_totals(store, connection, &images, err);
	if (rc < 0) {
		store_images_release(&images);
		return -1;
	}
	*ret = images;
	return 0;
}
