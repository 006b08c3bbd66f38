/* Import by the engine's own push, against a real engine: it carries what the store lacks when the
 * engine knows digests of the rest, and says so at once when it does not. */
#include <pthread.h>

#include "tests/e2e/engine_help.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "transport/registry/manifest.h"
#include "transport/registry/receive.h"

#define IMAGE "localhost/engine-receive:1"
#define BASE  "localhost/engine-receive:base"

enum { LAYERS = 4, LAYER_BYTES = 3 * 1000 * 1000 };

static struct engine *engine;
static struct store *store;
static char path[] = "/tmp/engine-receive.XXXXXX";
static unsigned int seed;

static int open_it(void **state UNUSED)
{
	char *file;

	seed = (unsigned int)clock_now_ms();
	assert_non_null(mkdtemp(path));
	file = string_printf("%s/store.db", path);
	works(store_open(file, &store, err));
	free(file);
	engine = open_engine(-1);
	load_image(engine, IMAGE, LAYERS, LAYER_BYTES, seed);
	return 0;
}

static int close_it(void **state UNUSED)
{
	char command[100];

	engine_image_remove(engine, IMAGE, true, NULL);
	engine_image_remove(engine, BASE, true, NULL);
	engine_close(engine);
	store_close(store);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static void store_layer(int number, char diff_id[DIGEST_TEXT_SIZE])
{
	struct buf tar = BUF_INIT(1 << 30);
	struct blob_writer *writer = NULL;
	struct blob_info info;

	make_layer(number, LAYER_BYTES, seed + (unsigned int)number, &tar);
	works(blob_begin(store, BLOB_LAYER, &writer, err));
	works(blob_write(writer, tar.data, tar.len, err));
	works(blob_commit(writer, NULL, &info, err));
	memcpy(diff_id, info.diff_id, DIGEST_TEXT_SIZE);
	buf_release(&tar);
}

static bool push(struct engine *to, const json_t *inspect, struct buf *config)
{
	bool whole;

	works(receive_push(store, to, IMAGE, inspect, config, &whole, err));
	return whole;
}

static bool has_import_tag(const json_t *inspect)
{
	const json_t *tag;
	size_t i;

	json_array_foreach(json_object_get(inspect, "RepoTags"), i, tag)
	{
		if (strstr(json_string_value(tag), "/import:") != NULL)
			return true;
	}
	return false;
}

static void without_anything_in_common_it_is_no_way(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	json_t *inspect = NULL;

	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_int_equal(receive_worth(store, engine, inspect), -1);
	assert_false(push(engine, inspect, &config));
	json_decref(inspect);
}

/* Three of the four are here, and the engine knows no digest of them: it wants to send all. */
static void an_engine_that_knows_no_digests(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	char diff_id[DIGEST_TEXT_SIZE];
	json_t *inspect = NULL;
	struct blob_info info;
	int64_t begun;

	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	for (int i = 0; i < LAYERS - 1; i++) {
		store_layer(i, diff_id);
		assert_string_equal(diff_id, json_string_value(json_array_get(
						 json_at(inspect, "RootFS.Layers"), (size_t)i)));
	}
	assert_int_equal(receive_worth(store, engine, inspect), 1);
	begun = clock_now_ms();
	assert_false(push(engine, inspect, &config));
	/* The engine itself would try again for half a minute. */
	assert_true(clock_now_ms() - begun < 30000);
	assert_int_equal(
	    store_layer_find(store,
		json_string_value(json_array_get(json_at(inspect, "RootFS.Layers"), LAYERS - 1)),
		&info, NULL),
	    -1);
	json_decref(inspect);
}

/* As after a pull of the base image, or a push to wherever. */
static void teach(const char *image)
{
	const char *elsewhere = at_registry(NULL, "receive:1");
	char *repository = strndup(elsewhere, strlen(elsewhere) - 2);

	works(engine_image_tag(engine, image, repository, "1", err));
	works(engine_image_push(engine, elsewhere, NULL, NULL, err));
	works(engine_image_remove(engine, elsewhere, false, err));
	free(repository);
}

static void one_that_knows_them_sends_what_is_new(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	json_t *inspect = NULL;
	struct blob_info info;
	char digest[DIGEST_TEXT_SIZE];
	const char *last;

	load_image(engine, BASE, LAYERS - 1, LAYER_BYTES, seed);
	teach(BASE);
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_int_equal(receive_worth(store, engine, inspect), 1);
	assert_true(push(engine, inspect, &config));
	works(digest_text(config.data, config.len, digest, err));
	assert_string_equal(digest, json_str(inspect, "Id", ""));
	last = json_string_value(json_array_get(json_at(inspect, "RootFS.Layers"), LAYERS - 1));
	works(store_layer_find(store, last, &info, err));
	assert_string_equal(info.diff_id, last);
	json_decref(inspect);

	/* Now only its config is not in the store. */
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_false(has_import_tag(inspect));
	assert_int_equal(receive_worth(store, engine, inspect), 0);
	buf_clear(&config);
	assert_true(push(engine, inspect, &config));
	works(digest_text(config.data, config.len, digest, err));
	assert_string_equal(digest, json_str(inspect, "Id", ""));
	json_decref(inspect);
	buf_release(&config);
}

/* The engine believes that the registry has even what is new. */
static void one_that_was_pushed_elsewhere_is_not_sent(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	json_t *inspect = NULL;

	load_image(engine, IMAGE, LAYERS + 1, LAYER_BYTES, seed);
	teach(IMAGE);
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_int_equal(receive_worth(store, engine, inspect), 1);
	assert_false(push(engine, inspect, &config));
	json_decref(inspect);
	buf_release(&config);
}

static void a_wish_to_stop_is_an_error(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	struct cancel cancel = CANCEL_INIT;
	struct engine *other;
	json_t *inspect = NULL;
	bool whole;

	load_image(engine, IMAGE, LAYERS + 2, LAYER_BYTES, seed);
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	works(cancel_init(&cancel, err));
	other = open_engine(cancel.fd);
	cancel_fire(&cancel);
	fails(
	    receive_push(store, other, IMAGE, inspect, &config, &whole, err), ERROR_CANCELLED, "");
	engine_close(other);
	cancel_release(&cancel);
	json_decref(inspect);
}

/* Fires as soon as the push has begun. */
static void *stop_it(void *context)
{
	int64_t until = clock_now_ms() + 30000;
	struct engine *looking = open_engine(-1);
	bool begun = false;

	while (!begun && clock_now_ms() < until) {
		json_t *inspect = NULL;

		works(engine_image_inspect(looking, IMAGE, &inspect, err));
		begun = has_import_tag(inspect);
		json_decref(inspect);
	}
	cancel_fire(context);
	engine_close(looking);
	return begun ? context : NULL;
}

static void what_is_stopped_leaves_no_tag(void **state UNUSED)
{
	struct buf config = BUF_INIT(MANIFEST_MAX);
	struct cancel cancel = CANCEL_INIT;
	struct engine *other;
	json_t *inspect = NULL;
	pthread_t thread;
	void *seen;
	bool whole;

	works(cancel_init(&cancel, err));
	other = open_engine(cancel.fd);
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_int_equal(pthread_create(&thread, NULL, stop_it, &cancel), 0);
	while (!cancel_fired(&cancel)) /* it may be over before it is seen */
		receive_push(store, other, IMAGE, inspect, &config, &whole, NULL);
	assert_int_equal(pthread_join(thread, &seen), 0);
	assert_non_null(seen);
	json_decref(inspect);
	works(engine_image_inspect(engine, IMAGE, &inspect, err));
	assert_false(has_import_tag(inspect));
	engine_close(other);
	cancel_release(&cancel);
	json_decref(inspect);
	buf_release(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_anything_in_common_it_is_no_way),
	    cmocka_unit_test(an_engine_that_knows_no_digests),
	    cmocka_unit_test(one_that_knows_them_sends_what_is_new),
	    cmocka_unit_test(one_that_was_pushed_elsewhere_is_not_sent),
	    cmocka_unit_test(a_wish_to_stop_is_an_error),
	    cmocka_unit_test(what_is_stopped_leaves_no_tag),
	};

	return cmocka_run_group_tests(tests, open_it, close_it);
}
