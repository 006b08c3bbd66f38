/* Opening and closing a store, and small things that all of it needs. */
#include "transport/registry/store.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "transport/registry/store_internal.h"
#include "transport/registry/store_schema.h"

static char *home_path(void)
{
	const char *home = getenv("HOME");
	struct passwd entry, *found = NULL;
	char space[4096];

	if (home == NULL || *home != '/') {
		getpwuid_r(getuid(), &entry, space, sizeof(space), &found);
		home = found != NULL ? found->pw_dir : "";
	}
	return string_printf("%s/.local/share/shipit/store.db", home);
}

int store_path(char **ret, struct error *err)
{
	const char *own = getenv("SHIPIT_STORE"), *xdg = getenv("XDG_DATA_HOME");
	char *path;

	if (own != NULL && *own != '\0')
		path = strdup(own);
	else if (xdg != NULL && *xdg == '/')
		path = string_printf("%s/shipit/store.db", xdg);
	else
		path = home_path();
	if (path == NULL)
		return error_memory(err);
	*ret = path;
	return 0;
}

/* The folders above it, for this user alone where they are not there. */
static int make_folders(char *path, struct error *err)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int rc;

		*slash = '\0';
		rc = mkdir(path, 0700);
		if (rc < 0 && errno != EEXIST && errno != EACCES && errno != EROFS) {
			error_errno(err, errno, "cannot make the folder %s", path);
			*slash = '/';
			return -1;
		}
		*slash = '/';
	}
	return 0;
}

static int open_at(struct store *store, const char *path, struct error *err)
{
	struct connection *connection;

	if (path != NULL)
		store->path = strdup(path);
	else if (store_path(&store->path, err) < 0)
		return -1;
	if (store->path == NULL)
		return error_memory(err);
	store->lock_path = string_printf("%s.lock", store->path);
	if (store->lock_path == NULL)
		return error_memory(err);
	if (make_folders(store->path, err) < 0 ||
	    store_schema_prepare(store->path, store->lock_path, err) < 0)
		return -1;
	connection = connection_take(store, err);
	connection_give(connection);
	return connection != NULL ? 0 : -1;
}

int store_open(const char *path, struct store **ret, struct error *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return error_memory(err);
	if (pthread_mutex_init(&store->mutex, NULL) != 0) {
		free(store);
		return error_memory(err);
	}
	if (open_at(store, path, err) < 0) {
		store_close(store);
		return -1;
	}
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	while (store->idle != NULL)
		connection_drop_idle(store);
	pthread_mutex_destroy(&store->mutex);
	free(store->path);
	free(store->lock_path);
	free(store);
}

const char *store_file(const struct store *store)
{
	return store->path;
}

int64_t store_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int store_digest_raw(
    const char *digest, unsigned char ret[DIGEST_RAW_SIZE], const char *what, struct error *err)
{
	if (digest_raw_of(digest, ret) == 0)
		return 0;
	return error_set(err, ERROR_NOT_FOUND, "%s %s is not in the store", what, digest);
}

void store_column_digest(sqlite3_stmt *rows, int column, char ret[DIGEST_TEXT_SIZE])
{
	const void *raw = sqlite3_column_blob(rows, column);

	ret[0] = '\0';
	if (raw != NULL && sqlite3_column_bytes(rows, column) == DIGEST_RAW_SIZE)
		digest_text_of(raw, ret);
}
