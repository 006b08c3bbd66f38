/* The registry of a rollout: accounts, what is left afterwards, a store over its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "deploy/local_registry.h"

static char folder[] = "/tmp/shipit-unit-XXXXXX";
static char *store_at;

static int set_up(void **state UNUSED)
{
	if (mkdtemp(folder) == NULL)
		return -1;
	store_at = string_printf("%s/store.db", folder);
	return setenv("SHIPIT_STORE", store_at, 1) < 0 || setenv("TMPDIR", folder, 1) < 0;
}

static int clean_up(void **state UNUSED)
{
	char *command = string_printf("rm -rf %s", folder);
	int rc = system(command);

	free(command);
	free(store_at);
	return rc;
}

static int files_in(const char *path)
{
	char *command = string_printf("exit $(ls -A %s | wc -l)", path);
	int status = system(command);

	free(command);
	return WEXITSTATUS(status);
}

static void open_it(struct local_registry *registry, bool dry_run)
{
	struct error err = {0};

	*registry = (struct local_registry){0};
	if (local_registry_open(registry, dry_run, &err) < 0)
		fail_msg("%s", error_text(&err));
}

static void each_host_has_an_account_of_its_own(void **state UNUSED)
{
	const char *const hosts[] = {"web1", "web2", "db1"};
	struct strv repositories[3] = {{0}, {0}, {0}};
	struct local_registry registry;
	struct error err = {0};
	struct stat file;

	open_it(&registry, false);
	assert_int_equal(strv_add(&repositories[0], "shop.prod.web"), 0);
	assert_int_equal(strv_add(&repositories[1], "shop.prod.web"), 0);
	if (local_registry_start(&registry, folder, NULL, hosts, repositories, 3, NULL, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_int_equal(stat(local_registry_address(&registry), &file), 0);
	assert_true(S_ISSOCK(file.st_mode));
	assert_int_equal(file.st_mode & 0777, 0600);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(strlen(registry.accounts[i].password), 64);
		assert_string_equal(registry.accounts[i].host, hosts[i]);
		assert_int_equal(local_registry_taken(&registry, i), 0);
	}
	assert_string_not_equal(registry.accounts[0].user, registry.accounts[1].user);
	assert_string_not_equal(registry.accounts[0].password, registry.accounts[1].password);
	local_registry_close(&registry);
	assert_int_equal(access(store_at, F_OK), 0);
	strv_release(&repositories[0]);
	strv_release(&repositories[1]);
}

static void starting_where_no_socket_can_be_is_an_error(void **state UNUSED)
{
	struct local_registry registry;
	struct error err = {0};

	open_it(&registry, false);
	assert_int_equal(
	    local_registry_start(&registry, "/nowhere/at/all", NULL, NULL, NULL, 0, NULL, &err),
	    -1);
	assert_non_null(strstr(error_text(&err), "cannot start the registry of this rollout"));
	error_release(&err);
	local_registry_close(&registry);
}

static void a_dry_run_leaves_nothing(void **state UNUSED)
{
	struct local_registry registry;
	int before = files_in(folder);

	open_it(&registry, true);
	assert_true(files_in(folder) > before);
	assert_string_not_equal(store_file(registry.store), store_at);
	local_registry_tidy(&registry, 0, -1, NULL);
	local_registry_close(&registry);
	assert_int_equal(files_in(folder), before);
}

/* --- a store over its limit */

enum { IMAGE_BYTES = 1024 * 1024 };

static void put_image(struct store *store, const char *tag)
{
	CLEANUP_FREE char *data = malloc(IMAGE_BYTES);
	CLEANUP_FREE char *manifest = NULL;
	struct blob_info config, layer;
	struct blob_writer *writer;

	for (size_t done = 0; done < IMAGE_BYTES; done += 256)
		assert_int_equal(getrandom(data + done, 256, 0), 256);
	assert_int_equal(blob_begin(store, BLOB_AS_IS, &writer, NULL), 0);
	assert_int_equal(blob_write(writer, data, IMAGE_BYTES, NULL), 0);
	assert_int_equal(blob_commit(writer, NULL, &layer, NULL), 0);
	assert_int_equal(blob_begin(store, BLOB_AS_IS, &writer, NULL), 0);
	assert_int_equal(blob_write(writer, "{}", 2, NULL), 0);
	assert_int_equal(blob_commit(writer, NULL, &config, NULL), 0);
	assert_int_equal(store_blob_link(store, "shop.prod.web", layer.digest, NULL), 0);
	assert_int_equal(store_blob_link(store, "shop.prod.web", config.digest, NULL), 0);
	manifest = string_printf(
	    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
	    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
	    "\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":"
	    "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%d}]}",
	    config.digest, layer.digest, IMAGE_BYTES);
	assert_int_equal(store_manifest_put(store, "shop.prod.web", tag, NULL, manifest,
			     strlen(manifest), false, (char[DIGEST_TEXT_SIZE]){0}, NULL),
	    0);
}

static size_t count_tags(struct store *store)
{
	CLEANUP_STRV struct strv tags = {0};
	bool more;

	assert_int_equal(store_tags(store, "shop.prod.web", NULL, 100, &tags, &more, NULL), 0);
	return tags.n;
}

/* What is retained stays, whatever the limit; below the limit all does. */
static void a_store_over_its_limit_is_made_smaller(void **state UNUSED)
{
	struct local_registry registry;
	struct events *events;
	struct event event;

	assert_int_equal(events_new(16, &events, NULL), 0);
	open_it(&registry, false);
	for (int i = 0; i < 4; i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "tag%d", i);
		put_image(registry.store, tag);
	}
	assert_int_equal(store_retain(registry.store, "shop.prod.web", 2, NULL), 0);
	local_registry_tidy(&registry, (uint64_t)1 << 30, -1, events);
	assert_int_equal(count_tags(registry.store), 4);
	assert_false(events_take(events, clock_now_ms(), &event));
	local_registry_tidy(&registry, 3 * IMAGE_BYTES / 2, -1, events);
	assert_int_equal(count_tags(registry.store), 2);
	assert_true(events_take(events, clock_now_ms() + 1000, &event));
	assert_int_equal(event.kind, EVENT_LOG);
	assert_int_equal(event.level, 1);
	assert_non_null(strstr(event.text, "2 images removed"));
	event_release(&event);
	local_registry_close(&registry);
	events_free(events);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_host_has_an_account_of_its_own),
	    cmocka_unit_test(starting_where_no_socket_can_be_is_an_error),
	    cmocka_unit_test(a_dry_run_leaves_nothing),
	    cmocka_unit_test(a_store_over_its_limit_is_made_smaller),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
