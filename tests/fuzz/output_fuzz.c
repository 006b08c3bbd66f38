/* Any bytes as what a program printed, over an inventory of a few lines: read, checked, asked and
 * freed. Neither the file system nor the environment is touched. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] = "project: shop\nservices: {web: {image: web}}\n"
			   "environments: {prod: {hosts: ['*']}}\n";

static const char *variable(void *context, const char *name)
{
	(void)context;
	(void)name;
	return NULL;
}

static int read_file(void *context, const char *path, size_t max, char **ret_text, size_t *ret_len,
    struct error *err)
{
	(void)context;
	(void)max;
	*ret_text = NULL;
	*ret_len = 0;
	return error_set(err, ERROR_INVENTORY, "cannot read %s", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct source source = {NULL, variable, read_file};
	const struct source_text texts[] = {
	    {.name = "shipit.yml", .text = base, .len = strlen(base)},
	    {.name = "hosts.py", .text = (const char *)data, .len = size, .is_output = true},
	};
	const struct source_texts from = {texts, 2, "both", "/project/shipit.yml", "/project"};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};

	int result = inventory_parse_all(&from, &source, &inv, &problems, &err);
	if ((result == 0) != (inv != NULL) || (result == 0) != (problems.n == 0))
		abort();
	for (size_t i = 0; i < problems.n; i++)
		if (!problems.v[i].text[0])
			abort();
	if (inv && (inv->n_hosts == 0 || !inv->hosts[0].name[0]))
		abort();
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	return 0;
}
