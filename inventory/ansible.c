/* What Ansible's dynamic inventories print for --list, as shipit.yml would have it:
 *
 *   {"web": {"hosts": ["web1"], "vars": {...}, "children": ["eu"]}, "old": ["db1"],
 *    "_meta": {"hostvars": {"web1": {"ansible_host": "10.0.0.1"}}}}
 *
 * (docs.ansible.com, "Developing dynamic inventory", and what its script plugin takes.) Groups
 * become tags of their hosts, also those of the groups they are children of. Of variables, those of
 * a host go over those of its groups, of groups the deeper ones over those that they are in, of
 * equals the later name; `all` is under everything. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "inventory/ansible.h"
#include "inventory/problems.h"

/* The first of `names` that somebody sets for this host, and the way to it. */
static const json_t *find_var(
    struct ansible *a, const char *host, const char *const *names, const char **ret_path)
{
	const json_t *own = json_object_get(a->hostvars, host);

	for (size_t i = 0; names[i]; i++) {
		const json_t *value = json_object_get(own, names[i]);

		if (value && !json_is_null(value)) {
			*ret_path = output_path(a->o, "_meta.hostvars.%s.%s", host, names[i]);
			return value;
		}
	}
	for (size_t g = a->n_found; g-- > 0;)
		for (size_t i = 0; names[i]; i++) {
			const struct group *group = &a->groups[a->found[g]];
			const json_t *value = json_object_get(group->vars, names[i]);

			if (value && !json_is_null(value)) {
				*ret_path = output_path(a->o, "%s.vars.%s", group->name, names[i]);
				return value;
			}
		}
	return NULL;
}

static const struct mapped {
	const char *key;
	const char *names[4];
} mapped[] = {
    {"address", {"ansible_host", "ansible_ssh_host"}},
    {"port", {"ansible_port", "ansible_ssh_port"}},
    {"user", {"ansible_user", "ansible_ssh_user"}},
};

static int add_mapped(struct ansible *a, struct node *map, const char *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(mapped); i++) {
		const char *path;
		const json_t *value = find_var(a, host, mapped[i].names, &path);

		if (value &&
		    output_set(a->o, map, mapped[i].key, output_value(a->o, value, path)) < 0)
			return -1;
	}
	return 0;
}

static int add_tags(struct ansible *a, struct node *map, const char *path)
{
	struct node *tags = NULL;

	for (size_t i = 0; i < a->n_found; i++) {
		const char *tag = a->groups[a->found[i]].tag;

		if (!tag)
			continue;
		if (!tags && !(tags = output_node(a->o, NODE_LIST, path)))
			return -1;
		if (output_add(a->o, tags, output_text(a->o, tag, path)) < 0)
			return -1;
	}
	return tags ? output_set(a->o, map, "tags", tags) : 0;
}

/* The variable `shipit` has keys of a host as shipit.yml has them. Its tags are more tags. */
static int add_own(struct ansible *a, struct node *map, const char *host)
{
	static const char *const names[] = {"shipit", NULL};
	const char *path;
	const json_t *value = find_var(a, host, names, &path);
	struct node *own = value ? output_value(a->o, value, path) : NULL;

	if (!value)
		return 0;
	if (!own)
		return -1;
	if (own->kind != NODE_MAP)
		return output_mistake(a->o, path, "it is not an object with keys of a host");
	for (size_t i = 0; i < own->n; i++) {
		const struct entry *entry = &own->entries[i];
		const struct entry *tags =
		    strcmp(entry->key->text, "tags") == 0 ? node_find(map, "tags") : NULL;

		if (tags && entry->value->kind == NODE_LIST) {
			for (size_t k = 0; k < entry->value->n; k++)
				if (output_add(a->o, tags->value, entry->value->items[k]) < 0)
					return -1;
		} else if (output_set(a->o, map, entry->key->text, entry->value) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Containers, network gear, this machine: what is not reached by SSH is none of ours. */
static bool is_by_ssh(struct ansible *a, const char *host)
{
	static const char *const names[] = {"ansible_connection", NULL};
	static const char *const by_ssh[] = {"ssh", "smart", "paramiko", "paramiko_ssh",
	    "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"};
	const char *path;
	const char *connection = json_string_value(find_var(a, host, names, &path));

	for (size_t i = 0; connection && i < ARRAY_SIZE(by_ssh); i++)
		if (strcmp(connection, by_ssh[i]) == 0)
			return true;
	return !connection;
}

static int add_host_node(
    struct ansible *a, struct node *hosts, const char *name, const json_t *direct, size_t number)
{
	const json_t *vars = json_object_get(a->hostvars, name);
	const char *path;

	if (ansible_find_groups(a, direct, number) < 0)
		return -1;
	if (!is_by_ssh(a, name))
		return a->o->no_memory ? -1 : 0;
	path = vars ? output_path(a->o, "_meta.hostvars.%s", name)
		    : output_path(a->o, "%s.hosts",
			  a->groups[json_integer_value(json_array_get(direct, 0))].name);
	struct node *map = path ? output_node(a->o, NODE_MAP, path) : NULL;
	if (!map || add_mapped(a, map, name) < 0 || add_tags(a, map, path) < 0 ||
	    add_own(a, map, name) < 0)
		return -1;
	if (vars && !json_is_object(vars) &&
	    output_mistake(a->o, path, "the variables of a host are not an object") < 0)
		return -1;
	/* Names are unique here; output_set would look for it among all. */
	return output_append(a->o, hosts, name, map);
}

static struct node *make_hosts(struct ansible *a)
{
	struct node *hosts = output_node(a->o, NODE_MAP, "");
	size_t number = 0;
	const char *name;
	json_t *direct;

	json_object_foreach(a->hosts, name, direct)
	{
		if (!hosts || add_host_node(a, hosts, name, direct, ++number) < 0)
			return NULL;
	}
	return hosts;
}

/* Ansible would ask for each host by itself. */
static int warn_without_meta(struct ansible *a, const json_t *meta)
{
	struct inventory *inv = a->o->r->inv;
	const struct position pos = {.file = a->o->file, .path = ""};

	if (meta || json_object_size(a->hosts) == 0)
		return 0;
	return problem_add(&inv->warnings, &pos,
		   "it prints no `_meta`, so hosts have no variables of their own: it is not "
		   "called with --host") < 0
		   ? ansible_no_memory(a)
		   : 0;
}

static struct node *make_root(struct ansible *a, const json_t *root)
{
	const json_t *meta = json_object_get(root, "_meta");

	a->hostvars = json_object_get(meta, "hostvars");
	if (meta && !json_is_object(a->hostvars) && json_object_size(meta) > 0 &&
	    output_mistake(a->o, "_meta", "`hostvars` is not an object") < 0)
		return NULL;
	if (ansible_read_groups(a, root) < 0 || warn_without_meta(a, meta) < 0)
		return NULL;
	struct node *hosts = make_hosts(a), *map = hosts ? output_node(a->o, NODE_MAP, "") : NULL;
	return map && output_set(a->o, map, "hosts", hosts) == 0 ? map : NULL;
}

struct node *ansible_tree(struct output *o, const json_t *root)
{
	struct ansible a = {.o = o};
	struct node *map = make_root(&a, root);

	ansible_release(&a);
	return map;
}
