/* Pages of long reads out of a window: a VFS of SQLite's over the system's own.
 *
 * SQLite asks the kernel for each page by itself and copies it into its cache: at a gigabyte a
 * second that is a third of the work of serving. Here pages that follow each other are read many at
 * once, and handed out where they lie, as SQLite has them handed out of a memory map (sqlite3.h,
 * sqlite3_io_methods.xFetch) but in memory of our own: it is bounded, and a file that cannot be
 * read is an error instead of a signal.
 *
 * The bytes in a window are right within one read transaction: what a reader in write-ahead mode
 * takes from the file does not change while it reads. When the next one begins they are dropped,
 * because a checkpoint changes the file without a word. Each connection that reads much keeps 256
 * KiB for its windows. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_WINDOW_H
#define SHIPIT_TRANSPORT_REGISTRY_WINDOW_H

#include <sqlite3.h>
#include <stddef.h>

/* For sqlite3_open_v2; NULL (the system's own) when there was no memory. */
const char *window_vfs(void);

/* About so many bytes will be read; 0: no more, the windows are dropped. Does nothing on a database
 * that was opened without window_vfs or without PRAGMA mmap_size. */
void window_open(sqlite3 *db, size_t bytes);

#endif
