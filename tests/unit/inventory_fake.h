/* A source of variables and files that is the same on every computer. */
#ifndef SHIPIT_TESTS_UNIT_INVENTORY_FAKE_H
#define SHIPIT_TESTS_UNIT_INVENTORY_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "inventory/source.h"

static inline const char *fake_variable(void *context UNUSED, const char *name)
{
	static const char *const variables[][2] = {
	    {"HOME", "/home/ann"},
	    {"GIT_SHA", "4f9e2d1"},
	    {"EMPTY", ""},
	    {"USERNAME", "1000"},
	    {"RETAIN", "5"},
	    {"PORT", "8080"},
	    {"A", "a"},
	    {"BAD_BYTES", "\xff"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (strcmp(name, variables[i][0]) == 0)
			return variables[i][1];
	return NULL;
}

/* The file system stands still: what lies in "/project" is in the folder `context`. */
static inline int fake_read_file(void *context, const char *path, size_t max, char **ret_text,
    size_t *ret_len, struct error *err)
{
	static const char root[] = "/project/";
	char real[4096];

	if (strncmp(path, root, strlen(root)) != 0) {
		error_set(err, ERROR_INVENTORY, "cannot read %s: it is not in the test", path);
		return -1;
	}
	snprintf(real, sizeof(real), "%s/%s", (const char *)context, path + strlen(root));
	int result = source_system.read_file(NULL, real, max, ret_text, ret_len, err);
	if (result < 0 && err->kind != ERROR_MEMORY) {
		int code = err->code;

		error_set(err, ERROR_INVENTORY, "cannot read %s: %s", path, strerror(code));
		err->code = code;
	}
	return result;
}

#endif
