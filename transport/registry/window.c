#include "transport/registry/window.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

enum {
	WINDOWS = 2,
	BYTES_FIRST = 32 * 1024, /* then twice as much while one follows the other */
	BYTES_MAX = 128 * 1024,
	RECENT = 4,
	SPARE = 256, /* of a damaged page SQLite may read a little more than there is */
};

struct window {
	unsigned char *data; /* BYTES_MAX; NULL: not needed yet */
	sqlite3_int64 at;
	int len;   /* 0: nothing in it */
	int pages; /* that are handed out */
};

/* The file, and behind it the system's own. */
struct file {
	sqlite3_file base;
	struct window windows[WINDOWS];
	sqlite3_int64 budget;	      /* bytes that will still be wanted */
	sqlite3_int64 recent[RECENT]; /* ends of pages that were asked for in vain */
	unsigned n_recent;
	sqlite3_int64 last_at, last_end; /* the window that was read last */
	int step;			 /* how much is read at once */
};

static sqlite3_vfs *below;

static struct file *file_of(sqlite3_file *file)
{
	return (struct file *)(void *)file;
}

static sqlite3_file *real(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)(file_of(file) + 1);
}

/* --- the windows */

static bool in_window(const struct window *window, sqlite3_int64 at, int len)
{
	return window->len > 0 && at >= window->at && at + len <= window->at + window->len;
}

static void drop(struct file *file)
{
	for (int i = 0; i < WINDOWS; i++)
		file->windows[i].len = 0;
}

/* Does it follow what was asked for before, be it in a transaction that is over? Pages of the index
 * are asked for in between. */
static bool follows(struct file *file, sqlite3_int64 at, int len)
{
	if (at > file->last_at && at <= file->last_end) {
		file->step = file->step < BYTES_MAX / 2 ? 2 * file->step : BYTES_MAX;
		return true;
	}
	for (int i = 0; i < RECENT; i++)
		if (at == file->recent[i]) {
			file->step = BYTES_FIRST;
			return true;
		}
	file->recent[file->n_recent++ % RECENT] = at + len;
	return false;
}

/* One that is not in use; the lower one first, since who reads much reads upwards. */
static struct window *choose(struct file *file)
{
	struct window *chosen = NULL;

	for (int i = 0; i < WINDOWS; i++) {
		struct window *window = &file->windows[i];

		if (window->pages == 0 && (chosen == NULL || window->len == 0 ||
					      (chosen->len > 0 && window->at < chosen->at)))
			chosen = window;
	}
	if (chosen != NULL && chosen->data == NULL)
		chosen->data = calloc(1, BYTES_MAX + SPARE);
	return chosen != NULL && chosen->data != NULL ? chosen : NULL;
}

/* At the end of the file, and where reading fails, SQLite reads by itself and sees what is wrong.
 */
static struct window *read_window(struct file *file, sqlite3_int64 at, int len)
{
	struct window *window = choose(file);
	sqlite3_file *below_file = real(&file->base);
	int bytes = file->step < file->budget ? file->step : (int)file->budget;

	bytes -= bytes % len;
	if (window == NULL || bytes < len || len > BYTES_MAX)
		return NULL;
	window->len = 0;
	if (below_file->pMethods->xRead(below_file, window->data, bytes, at) != SQLITE_OK)
		return NULL;
	window->at = at;
	window->len = bytes;
	file->last_at = at;
	file->last_end = at + bytes;
	file->budget -= bytes;
	return window;
}

static int fetch(sqlite3_file *base, sqlite3_int64 at, int len, void **ret)
{
	struct file *file = file_of(base);
	struct window *window = NULL;

	*ret = NULL;
	for (int i = 0; i < WINDOWS && window == NULL; i++)
		if (in_window(&file->windows[i], at, len))
			window = &file->windows[i];
	if (window == NULL && file->budget >= len && follows(file, at, len))
		window = read_window(file, at, len);
	if (window == NULL)
		return SQLITE_OK;
	window->pages++;
	*ret = window->data + (at - window->at);
	return SQLITE_OK;
}

static int unfetch(sqlite3_file *base, sqlite3_int64 at UNUSED, void *page)
{
	struct file *file = file_of(base);
	const unsigned char *data = page;

	if (page == NULL)
		drop(file);
	for (int i = 0; page != NULL && i < WINDOWS; i++) {
		struct window *window = &file->windows[i];

		if (window->data != NULL && data >= window->data && data < window->data + BYTES_MAX)
			window->pages--;
	}
	return SQLITE_OK;
}

/* --- all else is the system's */

static int close_file(sqlite3_file *base)
{
	struct file *file = file_of(base);

	for (int i = 0; i < WINDOWS; i++)
		free(file->windows[i].data);
	return real(base)->pMethods->xClose(real(base));
}

static int read_file(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	return real(file)->pMethods->xRead(real(file), data, len, at);
}

static int write_file(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	return real(file)->pMethods->xWrite(real(file), data, len, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
	return real(file)->pMethods->xTruncate(real(file), size);
}

static int sync_file(sqlite3_file *file, int flags)
{
	return real(file)->pMethods->xSync(real(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return real(file)->pMethods->xFileSize(real(file), ret);
}

static int lock_file(sqlite3_file *file, int level)
{
	return real(file)->pMethods->xLock(real(file), level);
}

static int unlock_file(sqlite3_file *file, int level)
{
	return real(file)->pMethods->xUnlock(real(file), level);
}

static int check_lock(sqlite3_file *file, int *ret)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), ret);
}

static int file_control(sqlite3_file *file, int what, void *value)
{
	/* The system's file is not to be mapped. */
	if (what == SQLITE_FCNTL_MMAP_SIZE)
		return SQLITE_OK;
	return real(file)->pMethods->xFileControl(real(file), what, value);
}

static int sector_size(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int device(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return real(file)->pMethods->xShmMap(real(file), page, size, extend, ret);
}

/* So every read transaction begins (wal.c). */
static int shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	if (flags == (SQLITE_SHM_LOCK | SQLITE_SHM_SHARED))
		drop(file_of(file));
	return real(file)->pMethods->xShmLock(real(file), at, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
	real(file)->pMethods->xShmBarrier(real(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
	return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {3, close_file, read_file, write_file, truncate_file,
    sync_file, file_size, lock_file, unlock_file, check_lock, file_control, sector_size, device,
    shm_map, shm_lock, shm_barrier, shm_unmap, fetch, unfetch};

/* Where there is no shared memory (network file systems) SQLite must know: no write-ahead log, and
 * no windows either. */
static const sqlite3_io_methods plain_methods = {1, close_file, read_file, write_file,
    truncate_file, sync_file, file_size, lock_file, unlock_file, check_lock, file_control,
    sector_size, device, NULL, NULL, NULL, NULL, NULL, NULL};

static bool has_shared_memory(const sqlite3_file *file)
{
	return file->pMethods->iVersion >= 2 && file->pMethods->xShmMap != NULL;
}

/* Logs and journals are the system's alone. */
static int open_file(
    sqlite3_vfs *vfs UNUSED, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
	struct file *file = file_of(base);
	int rc;

	if (!(flags & SQLITE_OPEN_MAIN_DB))
		return below->xOpen(below, name, base, flags, ret_flags);
	memset(file, 0, sizeof(*file));
	rc = below->xOpen(below, name, real(base), flags, ret_flags);
	/* SQLite closes what has methods, also after a failure. */
	if (real(base)->pMethods != NULL)
		base->pMethods = has_shared_memory(real(base)) ? &methods : &plain_methods;
	return rc;
}

static sqlite3_vfs windowed;
static bool registered;

static void register_vfs(void)
{
	below = sqlite3_vfs_find(NULL);
	if (below == NULL)
		return;
	windowed = *below;
	windowed.zName = "shipit";
	windowed.pNext = NULL;
	windowed.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	windowed.xOpen = open_file;
	registered = sqlite3_vfs_register(&windowed, 0) == SQLITE_OK;
}

const char *window_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_vfs);
	return registered ? windowed.zName : NULL;
}

void window_open(sqlite3 *db, size_t bytes)
{
	sqlite3_file *base = NULL;
	struct file *file;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &base) != SQLITE_OK ||
	    base == NULL || base->pMethods != &methods)
		return;
	file = file_of(base);
	/* Rows have heads, and pages are not full. */
	file->budget = (sqlite3_int64)bytes + (sqlite3_int64)bytes / 8;
	if (bytes == 0)
		drop(file);
}
