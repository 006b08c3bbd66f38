/* Ansible's groups and hosts, while shipit's own tree is made of them. */
#ifndef SHIPIT_INVENTORY_ANSIBLE_H
#define SHIPIT_INVENTORY_ANSIBLE_H

#include "inventory/output.h"

enum {
	GROUPS_MAX = 20 * 1000,
	STEPS_MAX = 20 * 1000 * 1000, /* from hosts up through their groups, in all */
};

struct group {
	const char *name;
	char *tag; /* NULL: it is none */
	const json_t *vars;
	size_t *parents;
	size_t n_parents;
	size_t *children;
	size_t n_children;
	size_t waits_for; /* parents whose depth is not known yet */
	size_t depth;	  /* the longest way down from one that is in none */
	size_t seen_by;	  /* the last host, from 1, whose groups it was found among */
};

struct ansible {
	struct output *o;
	const json_t *hostvars;
	json_t *numbers; /* of each group's name: its place in `groups` */
	struct group *groups;
	size_t n;
	json_t *hosts; /* of each host's name: numbers of the groups that list it */
	size_t *found; /* groups of the host that is looked at */
	size_t n_found;
	size_t steps;
};

/* All return -1 when out of memory, or after a mistake with which there is no use in going on. */

/* Groups, who is in them, and how deep they are in each other. */
int ansible_read_groups(struct ansible *a, const json_t *root);
/* Into `found`: all groups that host `number` (from 1) is in, of which `direct` list it, the
 * weakest first. */
int ansible_find_groups(struct ansible *a, const json_t *direct, size_t number);
void ansible_release(struct ansible *a);

int ansible_no_memory(struct ansible *a);

#endif
