#include "inventory/hints.h"

#include <string.h>

#include "base/text.h"
#include "inventory/keys.h"
#include "inventory/problems.h"

/* ---- kinds ---- */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* "image:nginx" and "image = nginx" are one word each to YAML. */
static int hint_text_for_map(struct reader *r, const char *text, const char *expected)
{
	const char *colon = strchr(text, ':'), *equals = strchr(text, '=');
	char shown[SHOWN_SIZE];

	if (strstr(expected, "KEY=VALUE") && equals)
		return mistake_hint(r, "write [\"%s\"]", show_text(shown, text));
	if (begins(expected, "a mapping of hosts"))
		return mistake_hint(r, "write [%s]", show_text(shown, text));
	if (colon && colon > text && colon[1] && !strchr(" /", colon[1]))
		return mistake_hint(r, "a space is missing after the colon");
	if (equals && equals > text)
		return mistake_hint(r, "write `key: value` instead of \"key = value\"");
	return mistake_hint(r, "a mapping has lines of `key: value`, indented below its own key");
}

static int hint_text_for_list(struct reader *r, const struct node *node)
{
	char shown[SHOWN_SIZE];

	if (!node->quoted && node->text[0] == '-' && node->text[1])
		return mistake_hint(r, "a space is missing after \"-\"");
	return mistake_hint(r, "write [\"%s\"]", show_text(shown, node->text));
}

/* "- A: 1" where "- A=1" was meant, or a text with a colon in it. */
static int hint_map_for_text(struct reader *r, const struct node *node, const char *expected)
{
	const struct entry *entry = node->n == 1 ? &node->entries[0] : NULL;
	char key[SHOWN_SIZE], value[SHOWN_SIZE];
	bool text = begins(expected, "a text") || begins(expected, "KEY=VALUE");

	if (entry && begins(expected, "true or false") && strcmp(entry->key->text, "name") == 0)
		return mistake_hint(r, "write `external: true`, and `name` beside it");
	if (!text || !entry || !entry->value->text)
		return 0;
	show_text(key, entry->key->text);
	show_text(value, entry->value->text);
	if (strcmp(expected, "KEY=VALUE") == 0)
		return mistake_hint(
		    r, "write `%s=%s`, or leave \"- \" out of all of them", key, value);
	return mistake_hint(r, "if it is one text, put it in quotes: \"%s: %s\"", key, value);
}

/* {web1: } and {data: /data} */
static int hint_map_for_list(struct reader *r, const struct node *node, const char *expected)
{
	const struct entry *entry = node->n > 0 ? &node->entries[0] : NULL;
	bool pair = begins(expected, "a list of volumes") || begins(expected, "a list of ports");
	char key[SHOWN_SIZE], value[SHOWN_SIZE];

	if (entry && entry->value->kind == NODE_NULL)
		return mistake_hint(r, "write [%s]", show_text(key, entry->key->text));
	if (entry && pair && entry->value->kind == NODE_SCALAR)
		return mistake_hint(r, "write [\"%s:%s\"]", show_text(key, entry->key->text),
		    show_text(value, entry->value->text));
	return mistake_hint(r, "the items of a list begin with \"- \"");
}

int hint_kind(struct reader *r, const struct node *node, const char *expected)
{
	bool map = begins(expected, "a mapping"), list = begins(expected, "a list");

	if (strstr(expected, "such as") && node->kind != NODE_NULL)
		return 0;
	switch (node->kind) {
	case NODE_SCALAR:
		return map    ? hint_text_for_map(r, node->text, expected)
		       : list ? hint_text_for_list(r, node)
			      : 0;
	case NODE_LIST:
		if (map)
			return mistake_hint(
			    r, "a mapping has lines of `key: value`, without \"- \"");
		return list ? 0
			    : mistake_hint(r, "write one value, without \"- \" and without [ ]");
	case NODE_MAP:
		return list  ? hint_map_for_list(r, node, expected)
		       : map ? 0
			     : hint_map_for_text(r, node, expected);
	case NODE_NULL:
		break;
	}
	if (map)
		return mistake_hint(r, "what belongs to it stands below it, indented by two spaces "
				       "more");
	return mistake_hint(r, "write a value after the colon, or leave the key out");
}

int hint_empty(struct reader *r, const struct node *node)
{
	if (!node->variables)
		return 0;
	return mistake_hint(r, "a variable in it is not set, or empty");
}

/* ---- names ---- */

int hint_nearest(
    struct reader *r, const char *word, const char *before, const char *const *known, size_t n)
{
	const char *nearest = text_nearest(word, known, n);

	return nearest ? mistake_hint(r, "did you mean \"%s%s\"?", before, nearest) : 0;
}

int hint_names(struct reader *r, const char *word, const char *what, const char *before,
    const struct strv *known)
{
	enum { SHOWN_NAMES = 8 };
	CLEANUP_BUF struct buf list = BUF_INIT(4096);

	if (text_nearest(word, (const char *const *)known->v, known->n))
		return hint_nearest(r, word, before, (const char *const *)known->v, known->n);
	for (size_t i = 0; i < known->n && i < SHOWN_NAMES; i++)
		if (buf_addf(&list, "%s%s%s", i > 0 ? ", " : "", before, known->v[i]) < 0)
			return -1;
	if (known->n == 0)
		return 0;
	if (known->n > SHOWN_NAMES)
		return mistake_hint(
		    r, "known %s: %s and %zu more", what, list.data, known->n - SHOWN_NAMES);
	return mistake_hint(r, "known %s: %s", what, list.data);
}

/* ---- keys ---- */

int hint_missing(struct reader *r, const struct key_table *table, const struct key *key)
{
	static const struct {
		const struct key_table *table;
		const char *key, *example;
	} examples[] = {
	    {&top_table, "project", "project: shop"},
	    {&top_table, "services", "services: {web: {image: nginx}}"},
	    {&top_table, "hosts", "hosts: {web1: {address: deploy@10.0.0.9}}"},
	    {&top_table, "environments", "environments: {prod: {hosts: [web1]}}"},
	    {&environment_table, "hosts", "hosts: [web1, \"tag:web\"]"},
	    {&build_table, "context", "context: ."},
	    {&secret_file_table, "source", "source: db_password"},
	    {&port_table, "target", "target: 80"},
	    {&volume_table, "target", "target: /data"},
	    {&http_probe_table, "url", "url: \"http://:8080/healthz\""},
	    {&tcp_probe_table, "address", "address: 5432"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		if (examples[i].table == table && strcmp(examples[i].key, key->name) == 0)
			return mistake_hint(r, "for instance `%s`", examples[i].example);
	return mistake_hint(r, "`%s`: %s", key->name, key->doc);
}

const struct synonym *find_synonym(const struct key_table *table, const char *word)
{
	static const char groups[] = "hosts stand below `hosts` themselves; a host's `tags` make "
				     "groups, and `tag:NAME` means all of one";
	static const char keys[] = "keys are chosen by ~/.ssh/config and the agent: write "
				   "`IdentityFile` there";
	static const char variables[] = "variables stand in `environment` of a service, a host or "
					"one of the environments";
	static const struct synonym synonyms[] = {
	    {&top_table, "all", "hosts", groups},
	    {&top_table, "servers", "hosts", NULL},
	    {&top_table, "machines", "hosts", NULL},
	    {&top_table, "nodes", "hosts", NULL},
	    {&top_table, "inventory", "hosts", NULL},
	    {&top_table, "stages", "environments", NULL},
	    {&top_table, "envs", "environments", NULL},
	    {&top_table, "containers", "services", NULL},
	    {&top_table, "apps", "services", NULL},
	    {&top_table, "env", NULL, variables},
	    {&top_table, "vars", NULL, variables},
	    {&host_table, "hosts", NULL, groups},
	    {&host_table, "children", NULL, groups},
	    {&host_table, "groups", "tags", NULL},
	    {&host_table, "group", "tags", NULL},
	    {&host_table, "labels", "tags", NULL},
	    {&host_table, "roles", "tags", NULL},
	    {&host_table, "role", "tags", NULL},
	    {&host_table, "ansible_host", "address", NULL},
	    {&host_table, "ansible_ssh_host", "address", NULL},
	    {&host_table, "host", "address", NULL},
	    {&host_table, "hostname", "address", NULL},
	    {&host_table, "ip", "address", NULL},
	    {&host_table, "ansible_user", "user", NULL},
	    {&host_table, "ansible_ssh_user", "user", NULL},
	    {&host_table, "username", "user", NULL},
	    {&host_table, "login", "user", NULL},
	    {&host_table, "ansible_port", "port", NULL},
	    {&host_table, "ansible_ssh_port", "port", NULL},
	    {&host_table, "ansible_ssh_private_key_file", NULL, keys},
	    {&host_table, "identity_file", NULL, keys},
	    {&host_table, "private_key", NULL, keys},
	    {&host_table, "ssh_key", NULL, keys},
	    {&host_table, "key", NULL, keys},
	    {&host_table, "name", NULL, "a host is called by its key; `address` is where it is"},
	    {&host_table, "env", "environment", NULL},
	    {&host_table, "vars", "environment", NULL},
	    {&ssh_table, "identity_file", NULL, keys},
	    {&ssh_table, "private_key", NULL, keys},
	    {&ssh_table, "key", NULL, keys},
	    {&environment_table, "env", "environment", NULL},
	    {&environment_table, "vars", "environment", NULL},
	    {&environment_table, "variables", "environment", NULL},
	    {&environment_table, "servers", "hosts", NULL},
	    {&environment_table, "nodes", "hosts", NULL},
	    {&environment_table, "targets", "hosts", NULL},
	    {&environment_table, "strategy", "rollout", NULL},
	    {&service_table, "env", "environment", NULL},
	    {&service_table, "vars", "environment", NULL},
	    {&service_table, "variables", "environment", NULL},
	    {&service_table, "cmd", "command", NULL},
	    {&service_table, "run", "command", NULL},
	    {&service_table, "publish", "ports", NULL},
	    {&service_table, "mounts", "volumes", NULL},
	    {&service_table, "needs", "depends_on", NULL},
	    {&service_table, "restart_policy", "restart", NULL},
	    {&service_table, "memory", "mem_limit", NULL},
	    {&service_table, "cpu", "cpus", NULL},
	    {&service_table, "workdir", "working_dir", NULL},
	    {&service_table, "tag", NULL, "it is a part of the image's name: `image: NAME:TAG`"},
	    {&service_table, "replicas", NULL, "a service is one container on each of its hosts"},
	    {&service_table, "servers", "hosts", NULL},
	    {&build_table, "path", "context", NULL},
	    {&build_table, "dir", "context", NULL},
	    {&build_table, "file", "dockerfile", NULL},
	    {&build_table, "build_args", "args", NULL},
	    {&tcp_probe_table, "port", "address", NULL},
	    {&http_probe_table, "port", "url", NULL},
	    {&http_probe_table, "path", "url", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (synonyms[i].table == table && strcmp(synonyms[i].word, word) == 0)
			return &synonyms[i];
	return NULL;
}
