/* Giving a blob out. */
#include <string.h>

#include "transport/registry/blob_internal.h"

struct blob_reader {
	struct store *store;
	int64_t blob;
	uint64_t size;
	char digest[DIGEST_TEXT_SIZE];
	bool trusted;
	/* The piece that was only partly taken by the last call. */
	unsigned char *piece;
	uint64_t start;
	size_t len, room;
};

/* A read under way. */
struct reading {
	struct blob_reader *reader;
	uint64_t at; /* in the blob */
	unsigned char *data;
	size_t left;
};

int blob_open(struct store *store, const char *digest, struct blob_reader **ret,
    struct blob_info *ret_info, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];
	struct blob_reader *reader;
	struct blob_info info;
	int64_t id;
	int found;

	if (store_digest_raw(digest, raw, "blob", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL)
		return -1;
	found = blob_row(connection, raw, &info, &id, err);
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "blob %s is not in the store", digest);
	reader = found > 0 ? calloc(1, sizeof(*reader)) : NULL;
	if (reader == NULL)
		return found > 0 ? error_memory(err) : -1;
	reader->store = store;
	reader->blob = id;
	reader->size = info.size;
	memcpy(reader->digest, info.digest, sizeof(info.digest));
	if (ret_info != NULL)
		*ret_info = info;
	*ret = reader;
	return 0;
}

void blob_trust(struct blob_reader *reader)
{
	reader->trusted = true;
}

void blob_close(struct blob_reader *reader)
{
	if (reader == NULL)
		return;
	free(reader->piece);
	free(reader);
}

/* Of the piece that starts at `start` and is in memory: what is wanted of it. */
static void take(struct reading *reading, uint64_t start, const unsigned char *piece, size_t len)
{
	size_t skip = (size_t)(reading->at - start);
	size_t n = len - skip < reading->left ? len - skip : reading->left;

	memcpy(reading->data, piece + skip, n);
	reading->data += n;
	reading->at += n;
	reading->left -= n;
}

static int keep(struct blob_reader *reader, uint64_t start, const unsigned char *piece, size_t len,
    struct error *err)
{
	if (len > reader->room) {
		unsigned char *room = realloc(reader->piece, len);

		if (room == NULL)
			return error_memory(err);
		reader->piece = room;
		reader->room = len;
	}
	memcpy(reader->piece, piece, len);
	reader->start = start;
	reader->len = len;
	return 0;
}

struct row {
	uint64_t start, end;
	int64_t length, chunk;
};

static int row_of(const struct reading *reading, bool first, sqlite3_stmt *rows, struct row *ret,
    struct error *err)
{
	const struct blob_reader *reader = reading->reader;

	ret->start = (uint64_t)sqlite3_column_int64(rows, 0);
	ret->length = sqlite3_column_int64(rows, 1);
	ret->chunk = sqlite3_column_int64(rows, 2);
	ret->end = ret->start + (uint64_t)ret->length;
	if (ret->length > 0 && ret->end <= reader->size && ret->end > reading->at &&
	    (first ? ret->start <= reading->at : ret->start == reading->at))
		return 0;
	return error_set(err, ERROR_PROTOCOL,
	    "the image store %s is damaged: blob %s lacks a piece at byte %llu",
	    reader->store->path, reader->digest, (unsigned long long)reading->at);
}

static int take_row(
    struct reading *reading, const struct row *row, sqlite3_stmt *rows, struct error *err)
{
	struct blob_reader *reader = reading->reader;
	struct bytes bytes;

	if (sql_bytes(rows, 4, &bytes, err) < 0 ||
	    chunk_check(reader->store->path, row->chunk, &bytes, row->length,
		sqlite3_column_int64(rows, 3), err) < 0)
		return -1;
	take(reading, row->start, bytes.data, (size_t)bytes.len);
	return reading->at < row->end ? keep(reader, row->start, bytes.data, (size_t)bytes.len, err)
				      : 0;
}

/* Of what is trusted any part can be read, and from its pages into place. */
static int take_part(struct reading *reading, const struct row *row, sqlite3 *db,
    sqlite3_blob **blob, struct error *err)
{
	struct blob_reader *reader = reading->reader;
	size_t skip = (size_t)(reading->at - row->start), left = (size_t)row->length - skip;
	size_t n = left < reading->left ? left : reading->left;
	int rc = *blob != NULL
		     ? sqlite3_blob_reopen(*blob, row->chunk)
		     : sqlite3_blob_open(db, "main", "bytes", "data", row->chunk, 0, blob);

	/* SQLITE_ERROR: there is no such row. */
	if ((rc & 0xff) == SQLITE_ERROR ||
	    (rc == SQLITE_OK && sqlite3_blob_bytes(*blob) != row->length))
		return chunk_check(reader->store->path, row->chunk, &(struct bytes){0}, 0, 0, err);
	if (rc == SQLITE_OK)
		rc = sqlite3_blob_read(*blob, reading->data, (int)n, (int)skip);
	if (rc != SQLITE_OK)
		return store_error(reader->store->path, db, rc, err);
	reading->data += n;
	reading->at += n;
	reading->left -= n;
	return 0;
}

static void close_blob(sqlite3_blob **blob)
{
	sqlite3_blob_close(*blob);
}

/* There is no piece where one should be. */
static int nothing_there(
    const struct reading *reading, struct connection *connection, struct error *err)
{
	static const char sql[] = "SELECT 1 FROM blobs WHERE id = ?1";
	const struct blob_reader *reader = reading->reader;
	int64_t one;
	int found = sql_int(connection, sql, VALUES(V_INT(reader->blob)), &one, err);

	if (found < 0)
		return -1;
	if (found == 0)
		return error_set(
		    err, ERROR_NOT_FOUND, "blob %s was removed from the store", reader->digest);
	return error_set(err, ERROR_PROTOCOL,
	    "the image store %s is damaged: blob %s lacks a piece at byte %llu",
	    reader->store->path, reader->digest, (unsigned long long)reading->at);
}

static int read_pieces(struct reading *reading, struct error *err)
{
	static const char sql[] =
	    "SELECT start, length, p.chunk, crc, data FROM pieces p"
	    " LEFT JOIN bytes b ON b.chunk = p.chunk"
	    " WHERE blob = ?1 AND start >="
	    " (SELECT max(start) FROM pieces WHERE blob = ?1 AND start <= ?2) ORDER BY start";
	static const char trusted[] =
	    "SELECT start, length, chunk FROM pieces WHERE blob = ?1 AND start >="
	    " (SELECT max(start) FROM pieces WHERE blob = ?1 AND start <= ?2) ORDER BY start";
	struct blob_reader *reader = reading->reader;
	CLEANUP_CONNECTION struct connection *connection = connection_take(reader->store, err);
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	__attribute__((cleanup(close_blob))) sqlite3_blob *blob = NULL;
	bool first = true;
	struct row row;
	int found;

	if (connection == NULL)
		return -1;
	connection_read_much(connection, reading->left);
	found = sql_rows(connection, reader->trusted ? trusted : sql,
	    VALUES(V_INT(reader->blob), V_INT(reading->at)), &rows, err);
	while (found > 0) {
		if (row_of(reading, first, rows, &row, err) < 0 ||
		    (reader->trusted
			    ? take_part(reading, &row, connection_db(connection), &blob, err)
			    : take_row(reading, &row, rows, err)) < 0)
			return -1;
		first = false;
		if (reading->left == 0)
			return 0;
		found = sql_next(connection, rows, err);
	}
	return found == 0 && first ? nothing_there(reading, connection, err) : found;
}

ssize_t blob_read(
    struct blob_reader *reader, uint64_t offset, void *data, size_t len, struct error *err)
{
	struct reading reading = {.reader = reader, .at = offset, .data = data};

	if (offset >= reader->size || len == 0)
		return 0;
	reading.left = len < reader->size - offset ? len : (size_t)(reader->size - offset);
	if (offset >= reader->start && offset < reader->start + reader->len)
		take(&reading, reader->start, reader->piece, reader->len);
	if (reading.left > 0 && reading.at == offset && read_pieces(&reading, err) < 0)
		return -1;
	return (ssize_t)(reading.at - offset);
}
