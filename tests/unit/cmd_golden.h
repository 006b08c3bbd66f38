/* What the tests of cmd/ share: output into memory, and its comparison with a file below
 * tests/unit/golden/cmd. GOLDEN_UPDATE=1 writes what is, to be read by somebody before it is
 * committed. Runs from the top of the repository. */
#ifndef TESTS_UNIT_CMD_GOLDEN_H
#define TESTS_UNIT_CMD_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

/* A stream whose content is `text` after each fflush. */
struct memory {
	FILE *file;
	char *text;
	size_t len;
};

static inline void memory_open(struct memory *memory)
{
	memory->text = NULL;
	memory->file = open_memstream(&memory->text, &memory->len);
	assert_non_null(memory->file);
}

static inline void memory_close(struct memory *memory)
{
	fclose(memory->file);
	free(memory->text);
}

static inline void golden_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void golden_compare(const char *name, const char *text)
{
	char path[512];
	struct buf expected = BUF_INIT((size_t)1 << 20);
	char chunk[4096];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "tests/unit/golden/cmd/%s", name);
	if (getenv("GOLDEN_UPDATE") != NULL)
		golden_write(path, text);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot read %s; GOLDEN_UPDATE=1 writes it", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_int_equal(buf_add(&expected, chunk, n), 0);
	fclose(file);
	assert_string_equal(text, expected.data);
	buf_release(&expected);
}

#endif
