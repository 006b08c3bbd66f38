/* Manifests and indexes: in, out, and what they refer to. */
#include <string.h>

#include "transport/registry/manifest.h"
#include "transport/registry/blob_internal.h"

enum { TOUCH_EVERY_MS = 60 * 1000, TOUCH_WAIT_MS = 200 };

void stored_manifest_release(struct stored_manifest *manifest)
{
	free(manifest->media_type);
	free(manifest->data);
	*manifest = (struct stored_manifest){0};
}

int manifest_id(struct connection *connection, int64_t repository, const char *reference,
    int64_t *ret, struct error *err)
{
	static const char by_tag[] =
	    "SELECT manifest FROM tags WHERE repository = ?1 AND name = ?2";
	static const char by_digest[] =
	    "SELECT m.id FROM manifests m JOIN entries e ON e.manifest = m.id"
	    " WHERE m.digest = ?2 AND e.repository = ?1";
	unsigned char raw[DIGEST_RAW_SIZE];

	if (digest_raw_of(reference, raw) < 0)
		return sql_int(
		    connection, by_tag, VALUES(V_INT(repository), V_TEXT(reference)), ret, err);
	return sql_int(connection, by_digest, VALUES(V_INT(repository), V_DIGEST(raw)), ret, err);
}

int entry_put(
    struct connection *connection, int64_t repository, int64_t manifest, struct error *err)
{
	static const char sql[] =
	    "INSERT INTO entries(repository, manifest, pushed, used) VALUES(?1, ?2, ?3, ?3)"
	    " ON CONFLICT DO UPDATE SET pushed = ?3, used = ?3";

	return sql_run(connection, sql,
	    VALUES(V_INT(repository), V_INT(manifest), V_INT(store_now_ms())), err);
}

int tag_put(struct connection *connection, int64_t repository, const char *tag, int64_t manifest,
    struct error *err)
{
	static const char sql[] =
	    "INSERT INTO tags(repository, name, manifest, pushed, used) VALUES(?1, ?2, ?3, ?4, ?4)"
	    " ON CONFLICT DO UPDATE SET manifest = ?3, pushed = ?4, used = ?4";

	return sql_run(connection, sql,
	    VALUES(V_INT(repository), V_TEXT(tag), V_INT(manifest), V_INT(store_now_ms())), err);
}

int entry_remove(
    struct connection *connection, int64_t repository, int64_t manifest, struct error *err)
{
	static const char leave[] = "DELETE FROM entries WHERE repository = ?1 AND manifest = ?2";
	static const char forget[] = "DELETE FROM manifests WHERE id = ?1"
				     " AND NOT EXISTS(SELECT 1 FROM entries WHERE manifest = ?1)";

	if (sql_run(connection, leave, VALUES(V_INT(repository), V_INT(manifest)), err) < 0)
		return -1;
	return sql_run(connection, forget, VALUES(V_INT(manifest)), err);
}

/* --- putting */

struct putting {
	struct connection *connection;
	const char *repository_name;
	int64_t repository, manifest;
	bool sparse;
};

/* Layers that may not be passed on, and come from elsewhere (image-spec, layer.md). */
bool manifest_may_lack(const struct descriptor *descriptor)
{
	return strstr(descriptor->media_type, ".nondistributable.") != NULL ||
	       strstr(descriptor->media_type, ".foreign.") != NULL;
}

static int put_blob(
    const struct putting *putting, const struct descriptor *descriptor, struct error *err)
{
	static const char insert[] =
	    "INSERT OR IGNORE INTO manifest_blobs(manifest, blob) VALUES(?1, ?2)";
	static const char claim[] = "UPDATE blobs SET claimed = ?2 WHERE id = ?1";
	unsigned char raw[DIGEST_RAW_SIZE];
	struct blob_info info;
	int64_t blob;
	int found;

	if (store_digest_raw(descriptor->digest, raw, "blob", err) < 0)
		return -1;
	found = repository_blob(putting->connection, putting->repository, raw, &info, &blob, err);
	if (found == 0 && manifest_may_lack(descriptor))
		return 0;
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "blob %s is not in repository %s",
		    descriptor->digest, putting->repository_name);
	if (found > 0 && info.size != descriptor->size)
		return error_set(err, ERROR_PROTOCOL,
		    "the manifest says that blob %s has %llu bytes, it has %llu",
		    descriptor->digest, (unsigned long long)descriptor->size,
		    (unsigned long long)info.size);
	if (found < 0 || sql_run(putting->connection, insert,
			     VALUES(V_INT(putting->manifest), V_INT(blob)), err) < 0)
		return -1;
	return sql_run(putting->connection, claim, VALUES(V_INT(blob), V_INT(store_now_ms())), err);
}

static int put_child(
    const struct putting *putting, const struct descriptor *descriptor, struct error *err)
{
	static const char insert[] =
	    "INSERT OR IGNORE INTO children(manifest, digest) VALUES(?1, ?2)";
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t child;
	int found;

	if (store_digest_raw(descriptor->digest, raw, "manifest", err) < 0)
		return -1;
	found =
	    manifest_id(putting->connection, putting->repository, descriptor->digest, &child, err);
	if (found == 0 && !putting->sparse)
		return error_set(err, ERROR_NOT_FOUND, "manifest %s is not in repository %s",
		    descriptor->digest, putting->repository_name);
	if (found < 0)
		return -1;
	return sql_run(
	    putting->connection, insert, VALUES(V_INT(putting->manifest), V_DIGEST(raw)), err);
}

static int put_references(
    const struct putting *putting, const struct manifest *manifest, struct error *err)
{
	if (!manifest->is_index && put_blob(putting, &manifest->config, err) < 0)
		return -1;
	for (size_t i = 0; i < manifest->n; i++)
		if ((manifest->is_index ? put_child : put_blob)(
			putting, &manifest->entries[i], err) < 0)
			return -1;
	return 0;
}

/* A digest that may be "": bytes, or NULL. */
static const void *optional_raw(const char *digest, unsigned char raw[DIGEST_RAW_SIZE])
{
	return digest_raw_of(digest, raw) == 0 ? raw : NULL;
}

/* The manifest's own row; there may be one from another repository. */
static int put_row(struct connection *connection, const unsigned char digest[DIGEST_RAW_SIZE],
    const struct manifest *manifest, const void *data, size_t len, int64_t *ret, struct error *err)
{
	static const char find[] = "SELECT id FROM manifests WHERE digest = ?1";
	static const char insert[] =
	    "INSERT INTO manifests(digest, media_type, is_index, config, subject, data)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
	unsigned char config[DIGEST_RAW_SIZE], subject[DIGEST_RAW_SIZE];
	int found = sql_int(connection, find, VALUES(V_DIGEST(digest)), ret, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	if (sql_run(connection, insert,
		VALUES(V_DIGEST(digest), V_TEXT(manifest->media_type), V_INT(manifest->is_index),
		    V_DIGEST(optional_raw(manifest->config.digest, config)),
		    V_DIGEST(optional_raw(manifest->subject.digest, subject)), V_BYTES(data, len)),
		err) < 0)
		return -1;
	*ret = sql_last_id(connection);
	return 0;
}

static int put_all(struct putting *putting, const char *tag, const unsigned char *digest,
    const struct manifest *manifest, const void *data, size_t len, struct error *err)
{
	struct connection *connection = putting->connection;

	if (repository_id(connection, putting->repository_name, true, &putting->repository, err) <
		0 ||
	    put_row(connection, digest, manifest, data, len, &putting->manifest, err) < 0 ||
	    put_references(putting, manifest, err) < 0 ||
	    entry_put(connection, putting->repository, putting->manifest, err) < 0)
		return -1;
	return tag == NULL ? 0
			   : tag_put(connection, putting->repository, tag, putting->manifest, err);
}

int store_manifest_put(struct store *store, const char *repository, const char *tag,
    const char *media_type, const void *data, size_t len, bool sparse,
    char ret_digest[DIGEST_TEXT_SIZE], struct error *err)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char digest[DIGEST_RAW_SIZE];
	struct putting putting = {.repository_name = repository, .sparse = sparse};

	if (manifest_parse(data, len, media_type, &manifest, err) < 0 ||
	    digest_raw(data, len, digest, err) < 0 ||
	    (connection = connection_take(store, err)) == NULL ||
	    transaction_begin(connection, err) < 0)
		return -1;
	putting.connection = connection;
	if (transaction_end(
		connection, put_all(&putting, tag, digest, &manifest, data, len, err), err) < 0)
		return -1;
	if (ret_digest != NULL)
		digest_text_of(digest, ret_digest);
	return 0;
}

/* --- getting */

/* Who asked for an image keeps it from going first. */
static void touch(
    struct connection *connection, int64_t repository, int64_t manifest, const char *reference)
{
	static const char look[] = "SELECT 1 FROM entries WHERE repository = ?1 AND manifest = ?2"
				   " AND (used < ?3 OR used <= pushed)";
	static const char entry[] =
	    "UPDATE entries SET used = ?3 WHERE repository = ?1 AND manifest = ?2";
	static const char tag[] = "UPDATE tags SET used = ?3 WHERE repository = ?1 AND name = ?2";
	int64_t now = store_now_ms(), old;

	if (sql_int(connection, look,
		VALUES(V_INT(repository), V_INT(manifest), V_INT(now - TOUCH_EVERY_MS)), &old,
		NULL) <= 0)
		return;
	connection_patience(connection, TOUCH_WAIT_MS);
	sql_run(connection, entry, VALUES(V_INT(repository), V_INT(manifest), V_INT(now)), NULL);
	sql_run(connection, tag, VALUES(V_INT(repository), V_TEXT(reference), V_INT(now)), NULL);
	connection_patience(connection, STORE_BUSY_MS);
}

static int take_manifest(sqlite3_stmt *rows, struct stored_manifest *ret, struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	char now[DIGEST_TEXT_SIZE];
	struct bytes bytes;

	store_column_digest(rows, 0, ret->digest);
	if (sql_bytes(rows, 2, &bytes, err) < 0 ||
	    digest_raw(bytes.data, (size_t)bytes.len, raw, err) < 0)
		return -1;
	digest_text_of(raw, now);
	if (strcmp(now, ret->digest) != 0)
		return error_set(err, ERROR_PROTOCOL,
		    "the image store is damaged: manifest %s is not what was written", ret->digest);
	ret->media_type = sql_text(rows, 1);
	ret->len = (size_t)bytes.len;
	ret->data = malloc(ret->len + 1);
	if (ret->media_type == NULL || ret->data == NULL)
		return error_memory(err);
	memcpy(ret->data, bytes.data, ret->len);
	ret->data[ret->len] = '\0';
	return 0;
}

static int read_manifest(
    struct connection *connection, int64_t id, struct stored_manifest *ret, struct error *err)
{
	static const char sql[] = "SELECT digest, media_type, data FROM manifests WHERE id = ?1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	struct stored_manifest manifest = {0};
	int found = sql_rows(connection, sql, VALUES(V_INT(id)), &rows, err);

	if (found <= 0)
		return found;
	if (take_manifest(rows, &manifest, err) < 0) {
		stored_manifest_release(&manifest);
		return -1;
	}
	*ret = manifest;
	return 1;
}

static int no_manifest(const char *repository, const char *reference, struct error *err)
{
	return error_set(err, ERROR_NOT_FOUND, "%s%s%s is not in the store", repository,
	    digest_is_text(reference) ? "@" : ":", reference);
}

int store_manifest_get(struct store *store, const char *repository, const char *reference,
    struct stored_manifest *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	int64_t repo, id;
	int found;

	if (connection == NULL)
		return -1;
	found = repository_id(connection, repository, false, &repo, err);
	if (found == 0)
		return no_repository(repository, err);
	if (found > 0)
		found = manifest_id(connection, repo, reference, &id, err);
	if (found > 0)
		found = read_manifest(connection, id, ret, err);
	if (found == 0)
		return no_manifest(repository, reference, err);
	if (found > 0)
		touch(connection, repo, id, reference);
	return found < 0 ? -1 : 0;
}

static int remove_rows(
    struct connection *connection, const char *repository, const char *digest, struct error *err)
{
	int64_t repo, id;
	int found = repository_id(connection, repository, false, &repo, err);

	if (found == 0)
		return no_repository(repository, err);
	if (found > 0)
		found = manifest_id(connection, repo, digest, &id, err);
	if (found == 0)
		return no_manifest(repository, digest, err);
	return found < 0 ? -1 : entry_remove(connection, repo, id, err);
}

int store_manifest_remove(
    struct store *store, const char *repository, const char *digest, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;

	if (!digest_is_text(digest))
		return no_manifest(repository, digest, err);
	connection = connection_take(store, err);
	if (connection == NULL || transaction_begin(connection, err) < 0)
		return -1;
	return transaction_end(connection, remove_rows(connection, repository, digest, err), err);
}
