/* Paths as text; nothing here looks at the file system. */
#ifndef SHIPIT_INVENTORY_PATHS_H
#define SHIPIT_INVENTORY_PATHS_H

/* `path` meant from the absolute folder `dir`: absolute, without "//", "." and "..", and "~" or
 * "~/..." put below `home` (left alone when `home` is NULL or not absolute). malloc'ed; NULL when
 * out of memory. */
char *path_resolve(const char *dir, const char *path, const char *home);

#endif
