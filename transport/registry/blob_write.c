/* Taking a blob in. */
#include <string.h>

#include "transport/registry/blob_internal.h"

static void writer_free(struct blob_writer *writer)
{
	chunks_release(writer);
	digest_free(writer->digest);
	store_release(writer->hold);
	free(writer);
}

int blob_begin(
    struct store *store, enum blob_form form, struct blob_writer **ret, struct error *err)
{
	struct blob_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return error_memory(err);
	writer->store = store;
	writer->form = form;
	writer->recipe = form == BLOB_LAYER ? RECIPE_NOW : RECIPE_AS_IS;
	writer->chunk = malloc(CUT_MAX);
	if (writer->chunk == NULL)
		error_memory(err);
	if (writer->chunk == NULL || digest_new(&writer->digest, err) < 0 ||
	    store_hold(store, &writer->hold, err) < 0) {
		writer_free(writer);
		return -1;
	}
	*ret = writer;
	return 0;
}

void blob_expect(struct blob_writer *writer, uint64_t total)
{
	writer->expected = total;
}

uint64_t blob_written(const struct blob_writer *writer)
{
	return writer->written;
}

void blob_abandon(struct blob_writer *writer)
{
	if (writer != NULL)
		writer_free(writer);
}

/* --- bytes */

static size_t piece_feed(size_t have, size_t len, bool *ret_cut)
{
	size_t room = PIECE_SIZE - have;

	*ret_cut = len >= room;
	return *ret_cut ? room : len;
}

static int take(struct blob_writer *writer, struct connection *connection,
    const unsigned char *data, size_t len, struct error *err)
{
	while (len > 0) {
		bool cut;
		size_t n = writer->form == BLOB_LAYER
			       ? cutter_feed(&writer->cutter, data, len, &cut)
			       : piece_feed(writer->chunk_len, len, &cut);

		memcpy(writer->chunk + writer->chunk_len, data, n);
		writer->chunk_len += n;
		data += n;
		len -= n;
		if (cut && chunks_add(writer, connection, err) < 0)
			return -1;
	}
	return 0;
}

/* On a full disk: what is known to be missing at least, or at most, of what is still to come. */
static int writer_failed(struct blob_writer *writer, struct error *err)
{
	uint64_t waiting = writer->line != NULL ? chunk_line_waiting(writer->line) : 0;
	uint64_t to_come =
	    writer->expected > writer->written ? writer->expected - writer->written : 0;

	writer->failed = true;
	if (!store_is_full(err))
		return -1;
	return store_full(writer->store->path, waiting + to_come, writer->expected > 0, err);
}

int blob_write(struct blob_writer *writer, const void *data, size_t len, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;

	if (writer->failed)
		return error_set(err, ERROR_FAILED, "writing the blob failed before");
	connection = connection_take(writer->store, err);
	writer->written += len;
	if (connection == NULL || digest_add(writer->digest, data, len, err) < 0 ||
	    take(writer, connection, data, len, err) < 0)
		return writer_failed(writer, err);
	return 0;
}

/* --- the end */

static int check_expected(const unsigned char raw[DIGEST_RAW_SIZE], const char *expected,
    const char *what, struct error *err)
{
	char text[DIGEST_TEXT_SIZE];

	digest_text_of(raw, text);
	if (expected == NULL || strcmp(text, expected) == 0)
		return 0;
	return error_set(
	    err, ERROR_PROTOCOL, "the %s should have been %s and is %s", what, expected, text);
}

static int pieces_insert(const struct blob_writer *writer, struct connection *connection,
    int64_t blob, struct error *err)
{
	static const char sql[] =
	    "INSERT INTO pieces(blob, start, length, chunk) VALUES(?1, ?2, ?3, ?4)";
	int64_t start = 0;

	for (size_t i = 0; i < writer->n; i++) {
		const struct piece *piece = &writer->pieces[i];

		if (sql_run(connection, sql,
			VALUES(
			    V_INT(blob), V_INT(start), V_INT(piece->length), V_INT(piece->chunk)),
			err) < 0)
			return -1;
		start += piece->length;
	}
	return 0;
}

static int64_t pieces_size(const struct blob_writer *writer)
{
	int64_t size = 0;

	for (size_t i = 0; i < writer->n; i++)
		size += writer->pieces[i].length;
	return size;
}

static int blob_insert(const struct blob_writer *writer, struct connection *connection,
    const unsigned char digest[DIGEST_RAW_SIZE], const unsigned char *diff_id, struct error *err)
{
	static const char sql[] = "INSERT INTO blobs(digest, size, recipe, diff_id, used)"
				  " VALUES(?1, ?2, ?3, ?4, ?5)";

	if (sql_run(connection, sql,
		VALUES(V_DIGEST(digest), V_INT(pieces_size(writer)), V_INT(writer->recipe),
		    V_DIGEST(diff_id), V_INT(store_now_ms())),
		err) < 0)
		return -1;
	return pieces_insert(writer, connection, sql_last_id(connection), err);
}

/* The same bytes came as they are before: from now on they are known as the layer, too, and are in
 * the layer's pieces. */
static int blob_become_layer(const struct blob_writer *writer, struct connection *connection,
    int64_t blob, const unsigned char *diff_id, struct error *err)
{
	static const char update[] =
	    "UPDATE blobs SET recipe = ?2, diff_id = ?3, used = ?4 WHERE id = ?1";
	static const char forget[] = "DELETE FROM pieces WHERE blob = ?1";

	if (sql_run(connection, update,
		VALUES(
		    V_INT(blob), V_INT(writer->recipe), V_DIGEST(diff_id), V_INT(store_now_ms())),
		err) < 0 ||
	    sql_run(connection, forget, VALUES(V_INT(blob)), err) < 0)
		return -1;
	return pieces_insert(writer, connection, blob, err);
}

static int publish_rows(struct blob_writer *writer, struct connection *connection,
    const unsigned char digest[DIGEST_RAW_SIZE], const unsigned char *diff_id,
    struct blob_info *ret, struct error *err)
{
	int64_t id;
	int found = blob_row(connection, digest, ret, &id, err);

	if (found < 0)
		return -1;
	if (found > 0 && (diff_id == NULL || ret->diff_id[0] != '\0'))
		return 0;
	if ((found > 0 ? blob_become_layer(writer, connection, id, diff_id, err)
		       : blob_insert(writer, connection, digest, diff_id, err)) < 0)
		return -1;
	return blob_row(connection, digest, ret, NULL, err) < 0 ? -1 : 0;
}

/* All that makes it a blob, unless it was one already. */
static int publish(struct blob_writer *writer, struct connection *connection,
    const unsigned char digest[DIGEST_RAW_SIZE], const unsigned char *diff_id,
    struct blob_info *ret, struct error *err)
{
	int found = 0, rc;

	if (transaction_begin(connection, err) < 0)
		return -1;
	if (diff_id != NULL)
		found = layer_row(connection, diff_id, ret, NULL, err);
	rc = found < 0 ? -1 : 0;
	if (found == 0)
		rc = publish_rows(writer, connection, digest, diff_id, ret, err);
	return transaction_end(connection, rc, err);
}

static int commit_layer(struct blob_writer *writer, struct connection *connection,
    const char *expected, struct blob_info *ret, struct error *err)
{
	unsigned char diff_id[DIGEST_RAW_SIZE], digest[DIGEST_RAW_SIZE];
	int64_t id;
	int found;

	if (digest_so_far(writer->digest, diff_id, err) < 0 ||
	    check_expected(diff_id, expected, "layer", err) < 0)
		return -1;
	found = layer_row(connection, diff_id, ret, &id, err);
	if (found > 0)
		blob_touch(connection, id);
	if (found != 0)
		return found < 0 ? -1 : 0;
	if (chunks_digest(writer, connection, err) < 0 ||
	    digest_so_far(writer->packed, digest, err) < 0)
		return -1;
	return publish(writer, connection, digest, diff_id, ret, err);
}

static int commit_as_is(struct blob_writer *writer, struct connection *connection,
    const char *expected, struct blob_info *ret, struct error *err)
{
	unsigned char digest[DIGEST_RAW_SIZE];
	int64_t id;
	int found;

	if (digest_so_far(writer->digest, digest, err) < 0 ||
	    check_expected(digest, expected, "blob's digest", err) < 0)
		return -1;
	found = blob_row(connection, digest, ret, &id, err);
	if (found > 0)
		blob_touch(connection, id);
	if (found != 0)
		return found < 0 ? -1 : 0;
	return publish(writer, connection, digest, NULL, ret, err);
}

/* The last chunk; an empty layer has one too, as an empty file is no gzip file. */
static int finish(struct blob_writer *writer, struct connection *connection, struct error *err)
{
	bool empty_layer = writer->form == BLOB_LAYER && writer->written == 0;

	if ((writer->chunk_len > 0 || empty_layer) && chunks_add(writer, connection, err) < 0)
		return -1;
	return chunks_finish(writer, connection, err);
}

int blob_commit(
    struct blob_writer *writer, const char *expected, struct blob_info *ret, struct error *err)
{
	struct connection *connection = NULL;
	struct blob_info info = {0};
	int rc = -1;

	if (writer->failed)
		error_set(err, ERROR_FAILED, "writing the blob failed before");
	else
		connection = connection_take(writer->store, err);
	if (connection != NULL)
		rc = finish(writer, connection, err);
	if (rc == 0)
		rc = writer->form == BLOB_LAYER
			 ? commit_layer(writer, connection, expected, &info, err)
			 : commit_as_is(writer, connection, expected, &info, err);
	if (rc < 0 && connection != NULL)
		writer_failed(writer, err);
	connection_give(connection);
	writer_free(writer);
	if (rc == 0 && ret != NULL)
		*ret = info;
	return rc;
}
