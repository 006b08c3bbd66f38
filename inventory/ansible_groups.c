/* Groups of hosts as Ansible has them: in each other, and a host in several. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "inventory/ansible.h"
#include "inventory/array.h"
#include "inventory/keys.h"

int ansible_no_memory(struct ansible *a)
{
	a->o->no_memory = true;
	return -1;
}

/* What a tag may be made of; the rest becomes "_", as Ansible does it. `all` says nothing. */
static int set_tag(struct ansible *a, struct group *group)
{
	if (strcmp(group->name, "all") == 0 || strcmp(group->name, "ungrouped") == 0)
		return 0;
	group->tag = strdup(group->name);
	if (!group->tag)
		return ansible_no_memory(a);
	for (char *at = group->tag; *at; at++)
		if (!strchr(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at))
			*at = '_';
	char *first = group->tag + strspn(group->tag, "_-");
	memmove(group->tag, first, strlen(first) + 1);
	if (is_resource_key(group->tag))
		return 0;
	free(group->tag);
	group->tag = NULL;
	return 0;
}

/* Its number; added where it is new: children need not be described. */
static int find_group(struct ansible *a, const char *name, size_t *ret)
{
	const json_t *number = json_object_get(a->numbers, name);

	if (number) {
		*ret = (size_t)json_integer_value(number);
		return 0;
	}
	if (a->n == GROUPS_MAX) {
		output_mistake(a->o, name, "more than %d groups", GROUPS_MAX);
		return -1;
	}
	if (array_grow(&a->groups, a->n, sizeof(*a->groups)) < 0)
		return ansible_no_memory(a);
	a->groups[a->n] = (struct group){.name = name};
	if (json_set(a->numbers, name, json_integer((json_int_t)a->n)) < 0)
		return ansible_no_memory(a);
	*ret = a->n++;
	return set_tag(a, &a->groups[*ret]);
}

static int add_number(struct ansible *a, size_t **list, size_t *n, size_t number)
{
	for (size_t i = 0; i < *n; i++)
		if ((*list)[i] == number)
			return 0;
	if (array_grow(list, *n, sizeof(**list)) < 0)
		return ansible_no_memory(a);
	(*list)[(*n)++] = number;
	return 0;
}

/* Groups may be in each other so often that to look at all of it takes for ever. */
static int climb(struct ansible *a, const char *name, size_t steps)
{
	a->steps += steps;
	if (a->steps <= STEPS_MAX)
		return 0;
	output_mistake(a->o, name, "too many groups are in each other");
	return -1;
}

static int add_child(struct ansible *a, size_t parent, const char *name)
{
	size_t child;

	if (find_group(a, name, &child) < 0)
		return -1;
	if (climb(a, name, a->groups[parent].n_children + 1) < 0)
		return -1;
	size_t before = a->groups[parent].n_children;
	if (add_number(a, &a->groups[parent].children, &a->groups[parent].n_children, child) < 0)
		return -1;
	if (a->groups[parent].n_children == before)
		return 0;
	a->groups[child].waits_for++;
	return add_number(a, &a->groups[child].parents, &a->groups[child].n_parents, parent);
}

static int add_host(struct ansible *a, size_t group, const char *name)
{
	json_t *groups = json_object_get(a->hosts, name);

	if (!groups) {
		if (json_object_size(a->hosts) == MAX_HOSTS) {
			output_mistake(
			    a->o, a->groups[group].name, "more than %d hosts", MAX_HOSTS);
			return -1;
		}
		groups = json_array();
		if (json_set(a->hosts, name, groups) < 0)
			return ansible_no_memory(a);
	}
	return json_array_append_new(groups, json_integer((json_int_t)group)) < 0
		   ? ansible_no_memory(a)
		   : 0;
}

/* Call `add` for each text of a list. */
static int each_name(struct ansible *a, size_t group, const json_t *list, const char *member,
    int (*add)(struct ansible *a, size_t group, const char *name))
{
	const char *name = a->groups[group].name;

	if (list && !json_is_array(list))
		return output_mistake(a->o, name, "`%s` is not a list of names", member);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_string(item))
			return output_mistake(
			    a->o, name, "`%s` has something else than a name in it", member);
		if (add(a, group, json_string_value(item)) < 0)
			return -1;
	}
	return 0;
}

/* A group that is but a list has hosts and nothing else. */
static int read_group(struct ansible *a, const char *name, const json_t *value)
{
	const json_t *hosts = json_is_array(value) ? value : json_object_get(value, "hosts");
	const json_t *vars = json_object_get(value, "vars");
	size_t group;

	if (find_group(a, name, &group) < 0)
		return -1;
	if (!json_is_array(value) && !json_is_object(value))
		return output_mistake(a->o, name,
		    "a group is an object with `hosts`, `children` and `vars`, or a list of hosts");
	if (json_is_object(value) && json_object_size(value) > 0 && !hosts && !vars &&
	    !json_object_get(value, "children"))
		return output_mistake(a->o, name,
		    "a group has `hosts`, `children` and `vars`, and this has none of them");
	if (vars && !json_is_object(vars))
		return output_mistake(a->o, name, "`vars` is not an object");
	a->groups[group].vars = vars;
	if (each_name(a, group, hosts, "hosts", add_host) < 0)
		return -1;
	return each_name(a, group, json_object_get(value, "children"), "children", add_child);
}

static int read_groups(struct ansible *a, const json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)root, name, value)
	{
		if (strcmp(name, "_meta") != 0 && read_group(a, name, value) < 0)
			return -1;
	}
	return 0;
}

/* Each after all that it is in. Those that are left over are in each other. */
static int measure(struct ansible *a)
{
	size_t *next = a->found, n = 0;

	for (size_t i = 0; i < a->n; i++)
		if (a->groups[i].waits_for == 0) {
			a->groups[i].depth = strcmp(a->groups[i].name, "all") != 0;
			next[n++] = i;
		}
	for (size_t done = 0; done < n; done++) {
		const struct group *group = &a->groups[next[done]];

		for (size_t i = 0; i < group->n_children; i++) {
			struct group *child = &a->groups[group->children[i]];

			if (child->depth < group->depth + 1)
				child->depth = group->depth + 1;
			if (--child->waits_for == 0)
				next[n++] = group->children[i];
		}
	}
	for (size_t i = 0; i < a->n && n < a->n; i++)
		if (a->groups[i].waits_for > 0) {
			output_mistake(a->o, a->groups[i].name,
			    "this group is among its own `children`, or theirs");
			return -1;
		}
	return 0;
}

int ansible_read_groups(struct ansible *a, const json_t *root)
{
	a->numbers = json_object();
	a->hosts = json_object();
	if (!a->numbers || !a->hosts)
		return ansible_no_memory(a);
	if (read_groups(a, root) < 0)
		return -1;
	a->found = calloc(a->n + 1, sizeof(*a->found));
	return a->found ? measure(a) : ansible_no_memory(a);
}

/* ---- the groups of a host */

static int find_with_parents(struct ansible *a, size_t first, size_t host)
{
	if (a->groups[first].seen_by == host)
		return 0;
	a->groups[first].seen_by = host;
	a->found[a->n_found++] = first;
	for (size_t done = a->n_found - 1; done < a->n_found; done++) {
		const struct group *group = &a->groups[a->found[done]];

		if (climb(a, group->name, group->n_parents + 1) < 0)
			return -1;
		for (size_t i = 0; i < group->n_parents; i++) {
			struct group *parent = &a->groups[group->parents[i]];

			if (parent->seen_by == host)
				continue;
			parent->seen_by = host;
			a->found[a->n_found++] = group->parents[i];
		}
	}
	return 0;
}

static int compare_groups(const void *left, const void *right, void *context)
{
	const struct group *groups = context, *a = &groups[*(const size_t *)left],
			   *b = &groups[*(const size_t *)right];

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return strcmp(a->name, b->name);
}

int ansible_find_groups(struct ansible *a, const json_t *direct, size_t number)
{
	const json_t *all = json_object_get(a->numbers, "all");

	a->n_found = 0;
	for (size_t i = 0; i < json_array_size(direct); i++)
		if (find_with_parents(
			a, (size_t)json_integer_value(json_array_get(direct, i)), number) < 0)
			return -1;
	if (all && find_with_parents(a, (size_t)json_integer_value(all), number) < 0)
		return -1;
	qsort_r(a->found, a->n_found, sizeof(*a->found), compare_groups, a->groups);
	return 0;
}

void ansible_release(struct ansible *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->groups[i].tag);
		free(a->groups[i].parents);
		free(a->groups[i].children);
	}
	free(a->groups);
	free(a->found);
	json_decref(a->numbers);
	json_decref(a->hosts);
}
