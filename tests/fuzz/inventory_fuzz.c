/* Any bytes as shipit.yml: read, checked, asked and freed. What follows a NUL byte is the content
 * of every file that it names. Neither the file system nor the environment is touched. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/resolved.h"
#include "inventory/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOSTS_MAX = 100 }; /* a range stands for thousands, of which each is the same */

struct input {
	const char *file;
	size_t len;
};

static const char *variable(void *context, const char *name)
{
	(void)context;
	if (strcmp(name, "HOME") == 0)
		return "/home/ann";
	if (strcmp(name, "BAD") == 0)
		return "\xff";
	return name[0] == 'A' ? name : NULL;
}

static int read_file(void *context, const char *path, size_t max, char **ret_text, size_t *ret_len,
    struct error *err)
{
	const struct input *input = context;

	if (!input->file || input->len > max)
		return error_set(err, ERROR_INVENTORY, "cannot read %s", path);
	*ret_text = calloc(1, input->len + 1);
	if (!*ret_text)
		return error_memory(err);
	memcpy(*ret_text, input->file, input->len);
	*ret_len = input->len;
	return 0;
}

/* A good inventory has to answer whatever is asked of it. */
static void ask(const struct inventory *inv)
{
	json_t *all = resolved_project(inv);

	for (size_t i = 0; i < inv->n_environments; i++) {
		const struct environment *env = &inv->environments[i];
		const struct host **hosts;
		size_t n = 0;

		if (inventory_hosts_of(inv, env, &hosts, &n, NULL) < 0 || n == 0)
			abort();
		for (size_t k = 0; k < inv->n_services; k++)
			inventory_runs_on(inv, env, &inv->services[k], hosts[0]);
		free(hosts);
		free(inventory_prefix(inv, env));
		/* What a run cannot have is an error there; so is running out of memory. */
		if (inv->n_hosts < HOSTS_MAX)
			resolved_add_environment(all, inv, env, NULL);
	}
	json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size > 0 ? memchr(text, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - text) : size;
	struct input input = {end ? end + 1 : NULL, end ? size - len - 1 : 0};
	struct source source = {&input, variable, read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};

	int result =
	    inventory_parse(text, len, "shipit.yml", "/project", &source, &inv, &problems, &err);
	if ((result == 0) != (inv != NULL) || (result == 0) != (problems.n == 0))
		abort();
	for (size_t i = 0; i < problems.n; i++)
		if (!problems.v[i].text[0] || problems.v[i].pos.line < 1)
			abort();
	if (inv)
		ask(inv);
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	return 0;
}
