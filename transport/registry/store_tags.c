/* Tags, and lists of names. */
#include "transport/registry/store_internal.h"

/* `n` names at most of a statement that asks for one more. */
static int take_names(struct connection *connection, const char *sql, const struct value *values,
    size_t n, struct strv *ret, bool *ret_more, struct error *err)
{
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	struct strv names = {0};
	int found = sql_rows(connection, sql, values, &rows, err);

	while (found > 0 && names.n < n) {
		if (strv_take(&names, sql_text(rows, 0)) < 0)
			found = error_memory(err);
		else
			found = sql_next(connection, rows, err);
	}
	if (found < 0) {
		strv_release(&names);
		return -1;
	}
	*ret = names;
	*ret_more = found > 0;
	return 0;
}

int store_tags(struct store *store, const char *repository, const char *last, size_t n,
    struct strv *ret, bool *ret_more, struct error *err)
{
	static const char sql[] =
	    "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name";
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	int64_t repo;
	int found;

	if (connection == NULL)
		return -1;
	found = repository_id(connection, repository, false, &repo, err);
	if (found == 0)
		return no_repository(repository, err);
	if (found < 0)
		return -1;
	return take_names(connection, sql, VALUES(V_INT(repo), V_TEXT(last != NULL ? last : "")), n,
	    ret, ret_more, err);
}

int store_repositories(struct store *store, const char *last, size_t n, struct strv *ret,
    bool *ret_more, struct error *err)
{
	static const char sql[] =
	    "SELECT name FROM repositories r WHERE name > ?1"
	    " AND EXISTS(SELECT 1 FROM entries WHERE repository = r.id) ORDER BY name";
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);

	if (connection == NULL)
		return -1;
	return take_names(
	    connection, sql, VALUES(V_TEXT(last != NULL ? last : "")), n, ret, ret_more, err);
}

int store_tag_remove(
    struct store *store, const char *repository, const char *tag, struct error *err)
{
	static const char sql[] = "DELETE FROM tags WHERE name = ?2"
				  " AND repository = (SELECT id FROM repositories WHERE name = ?1)";
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);

	if (connection == NULL ||
	    sql_run(connection, sql, VALUES(V_TEXT(repository), V_TEXT(tag)), err) < 0)
		return -1;
	if (sql_changes(connection) > 0)
		return 0;
	return error_set(err, ERROR_NOT_FOUND, "%s:%s is not in the store", repository, tag);
}

static int set_rows(struct connection *connection, const char *repository, const char *tag,
    const char *reference, struct error *err)
{
	int64_t repo, manifest;
	int found = repository_id(connection, repository, false, &repo, err);

	if (found > 0)
		found = manifest_id(connection, repo, reference, &manifest, err);
	if (found == 0)
		return error_set(err, ERROR_NOT_FOUND, "%s%s%s is not in the store", repository,
		    digest_is_text(reference) ? "@" : ":", reference);
	return found < 0 ? -1 : tag_put(connection, repo, tag, manifest, err);
}

int store_tag_set(struct store *store, const char *repository, const char *tag,
    const char *reference, struct error *err)
{
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);

	if (connection == NULL || transaction_begin(connection, err) < 0)
		return -1;
	return transaction_end(
	    connection, set_rows(connection, repository, tag, reference, err), err);
}

int store_referrers(struct store *store, const char *repository, const char *digest,
    struct strv *ret, struct error *err)
{
	static const char sql[] =
	    "SELECT 'sha256:' || lower(hex(m.digest)) FROM manifests m"
	    " JOIN entries e ON e.manifest = m.id"
	    " WHERE m.subject = ?2 AND e.repository = ?1 ORDER BY e.pushed, m.id";
	CLEANUP_CONNECTION struct connection *connection = connection_take(store, err);
	unsigned char raw[DIGEST_RAW_SIZE];
	int64_t repo;
	bool more;
	int found;

	if (connection == NULL)
		return -1;
	found = repository_id(connection, repository, false, &repo, err);
	if (found < 0)
		return -1;
	*ret = (struct strv){0};
	if (found == 0 || digest_raw_of(digest, raw) < 0)
		return 0; /* distribution-spec: an empty list, not 404 */
	return take_names(
	    connection, sql, VALUES(V_INT(repo), V_DIGEST(raw)), SIZE_MAX, ret, &more, err);
}
