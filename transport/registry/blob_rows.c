/* Rows of blobs and chunks. */
#include <libdeflate.h>

#include "transport/registry/blob_internal.h"

enum {
	TOUCH_EVERY_MS = 60 * 1000,
	TOUCH_WAIT_MS = 200, /* who reads does not wait for writers */
};

#define BLOB_COLUMNS "SELECT digest, size, diff_id, id FROM blobs "

static int take_row(struct connection *connection, const char *sql, const struct value *values,
    struct blob_info *ret, int64_t *ret_id, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, values, &rows, err);

	if (found <= 0)
		return found;
	if (ret != NULL) {
		store_column_digest(rows, 0, ret->digest);
		ret->size = (uint64_t)sqlite3_column_int64(rows, 1);
		store_column_digest(rows, 2, ret->diff_id);
	}
	if (ret_id != NULL)
		*ret_id = sqlite3_column_int64(rows, 3);
	return 1;
}

int blob_row(struct connection *connection, const unsigned char digest[DIGEST_RAW_SIZE],
    struct blob_info *ret, int64_t *ret_id, struct error *err)
{
	static const char sql[] = BLOB_COLUMNS "WHERE digest = ?1";

	return take_row(connection, sql, VALUES(V_DIGEST(digest)), ret, ret_id, err);
}

int layer_row(struct connection *connection, const unsigned char diff_id[DIGEST_RAW_SIZE],
    struct blob_info *ret, int64_t *ret_id, struct error *err)
{
	static const char sql[] = BLOB_COLUMNS "WHERE diff_id = ?1 AND recipe = ?2";

	return take_row(
	    connection, sql, VALUES(V_DIGEST(diff_id), V_INT(RECIPE_NOW)), ret, ret_id, err);
}

void blob_touch(struct connection *connection, int64_t blob)
{
	static const char look[] =
	    "SELECT 1 FROM blobs WHERE id = ?1 AND (used < ?2 OR used <= claimed)";
	static const char update[] = "UPDATE blobs SET used = ?2 WHERE id = ?1";
	int64_t now = store_now_ms(), old;

	if (sql_int(connection, look, VALUES(V_INT(blob), V_INT(now - TOUCH_EVERY_MS)), &old,
		NULL) <= 0)
		return;
	connection_patience(connection, TOUCH_WAIT_MS);
	sql_run(connection, update, VALUES(V_INT(blob), V_INT(now)), NULL);
	connection_patience(connection, STORE_BUSY_MS);
}

int store_blob_find(
    struct store *store, const char *digest, struct blob_info *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t id;
	int found;

	if (store_digest_raw(digest, raw, "blob", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL)
		return -1;
	found = blob_row(connection, raw, ret, &id, err);
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "blob %s is not in the store", digest);
	if (found > 0)
		blob_touch(connection, id);
	return found < 0 ? -1 : 0;
}

int store_layer_find(
    struct store *store, const char *diff_id, struct blob_info *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t id;
	int found;

	if (store_digest_raw(diff_id, raw, "layer", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL)
		return -1;
	found = layer_row(connection, raw, ret, &id, err);
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "layer %s is not in the store", diff_id);
	if (found > 0)
		blob_touch(connection, id);
	return found < 0 ? -1 : 0;
}

/* --- chunks */

int chunk_check(const char *path, int64_t chunk, const struct bytes *bytes, int64_t length,
    int64_t crc, struct error *err)
{
	if (bytes->data != NULL && bytes->len == length &&
	    (int64_t)libdeflate_crc32(0, bytes->data, (size_t)bytes->len) == crc)
		return 0;
	error_set(err, ERROR_PROTOCOL, "the image store %s is damaged: chunk %lld is %s", path,
	    (long long)chunk, bytes->data == NULL ? "missing" : "not what was written");
	return error_hint(err, "`shipit registry verify` says what; see its manual page");
}

int chunk_digest_add(const char *path, struct connection *connection, int64_t chunk, int64_t length,
    struct digest *digest, struct error *err)
{
	static const char sql[] = "SELECT data, crc FROM bytes WHERE chunk = ?1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, VALUES(V_INT(chunk)), &rows, err);
	struct bytes bytes = {0};

	if (found < 0 || (found > 0 && sql_bytes(rows, 0, &bytes, err) < 0))
		return -1;
	if (chunk_check(path, chunk, &bytes, length, found > 0 ? sqlite3_column_int64(rows, 1) : 0,
		err) < 0)
		return -1;
	return digest_add(digest, bytes.data, (size_t)bytes.len, err);
}
