/* Repositories, and which blobs are in them. */
#include "transport/registry/blob_internal.h"

int no_repository(const char *name, struct error *err)
{
	return error_set(err, ERROR_NOT_FOUND, "the store has no repository %s", name);
}

int repository_id(
    struct connection *connection, const char *name, bool make, int64_t *ret, struct error *err)
{
	static const char find[] = "SELECT id FROM repositories WHERE name = ?1";
	static const char insert[] = "INSERT INTO repositories(name) VALUES(?1)";
	int found = sql_int(connection, find, VALUES(V_TEXT(name)), ret, err);

	if (found != 0 || !make)
		return found;
	if (sql_run(connection, insert, VALUES(V_TEXT(name)), err) < 0)
		return -1;
	*ret = sql_last_id(connection);
	return 1;
}

int repository_blob(struct connection *connection, int64_t repository,
    const unsigned char digest[DIGEST_RAW_SIZE], struct blob_info *ret, int64_t *ret_id,
    struct error *err)
{
	static const char in[] =
	    "SELECT EXISTS(SELECT 1 FROM links WHERE repository = ?1 AND blob = ?2)"
	    " OR EXISTS(SELECT 1 FROM manifest_blobs b JOIN entries e ON e.manifest = b.manifest"
	    "  WHERE b.blob = ?2 AND e.repository = ?1)";
	int64_t id, is_in;
	int found = blob_row(connection, digest, ret, &id, err);

	if (found <= 0)
		return found;
	if (sql_int(connection, in, VALUES(V_INT(repository), V_INT(id)), &is_in, err) < 0)
		return -1;
	if (ret_id != NULL)
		*ret_id = id;
	return is_in != 0;
}

static int not_in(const char *repository, const char *digest, struct error *err)
{
	return error_set(
	    err, ERROR_NOT_FOUND, "blob %s is not in repository %s", digest, repository);
}

int store_blob_in(struct store *store, const char *repository, const char *digest,
    struct blob_info *ret, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t repo, id;
	int found;

	if (store_digest_raw(digest, raw, "blob", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL)
		return -1;
	found = repository_id(connection, repository, false, &repo, err);
	if (found == 0)
		return no_repository(repository, err);
	if (found > 0)
		found = repository_blob(connection, repo, raw, ret, &id, err);
	if (found == 0)
		return not_in(repository, digest, err);
	if (found > 0)
		blob_touch(connection, id);
	return found < 0 ? -1 : 0;
}

static int link_rows(struct connection *connection, const char *repository, const char *digest,
    const unsigned char raw[DIGEST_RAW_SIZE], struct error *err)
{
	static const char sql[] = "INSERT OR IGNORE INTO links(repository, blob) VALUES(?1, ?2)";
	int64_t repo, id;
	int found = blob_row(connection, raw, NULL, &id, err);

	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "blob %s is not in the store", digest);
	if (found < 0 || repository_id(connection, repository, true, &repo, err) < 0)
		return -1;
	return sql_run(connection, sql, VALUES(V_INT(repo), V_INT(id)), err);
}

int store_blob_link(
    struct store *store, const char *repository, const char *digest, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];

	if (store_digest_raw(digest, raw, "blob", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL ||
	    transaction_begin(connection, err) < 0)
		return -1;
	return transaction_end(
	    connection, link_rows(connection, repository, digest, raw, err), err);
}

int store_blob_unlink(
    struct store *store, const char *repository, const char *digest, struct error *err)
{
	static const char sql[] =
	    "DELETE FROM links WHERE repository = (SELECT id FROM repositories WHERE name = ?1)"
	    " AND blob = (SELECT id FROM blobs WHERE digest = ?2)";
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char raw[DIGEST_RAW_SIZE];

	if (store_digest_raw(digest, raw, "blob", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL ||
	    sql_run(connection, sql, VALUES(V_TEXT(repository), V_DIGEST(raw)), err) < 0)
		return -1;
	return sql_changes(connection) > 0 ? 0 : not_in(repository, digest, err);
}
