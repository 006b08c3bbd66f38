/* Which files an inventory is made of. */
#ifndef SHIPIT_INVENTORY_FILES_H
#define SHIPIT_INVENTORY_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { FILES_MAX = 64 };

struct file {
	char *shown;	 /* as the user named it, or the folder that it is in */
	char *path;	 /* absolute */
	bool is_program; /* it is run, and prints what it has to say */
};

struct files {
	struct file v[FILES_MAX];
	size_t n;
	char *dir;  /* absolute: the first one's folder */
	char *path; /* those that the user named, absolute, with ':' between them */
	char *name; /* the same as the user named them, for messages */
};

/* What `paths` stand for, in their order. A folder stands for its files *.yml and *.yaml and its
 * programs that have "hosts" in their names, in the order of the names' bytes; hidden ones and
 * backups are left out. A program is an executable file that is not called *.yml, *.yaml or *.json.
 * ERROR_INVENTORY; with `code` ENOENT when one is not there. Release `ret` in any case. */
int files_find(const char *const *paths, size_t n, struct files *ret, struct error *err);
void files_release(struct files *files);

#endif
