/* docs/compose.md says of each of Compose's keys what becomes of it: the tables there are written
 * from those that read a file. GOLDEN_UPDATE=1 writes what is. Runs from the top of the
 * repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "deploy/settings.h"
#include "inventory/keys.h"

static const char page_path[] = "docs/compose.md";
static const char begin_mark[] = "GOLDEN_UPDATE=1 writes them anew -->\n";
static const char end_mark[] = "<!-- end -->\n";

static const struct {
	const char *title;
	const struct key_table *table;
} sections[] = {
    {"The file", &compose_table},
    {"A service", &service_table},
    {"`build`", &build_table},
    {"`deploy`", &deploy_table},
    {"`deploy.resources`", &resources_table},
    {"`deploy.resources.limits`", &limits_table},
    {"`deploy.resources.reservations`", &reservations_table},
    {"A device request: of `gpus`, and of `devices` there", &gpu_table},
    {"A network of a service", &service_network_table},
    {"A port", &port_table},
    {"A volume of a service", &volume_table},
    {"Its `bind`", &bind_table},
    {"Its `volume`", &volume_options_table},
    {"Its `tmpfs`", &tmpfs_table},
    {"A device", &device_table},
    {"A secret of a service", &secret_file_table},
    {"A secret of `build`", &build_secret_table},
    {"`healthcheck`", &healthcheck_table},
    {"`depends_on`", &dependency_table},
    {"`env_file`", &env_file_table},
    {"`logging`", &logging_table},
    {"`ulimits`", &limit_table},
    {"`blkio_config`", &blkio_table},
    {"Its rates", &rate_table},
    {"Its weights", &weight_table},
    {"A network", &network_table},
    {"`ipam`", &ipam_table},
    {"Its `config`", &pool_table},
    {"A named volume", &named_volume_table},
    {"A secret", &secret_table},
};

/* What Compose does not know. */
static const struct {
	const struct key_table *table;
	const char *key;
} own[] = {
    {&service_table, "hosts"},
    {&service_table, "ready"},
    {&service_table, "before"},
    {&service_table, "order"},
    {&service_table, "retain"},
    {&build_table, "needs"},
    {&build_table, "run"},
    {&build_table, "step"},
    {&build_table, "steps"},
    {&secret_table, "env"},
    {&secret_table, "command"},
};

static bool is_own(const struct key_table *table, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i].table == table && strcmp(own[i].key, key) == 0)
			return true;
	return false;
}

/* "--cap-add", of a service's key; NULL: there is none. */
static const char *option_of(const struct key_table *table, const char *key)
{
	for (size_t i = 0; i < n_settings && table == &service_table; i++)
		if (strcmp(settings[i].key, key) == 0)
			return settings[i].option;
	return NULL;
}

static void add_row(struct buf *out, const struct key_table *table, const struct key *key)
{
	const char *option = option_of(table, key->name);
	const char *doc = key->doc ? key->doc : "not in this version";

	if (key->kind == KEY_LATER)
		buf_addf(out, "| `%s` | refused | %s |\n", key->name, doc);
	else if (key->kind == KEY_IGNORED)
		buf_addf(out, "| `%s` | no effect | %s |\n", key->name, doc);
	else if (option)
		buf_addf(out, "| `%s` | honoured | `%s`: %s |\n", key->name, option, doc);
	else
		buf_addf(out, "| `%s` | honoured | %s |\n", key->name, doc);
}

static int by_name(const void *left, const void *right)
{
	const struct key *const *a = left, *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

static void add_section(struct buf *out, size_t at)
{
	const struct key_table *table = sections[at].table;
	const struct key *keys[SCHEMA_MAX_KEYS];
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++)
		if (!is_own(table, table->keys[i].name))
			keys[n++] = &table->keys[i];
	qsort(keys, n, sizeof(keys[0]), by_name);
	buf_addf(
	    out, "\n### %s\n\n| key | | how, or why not |\n|---|---|---|\n", sections[at].title);
	for (size_t i = 0; i < n; i++)
		add_row(out, table, keys[i]);
}

static char *read_page(void)
{
	static char *text;
	size_t len;
	struct error err = {0};

	if (source_system.read_file(NULL, page_path, (size_t)1 << 20, &text, &len, &err) < 0)
		fail_msg("%s", error_text(&err));
	return text;
}

static void write_page(const char *page, const char *begin, const char *end, const struct buf *rows)
{
	FILE *file = fopen(page_path, "w");

	assert_non_null(file);
	fwrite(page, 1, (size_t)(begin - page), file);
	fwrite(rows->data, 1, rows->len, file);
	fputs(end, file);
	assert_int_equal(fclose(file), 0);
}

static void test_page(void **state UNUSED)
{
	struct buf rows = BUF_INIT(1 << 20);
	char *page = read_page(), *begin = strstr(page, begin_mark), *end;

	assert_non_null(begin);
	begin += strlen(begin_mark);
	end = strstr(begin, end_mark);
	assert_non_null(end);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		add_section(&rows, i);
	buf_addc(&rows, '\n');
	if (getenv("GOLDEN_UPDATE"))
		write_page(page, begin, end, &rows);
	else if ((size_t)(end - begin) != rows.len || memcmp(begin, rows.data, rows.len) != 0)
		fail_msg("docs/compose.md is not what the tables say; GOLDEN_UPDATE=1 writes it");
	free(page);
	buf_release(&rows);
}

/* Whoever is refused a key learns why, or what to do instead. */
static void test_reasons(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		for (size_t k = 0; k < sections[i].table->n; k++)
			if (!sections[i].table->keys[k].doc && sections[i].table != &build_table)
				fail_msg("nothing is said about `%s` of %s",
				    sections[i].table->keys[k].name, sections[i].table->what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_page),
	    cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
