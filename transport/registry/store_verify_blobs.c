#include <string.h>

#include "transport/registry/manifest.h"
#include "transport/registry/blob_internal.h"
#include "transport/registry/store_verify.h"

enum { PIECES_STEP = 64 };

struct looking {
	struct verify *verify;
	int64_t id;
	uint64_t size, at;
	char digest[DIGEST_TEXT_SIZE], diff_id[DIGEST_TEXT_SIZE];
	struct digest *packed, *unpacked;
	const char *fault; /* what is wrong, and then it is over */
};

static void looking_release(struct looking *looking)
{
	digest_free(looking->packed);
	digest_free(looking->unpacked);
}
#define CLEANUP_LOOKING __attribute__((cleanup(looking_release)))

/* --- blobs */

static int piece_look(struct looking *looking, sqlite3_stmt *rows, struct error *err)
{
	struct verify *verify = looking->verify;
	int64_t start = sqlite3_column_int64(rows, 0), length = sqlite3_column_int64(rows, 1);
	int64_t chunk = sqlite3_column_int64(rows, 2), size = sqlite3_column_int64(rows, 5);
	struct bytes bytes;

	if (sql_bytes(rows, 4, &bytes, err) < 0)
		return -1;
	if (start != (int64_t)looking->at)
		looking->fault = "lacks a piece";
	else if (chunk_check("", chunk, &bytes, length, sqlite3_column_int64(rows, 3), NULL) < 0)
		looking->fault = "has a chunk that is damaged";
	else if (looking->diff_id[0] != '\0' && verify_unpack(verify, &bytes, size) < 0)
		looking->fault = "has a chunk that cannot be unpacked";
	if (looking->fault != NULL)
		return 0;
	looking->at += (uint64_t)bytes.len;
	verify->result.bytes += (uint64_t)bytes.len;
	if (digest_add(looking->packed, bytes.data, (size_t)bytes.len, err) < 0)
		return -1;
	return looking->diff_id[0] == '\0'
		   ? 0
		   : digest_add(looking->unpacked, verify->space, (size_t)size, err);
}

static int pieces_step(struct looking *looking, struct error *err)
{
	static const char sql[] = "SELECT p.start, p.length, p.chunk, b.crc, b.data, c.size"
				  " FROM pieces p LEFT JOIN bytes b ON b.chunk = p.chunk"
				  " LEFT JOIN chunks c ON c.id = p.chunk"
				  " WHERE p.blob = ?1 AND p.start >= ?2 ORDER BY p.start LIMIT ?3";
	struct connection *connection = looking->verify->connection;
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql,
	    VALUES(V_INT(looking->id), V_INT(looking->at), V_INT(PIECES_STEP)), &rows, err);

	if (found == 0)
		looking->fault = "lacks a piece";
	while (found > 0 && looking->fault == NULL) {
		if (piece_look(looking, rows, err) < 0)
			return -1;
		found = sql_next(connection, rows, err);
	}
	return found < 0 ? -1 : 0;
}

static int is_digest(
    const struct digest *digest, const char *expected, bool *ret, struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	char text[DIGEST_TEXT_SIZE];

	if (digest_so_far(digest, raw, err) < 0)
		return -1;
	digest_text_of(raw, text);
	*ret = strcmp(text, expected) == 0;
	return 0;
}

static int blob_look(struct looking *looking, struct error *err)
{
	bool right;

	while (looking->at < looking->size && looking->fault == NULL)
		if (pieces_step(looking, err) < 0 || verify_go_on(looking->verify, err) < 0)
			return -1;
	if (looking->fault != NULL)
		return 0;
	if (looking->at != looking->size)
		looking->fault = "is longer than it should be";
	if (is_digest(looking->packed, looking->digest, &right, err) < 0)
		return -1;
	if (!right)
		looking->fault = "does not have that digest";
	if (looking->diff_id[0] == '\0')
		return 0;
	if (is_digest(looking->unpacked, looking->diff_id, &right, err) < 0)
		return -1;
	if (!right)
		looking->fault = "does not unpack to the layer that it should be";
	return 0;
}

/* Somebody may have removed it meanwhile. */
static int blob_report(const struct looking *looking, struct error *err)
{
	static const char sql[] = "SELECT 1 FROM blobs WHERE id = ?1";
	int64_t one;
	int found =
	    sql_int(looking->verify->connection, sql, VALUES(V_INT(looking->id)), &one, err);

	if (found <= 0)
		return found;
	return verify_wrong(looking->verify, err, "blob %s %s", looking->digest, looking->fault);
}

static int blob_find(struct looking *looking, int64_t after, struct error *err)
{
	static const char sql[] =
	    "SELECT id, size, digest, diff_id FROM blobs WHERE id > ?1 ORDER BY id LIMIT 1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(looking->verify->connection, sql, VALUES(V_INT(after)), &rows, err);

	if (found <= 0)
		return found;
	looking->id = sqlite3_column_int64(rows, 0);
	looking->size = (uint64_t)sqlite3_column_int64(rows, 1);
	store_column_digest(rows, 2, looking->digest);
	store_column_digest(rows, 3, looking->diff_id);
	return digest_new(&looking->packed, err) < 0 || digest_new(&looking->unpacked, err) < 0 ? -1
												: 1;
}

static int next_blob(struct verify *verify, int64_t *after, struct error *err)
{
	CLEANUP_LOOKING struct looking looking = {.verify = verify};
	int found = blob_find(&looking, *after, err);

	if (found <= 0)
		return found;
	*after = looking.id;
	verify->result.blobs++;
	if (blob_look(&looking, err) < 0)
		return -1;
	return looking.fault != NULL && blob_report(&looking, err) < 0 ? -1 : 1;
}

int verify_blobs(struct verify *verify, struct error *err)
{
	int64_t after = 0;
	int found;

	while ((found = next_blob(verify, &after, err)) > 0)
		;
	return found;
}

/* --- manifests */

struct manifest_row {
	int64_t id;
	char digest[DIGEST_TEXT_SIZE];
	struct manifest parsed;
	bool damaged;
};

static int take_row(sqlite3_stmt *rows, struct manifest_row *ret, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	unsigned char raw[DIGEST_RAW_SIZE];
	char now[DIGEST_TEXT_SIZE];
	struct bytes bytes;

	ret->id = sqlite3_column_int64(rows, 0);
	store_column_digest(rows, 1, ret->digest);
	if (sql_bytes(rows, 2, &bytes, err) < 0 ||
	    digest_raw(bytes.data, (size_t)bytes.len, raw, err) < 0)
		return -1;
	digest_text_of(raw, now);
	ret->damaged = strcmp(now, ret->digest) != 0 ||
		       manifest_parse(bytes.data, (size_t)bytes.len, NULL, &ret->parsed, &why) < 0;
	return why.kind == ERROR_MEMORY ? error_memory(err) : 1;
}

static int manifest_find(
    struct verify *verify, int64_t after, struct manifest_row *ret, struct error *err)
{
	static const char sql[] =
	    "SELECT id, digest, data FROM manifests WHERE id > ?1 ORDER BY id LIMIT 1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(verify->connection, sql, VALUES(V_INT(after)), &rows, err);

	return found > 0 ? take_row(rows, ret, err) : found;
}

/* That a blob is there and belongs to the manifest, so that gc leaves it. */
static int reference_look(struct verify *verify, const struct manifest_row *row,
    const struct descriptor *descriptor, struct error *err)
{
	static const char sql[] =
	    "SELECT EXISTS(SELECT 1 FROM blobs b JOIN manifest_blobs m ON m.blob = b.id"
	    "  WHERE b.digest = ?1 AND m.manifest = ?2)"
	    " OR NOT EXISTS(SELECT 1 FROM manifests WHERE id = ?2)";
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t there = 0;

	if (manifest_may_lack(descriptor) || digest_raw_of(descriptor->digest, raw) < 0)
		return 0;
	if (sql_int(verify->connection, sql, VALUES(V_DIGEST(raw), V_INT(row->id)), &there, err) <
	    0)
		return -1;
	if (there != 0)
		return 0;
	return verify_wrong(verify, err, "manifest %s refers to blob %s, which is not there",
	    row->digest, descriptor->digest);
}

static int manifest_look(struct verify *verify, const struct manifest_row *row, struct error *err)
{
	if (row->damaged)
		return verify_wrong(
		    verify, err, "manifest %s is not what was written", row->digest);
	if (row->parsed.is_index)
		return 0; /* parts of it may never have been there */
	if (reference_look(verify, row, &row->parsed.config, err) < 0)
		return -1;
	for (size_t i = 0; i < row->parsed.n; i++)
		if (reference_look(verify, row, &row->parsed.entries[i], err) < 0)
			return -1;
	return 0;
}

int verify_manifests(struct verify *verify, struct error *err)
{
	int64_t after = 0;
	int found = 1;

	while (found > 0) {
		struct manifest_row row = {0};

		found = manifest_find(verify, after, &row, err);
		if (found > 0) {
			after = row.id;
			verify->result.manifests++;
			if (manifest_look(verify, &row, err) < 0)
				found = -1;
		}
		if (row.parsed.json != NULL)
			manifest_release(&row.parsed);
	}
	return found;
}
