/* Every allocation is made to fail in turn: reading an inventory then ends with the error for it,
 * or as ever, and nothing is lost. The loop is bounded by the first round in which nothing failed.
 *
 * malloc and its kin are replaced here and pass on to the next in line, which under a sanitizer is
 * the sanitizer's. Without one, what was not freed is counted; with one, it looks itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>

#include "tests/unit/inventory_dump.h"
#include "tests/unit/inventory_fake.h"

#if defined(__SANITIZE_THREAD__)
#define REPLACED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED 0
#endif
#endif
#ifndef REPLACED
#define REPLACED 1
#endif

static long fail_at; /* 0: never; counts down while armed */
static long alive;
static bool armed, failed;

#if REPLACED
static bool fails(void)
{
	if (!armed || fail_at == 0 || --fail_at > 0)
		return false;
	failed = true;
	return true;
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

/* dlsym itself may want memory before there is any to be had. */
static char early[4096];
static size_t early_used;
static bool asking;

static void *early_memory(size_t size)
{
	size_t at = (early_used + 15) & ~(size_t)15;

	if (size > sizeof(early) - at)
		abort();
	early_used = at + size;
	return early + at;
}

void *malloc(size_t size)
{
	static void *(*real)(size_t);

	if (asking)
		return early_memory(size);
	if (!real) {
		asking = true;
		*(void **)&real = next("malloc");
		asking = false;
	}
	if (fails())
		return NULL;
	alive += armed;
	return real(size);
}

void *calloc(size_t n, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (asking)
		return early_memory(n * size);
	if (!real) {
		asking = true;
		*(void **)&real = next("calloc");
		asking = false;
	}
	if (fails())
		return NULL;
	alive += armed;
	return real(n, size);
}

void *realloc(void *old, size_t size)
{
	static void *(*real)(void *, size_t);

	if (!real) {
		asking = true;
		*(void **)&real = next("realloc");
		asking = false;
	}
	if (fails())
		return NULL;
	alive += armed && !old;
	return real(old, size);
}

void free(void *old)
{
	static void (*real)(void *);

	if ((char *)old >= early && (char *)old < early + sizeof(early))
		return;
	if (asking)
		return;
	if (!real) {
		asking = true;
		*(void **)&real = next("free");
		asking = false;
	}
	alive -= armed && old;
	real(old);
}
#endif

static char folder[] = "tests/unit/golden/inventory";
static const char more[] = "tests/unit/golden/sources";

static char *read_case(const char *in, const char *name, size_t *ret_len)
{
	char path[512];
	char *text = NULL;
	struct error err = {0};

	snprintf(path, sizeof(path), "%s/%s", in, name);
	assert_int_equal(
	    source_system.read_file(NULL, path, (size_t)1 << 20, &text, ret_len, &err), 0);
	return text;
}

/* Once, with the `n`th allocation failing. Returns whether one did. */
static bool one_round(const struct source_texts *from, long n, bool good)
{
	struct source source = {folder, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};

	alive = 0;
	failed = false;
	fail_at = n;
	armed = true;
	int result = inventory_parse_all(from, &source, &inv, &problems, &err);
	armed = false;
	if (result == 0)
		assert_true(good && inv && problems.n == 0);
	else if (err.kind != ERROR_MEMORY)
		assert_true((failed || !good) && err.kind == ERROR_INVENTORY);
	if (result < 0)
		assert_null(inv);
	armed = true;
	inventory_free(inv);
	problems_release(&problems);
	error_release(&err);
	armed = false;
#if !defined(__SANITIZE_ADDRESS__)
	assert_int_equal(alive, 0);
#endif
	return failed;
}

static void check_texts(const struct source_text *v, size_t n_texts, bool good)
{
	const struct source_texts from = {v, n_texts, "it", "/project/shipit.yml", "/project"};
	long n = 1;

	while (one_round(&from, n, good))
		n++;
	if (REPLACED)
		assert_true(n > 20);
}

static void check_case(const char *name, bool good)
{
	struct source_text one = {.name = "shipit.yml"};
	char *file = string_printf("%s.yml", name), *text = read_case(folder, file, &one.len);

	one.text = text;
	check_texts(&one, 1, good);
	free(text);
	free(file);
}

static void check_two(const char *under, const char *over, bool is_output, bool good)
{
	struct source_text two[2] = {
	    {.name = "shipit.yml"}, {.name = "more", .is_output = is_output}};
	char *first = read_case(more, under, &two[0].len);
	char *second = read_case(more, over, &two[1].len);

	two[0].text = first;
	two[1].text = second;
	check_texts(two, 2, good);
	free(first);
	free(second);
}

static void test_several(void **state UNUSED)
{
	check_two("over.1.yml", "over.2.yml", false, true);
	check_two("over-mistakes.1.yml", "over-mistakes.2.yml", false, false);
	check_two("base.yml", "own.2.json", true, true);
	check_two("base.yml", "own-mistakes.2.json", true, false);
	check_two("base.yml", "ansible.2.json", true, true);
	check_two("base.yml", "ansible-no-meta.2.json", true, true);
	check_two("base.yml", "ansible-mistakes.2.json", true, false);
	check_two("base.yml", "ansible-values.2.json", true, false);
	check_two("base.yml", "ansible-circle.2.json", true, false);
}

static void test_good(void **state UNUSED)
{
	check_case("good-design", true);
	check_case("good-compose", true);
	check_case("good-hosts", true);
	check_case("good-interpolation", true);
	check_case("good-reset", true);
	check_case("good-taken", true);
	check_case("extends", true);
	check_case("extends-reset", true);
	check_case("good-keys", true);
	check_case("good-networks", true);
	check_case("good-volumes", true);
}

static void test_mistakes(void **state UNUSED)
{
	static const char *const names[] = {"ten-mistakes", "yaml-syntax", "yaml-tag",
	    "environment-hosts", "depends", "key-later", "key-missing-misspelt", "env-file",
	    "interpolation", "volumes", "ports", "devices", "host-address", "ports-conflict",
	    "environment-hosts", "key-elsewhere", "yaml-duplicate-key", "yaml-merge-of-text",
	    "labels-list", "extends-mistakes", "extends-depends", "keys", "networks-map",
	    "resources", "volumes-long"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		check_case(names[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
