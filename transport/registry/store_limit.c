/* Which images go when there are too many. */
#include <string.h>

#include "transport/registry/store_gc.h"

enum { DEPTH_MAX = 16 };

struct candidate {
	int64_t repository, manifest;
	char *name, *tag; /* tag NULL: it has none */
	char digest[DIGEST_TEXT_SIZE];
};

static void candidate_release(struct candidate *candidate)
{
	free(candidate->name);
	free(candidate->tag);
}
#define CLEANUP_CANDIDATE __attribute__((cleanup(candidate_release)))

/* The one not used for longest. What was asked for within the last hour, after it came, is in use:
 * it may be on its way to a host. */
static int candidate_find(struct gc *gc, struct candidate *ret, struct error *err)
{
	static const char sql[] =
	    "WITH " STORE_IMAGES " SELECT i.repository, i.manifest, i.name, i.tag, m.digest"
	    " FROM images i JOIN manifests m ON m.id = i.manifest"
	    " WHERE NOT i.retained AND NOT (i.used > ?1 AND i.used > i.pushed)"
	    " ORDER BY i.used, i.pushed, i.manifest LIMIT 1";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found = sql_rows(
	    gc->connection, sql, VALUES(V_INT(store_now_ms() - STORE_YOUNG_MS)), &rows, err);
	bool has_tag;

	if (found <= 0)
		return found;
	ret->repository = sqlite3_column_int64(rows, 0);
	ret->manifest = sqlite3_column_int64(rows, 1);
	has_tag = sqlite3_column_type(rows, 3) != SQLITE_NULL;
	ret->name = sql_text(rows, 2);
	ret->tag = has_tag ? sql_text(rows, 3) : NULL;
	store_column_digest(rows, 4, ret->digest);
	return ret->name == NULL || (has_tag && ret->tag == NULL) ? error_memory(err) : 1;
}

/* Is it still somebody's: of a tag, or of an index there? */
static int is_needed(
    struct gc *gc, int64_t repository, int64_t manifest, bool *ret, struct error *err)
{
	static const char sql[] =
	    "SELECT EXISTS(SELECT 1 FROM tags WHERE repository = ?1 AND manifest = ?2)"
	    " OR EXISTS(SELECT 1 FROM manifests m JOIN children c ON c.digest = m.digest"
	    "  JOIN entries e ON e.manifest = c.manifest AND e.repository = ?1 WHERE m.id = ?2)";
	int64_t needed = 0;
	int rc =
	    sql_int(gc->connection, sql, VALUES(V_INT(repository), V_INT(manifest)), &needed, err);

	*ret = needed != 0;
	return rc < 0 ? -1 : 0;
}

/* The parts of an index that are in the repository. */
static int children_find(struct gc *gc, int64_t repository, int64_t manifest, int64_t **ret,
    size_t *ret_n, struct error *err)
{
	static const char sql[] =
	    "SELECT e.manifest FROM children c JOIN manifests m ON m.digest = c.digest"
	    " JOIN entries e ON e.manifest = m.id AND e.repository = ?1 WHERE c.manifest = ?2";
	CLEANUP_ROWS sqlite3_stmt *rows = NULL;
	int found =
	    sql_rows(gc->connection, sql, VALUES(V_INT(repository), V_INT(manifest)), &rows, err);

	while (found > 0) {
		int64_t *ids = reallocarray(*ret, *ret_n + 1, sizeof(*ids));

		if (ids == NULL)
			return error_memory(err);
		*ret = ids;
		ids[(*ret_n)++] = sqlite3_column_int64(rows, 0);
		found = sql_next(gc->connection, rows, err);
	}
	return found;
}

/* With what came with it and is nobody else's. */
static int manifest_remove(
    struct gc *gc, int64_t repository, int64_t manifest, int depth, struct error *err)
{
	CLEANUP_FREE int64_t *children = NULL;
	size_t n = 0;
	bool needed;

	if (depth > DEPTH_MAX)
		return 0; /* it goes later, as an image of its own */
	if (is_needed(gc, repository, manifest, &needed, err) < 0)
		return -1;
	if (needed)
		return 0;
	if (children_find(gc, repository, manifest, &children, &n, err) < 0 ||
	    entry_remove(gc->connection, repository, manifest, err) < 0)
		return -1;
	gc->result->manifests += (size_t)sql_changes(gc->connection);
	for (size_t i = 0; i < n; i++)
		if (manifest_remove(gc, repository, children[i], depth + 1, err) < 0)
			return -1;
	return 0;
}

static int candidate_remove(struct gc *gc, const struct candidate *candidate, struct error *err)
{
	static const char sql[] = "DELETE FROM tags WHERE repository = ?1 AND name = ?2";

	if (candidate->tag != NULL &&
	    sql_run(gc->connection, sql,
		VALUES(V_INT(candidate->repository), V_TEXT(candidate->tag)), err) < 0)
		return -1;
	return manifest_remove(gc, candidate->repository, candidate->manifest, 0, err);
}

static int candidate_note(struct gc *gc, const struct candidate *candidate, struct error *err)
{
	struct strv *images = &gc->result->images;
	int rc;

	if (candidate->tag != NULL)
		rc = strv_addf(images, "%s:%s", candidate->name, candidate->tag);
	else
		rc = strv_addf(images, "%s@%s", candidate->name, candidate->digest);
	gc->result->tags += candidate->tag != NULL;
	return rc < 0 ? error_memory(err) : 0;
}

/* 1, 0: all the others have to stay. */
static int remove_one(struct gc *gc, struct error *err)
{
	CLEANUP_CANDIDATE struct candidate candidate = {0};
	int found;

	if (transaction_begin(gc->connection, err) < 0)
		return -1;
	found = candidate_find(gc, &candidate, err);
	if (found > 0 && candidate_remove(gc, &candidate, err) < 0)
		found = -1;
	if (transaction_end(gc->connection, found < 0 ? -1 : 0, err) < 0)
		return -1;
	return found > 0 && candidate_note(gc, &candidate, err) < 0 ? -1 : found;
}

int gc_to_limit(struct gc *gc, struct error *err)
{
	static const char in_use[] =
	    "SELECT sum(length) FROM (SELECT DISTINCT chunk, length FROM pieces)";
	int64_t limit = gc->options->limit > INT64_MAX ? INT64_MAX : (int64_t)gc->options->limit;
	int found = 1;

	gc->in_use = 0;
	if (sql_int(gc->connection, in_use, NULL, &gc->in_use, err) < 0)
		return -1;
	while (found > 0 && gc->in_use > limit) {
		if (gc_go_on(gc, err) < 0)
			return -1;
		found = remove_one(gc, err);
		if (found < 0 || (found > 0 && gc_blobs(gc, err) < 0))
			return -1;
	}
	if (gc->in_use > limit)
		gc->result->over = (uint64_t)(gc->in_use - limit);
	return 0;
}
