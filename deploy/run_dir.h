/* A private folder for sockets, short enough for their paths; removed with all that is in it. One
 * that a killed program left is removed by the next one: who made it holds a lock on it. */
#ifndef SHIPIT_DEPLOY_RUN_DIR_H
#define SHIPIT_DEPLOY_RUN_DIR_H

#include "base/error.h"

enum { RUN_DIR_SIZE = 64 };

struct run_dir {
	char path[RUN_DIR_SIZE]; /* empty: there is none */
	int lock;
};

int run_dir_make(struct run_dir *ret, struct error *err);
void run_dir_remove(struct run_dir *dir);
/* A folder with all that is in it, as far as that can be done; no link is followed. */
void run_dir_remove_tree(const char *path);

#endif
