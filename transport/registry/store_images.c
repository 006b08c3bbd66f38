/* Images, for deploys: one that the store has under another name is put there without moving a
 * byte. */
#include "transport/registry/blob_internal.h"

/* The manifest that `id` names; with several, the one that is mostly of our own chunks. */
static int choose(struct connection *connection, const unsigned char id[DIGEST_RAW_SIZE],
    int64_t *ret, char ret_digest[DIGEST_TEXT_SIZE], struct error *err)
{
	static const char sql[] =
	    "SELECT m.id, m.digest FROM manifests m WHERE m.id IN("
	    "  SELECT id FROM manifests WHERE digest = ?1"
	    "  UNION SELECT id FROM manifests WHERE config = ?1"
	    "  UNION SELECT manifest FROM aliases WHERE name = ?1)"
	    " ORDER BY m.digest = ?1 DESC,"
	    "  (SELECT count(*) FROM manifest_blobs mb JOIN blobs b ON b.id = mb.blob"
	    "   WHERE mb.manifest = m.id AND b.recipe = ?2 AND b.diff_id IS NOT NULL) DESC,"
	    "  m.id DESC LIMIT 1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(connection, sql, VALUES(V_DIGEST(id), V_INT(RECIPE_NOW)), &rows, err);

	if (found > 0) {
		*ret = sqlite3_column_int64(rows, 0);
		store_column_digest(rows, 1, ret_digest);
	}
	return found;
}

/* An index brings the manifests that are there, and of those at least one has to be. */
static int adopt_tree(
    struct connection *connection, int64_t repository, int64_t manifest, struct error *err)
{
	static const char tree[] = "WITH RECURSIVE tree(id) AS (SELECT ?2 UNION"
				   "  SELECT m.id FROM tree t JOIN children c ON c.manifest = t.id"
				   "  JOIN manifests m ON m.digest = c.digest)"
				   " INSERT INTO entries(repository, manifest, pushed, used)"
				   "  SELECT ?1, id, ?3, ?3 FROM tree WHERE true"
				   "  ON CONFLICT DO UPDATE SET pushed = ?3, used = ?3";
	static const char whole[] =
	    "SELECT NOT is_index OR EXISTS(SELECT 1 FROM children c"
	    "  JOIN manifests m ON m.digest = c.digest WHERE c.manifest = ?1)"
	    " FROM manifests WHERE id = ?1";
	int64_t is_whole = 0;

	if (sql_int(connection, whole, VALUES(V_INT(manifest)), &is_whole, err) < 0)
		return -1;
	if (!is_whole)
		return error_set(err, ERROR_NOT_FOUND, "none of its manifests is in the store");
	return sql_run(connection, tree,
	    VALUES(V_INT(repository), V_INT(manifest), V_INT(store_now_ms())), err);
}

static int adopt_rows(struct connection *connection, const char *id, const char *repository,
    const char *tag, char ret_manifest[DIGEST_TEXT_SIZE], struct error *err)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t manifest, repo;
	int found;

	if (store_digest_raw(id, raw, "image", err) < 0)
		return -1;
	found = choose(connection, raw, &manifest, ret_manifest, err);
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "image %s is not in the store", id);
	if (found < 0 || repository_id(connection, repository, true, &repo, err) < 0)
		return -1;
	if (adopt_tree(connection, repo, manifest, err) < 0)
		return error_wrap(err, "image %s", id);
	return tag == NULL ? 0 : tag_put(connection, repo, tag, manifest, err);
}

int store_image_adopt(struct store *store, const char *id, const char *repository, const char *tag,
    char ret_manifest[DIGEST_TEXT_SIZE], struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	char manifest[DIGEST_TEXT_SIZE];

	if (connection == NULL || transaction_begin(connection, err) < 0)
		return -1;
	return transaction_end(connection,
	    adopt_rows(connection, id, repository, tag,
		ret_manifest != NULL ? ret_manifest : manifest, err),
	    err);
}

int store_image_alias(struct store *store, const char *id, const char *manifest, struct error *err)
{
	static const char sql[] = "INSERT OR REPLACE INTO aliases(name, manifest)"
				  " SELECT ?1, id FROM manifests WHERE digest = ?2";
	CLEANUP_CONNECTION struct connection *connection = NULL;
	unsigned char name[DIGEST_RAW_SIZE], digest[DIGEST_RAW_SIZE];

	if (digest_raw_of(id, name) < 0)
		return error_set(err, ERROR_FAILED, "\"%s\" is no digest", id);
	if (store_digest_raw(manifest, digest, "manifest", err) < 0 ||
	    (connection = connection_take(store, err)) == NULL ||
	    sql_run(connection, sql, VALUES(V_DIGEST(name), V_DIGEST(digest)), err) < 0)
		return -1;
	if (sql_changes(connection) > 0)
		return 0;
	return error_set(err, ERROR_NOT_FOUND, "manifest %s is not in the store", manifest);
}

static int retain_rows(
    struct connection *connection, const char *repository, int retain, struct error *err)
{
	static const char set[] = "UPDATE repositories SET retain = ?2 WHERE id = ?1";
	static const char forget[] =
	    "DELETE FROM tags AS old WHERE repository = ?1 AND pushed < ?2 AND EXISTS("
	    " SELECT 1 FROM tags WHERE repository = ?1 AND manifest = old.manifest"
	    "  AND pushed > old.pushed)";
	int64_t repo;

	if (repository_id(connection, repository, true, &repo, err) < 0 ||
	    sql_run(connection, set, VALUES(V_INT(repo), V_INT(retain)), err) < 0)
		return -1;
	return sql_run(
	    connection, forget, VALUES(V_INT(repo), V_INT(store_now_ms() - STORE_YOUNG_MS)), err);
}

int store_retain(struct store *store, const char *repository, int retain, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);

	if (connection == NULL || transaction_begin(connection, err) < 0)
		return -1;
	return transaction_end(connection, retain_rows(connection, repository, retain, err), err);
}
