/* What SQLite says, in words that say what to do. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "transport/registry/store_internal.h"

/* Bytes that may still be written where the store is; -1: not known. */
static int64_t room_left(const char *path)
{
	CLEANUP_FREE char *folder = strdup(path);
	char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
	struct statvfs fs;

	if (folder == NULL)
		return -1;
	if (slash != NULL)
		slash[slash == folder ? 1 : 0] = '\0';
	if (statvfs(slash != NULL ? folder : ".", &fs) < 0)
		return -1;
	return (int64_t)(fs.f_bavail * fs.f_frsize);
}

int store_full(const char *path, uint64_t needed, bool at_most, struct error *err)
{
	char need[TEXT_BYTES_SIZE], have[TEXT_BYTES_SIZE];
	int64_t left = room_left(path);

	text_bytes(needed, need);
	text_bytes(left > 0 ? (uint64_t)left : 0, have);
	if (needed > 0)
		error_set(err, ERROR_SYSTEM,
		    "the image store %s: the disk is full: %s %s more needed, %s free", path,
		    at_most ? "up to" : "at least", need, have);
	else
		error_set(
		    err, ERROR_SYSTEM, "the image store %s: the disk is full: %s free", path, have);
	if (err != NULL && err->kind == ERROR_SYSTEM)
		err->code = ENOSPC;
	return error_hint(err,
	    "free some space, run `shipit registry gc`, or set SHIPIT_STORE to a file on another "
	    "disk");
}

bool store_is_full(const struct error *err)
{
	return err != NULL && err->kind == ERROR_SYSTEM && err->code == ENOSPC;
}

static int system_error(const char *path, sqlite3 *db, int rc, struct error *err)
{
	int errnum = db != NULL ? sqlite3_system_errno(db) : 0;

	if (errnum == ENOSPC || errnum == EDQUOT)
		return store_full(path, 0, false, err);
	if (errnum == ENOMEM || rc == SQLITE_IOERR_NOMEM)
		return error_memory(err);
	if (errnum != 0)
		return error_errno(err, errnum, "the image store %s", path);
	return error_set(err, ERROR_SYSTEM, "the image store %s: %s", path, sqlite3_errstr(rc));
}

int store_error(const char *path, sqlite3 *db, int rc, struct error *err)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return error_memory(err);
	case SQLITE_FULL:
		return store_full(path, 0, false, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(err, ERROR_TIMEOUT,
		    "the image store %s: another program has it locked for more than a minute",
		    path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		error_set(err, ERROR_PROTOCOL, "the image store %s is damaged: %s", path,
		    db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
		return error_hint(err, "`shipit registry verify` says what; a store that is moved "
				       "away is filled again "
				       "by the next deploy");
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return system_error(path, db, rc, err);
	default:
		return error_set(err, ERROR_FAILED, "the image store %s: %s", path,
		    db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	}
}
