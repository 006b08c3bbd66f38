/* Images out of the store into real engines by load: Docker without the layers that it has, podman
 * with all of them. PODMAN_HOST is podman's socket, where it is installed. */
#include "tests/e2e/engine_help.h"

#include "base/clock.h"
#include "transport/registry/bundle.h"
#include "transport/registry/manifest.h"

enum { LAYERS_MAX = 3, LAYER_BYTES = 500 * 1000 };

static struct store *store;
static char path[] = "/tmp/engine-load.XXXXXX";
static unsigned int seed;

static int open_it(void **state UNUSED)
{
	char *file;

	seed = (unsigned int)clock_now_ms();
	assert_non_null(mkdtemp(path));
	file = string_printf("%s/store.db", path);
	works(store_open(file, &store, err));
	free(file);
	return 0;
}

static int close_it(void **state UNUSED)
{
	char command[100];

	store_close(store);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static struct blob_info store_blob(enum blob_form form, const void *data, size_t len)
{
	struct blob_writer *writer = NULL;
	struct blob_info info;

	works(blob_begin(store, form, &writer, err));
	works(blob_write(writer, data, len, err));
	works(blob_commit(writer, NULL, &info, err));
	works(store_blob_link(store, "shop", info.digest, err));
	return info;
}

static struct blob_info store_layer(int number)
{
	struct buf tar = BUF_INIT(1 << 30);
	struct blob_info info;

	make_layer(number, LAYER_BYTES, seed + (unsigned int)number, &tar);
	info = store_blob(BLOB_LAYER, tar.data, tar.len);
	buf_release(&tar);
	return info;
}

/* An image of the first `n` layers. */
static struct bundle *make_bundle(int n)
{
	struct blob_info layers[LAYERS_MAX], config;
	struct manifest_layer listed[LAYERS_MAX];
	struct buf text = BUF_INIT(1 << 20);
	char digest[DIGEST_TEXT_SIZE], *manifest = NULL;
	struct bundle *bundle = NULL;

	buf_addf(&text, "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{},", TEST_ARCH);
	buf_adds(&text, "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (int i = 0; i < n; i++) {
		layers[i] = store_layer(i);
		listed[i] = (struct manifest_layer){layers[i].digest, layers[i].size};
		buf_addf(&text, "%s\"%s\"", i > 0 ? "," : "", layers[i].diff_id);
	}
	buf_adds(&text, "]}}");
	config = store_blob(BLOB_AS_IS, text.data, text.len);
	works(manifest_make(config.digest, config.size, listed, (size_t)n, &manifest, err));
	works(store_manifest_put(
	    store, "shop", NULL, NULL, manifest, strlen(manifest), false, digest, err));
	works(bundle_open(store, "shop", digest, &bundle, err));
	free(manifest);
	buf_release(&text);
	return bundle;
}

static int to_file(void *context, const void *data, size_t len, struct error *err)
{
	return fwrite(data, 1, len, context) == len ? 0 : error_set(err, ERROR_SYSTEM, "full");
}

static FILE *written(struct bundle *bundle, size_t left_out)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	bundle_leave_out(bundle, left_out);
	works(bundle_write(bundle, to_file, file, err));
	assert_int_equal(fflush(file), 0);
	assert_int_equal(ftell(file), bundle_bytes(bundle));
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	return file;
}

static void want_image(struct engine *engine, const struct bundle *bundle)
{
	json_t *inspect = NULL;
	const char *id;

	works(engine_image_inspect(engine, bundle_config(bundle), &inspect, err));
	id = json_str(inspect, "Id", "");
	assert_non_null(strstr(id, strchr(bundle_config(bundle), ':') + 1));
	assert_int_equal(json_array_size(json_at(inspect, "RootFS.Layers")),
	    bundle_common(bundle_diff_ids(bundle), json_at(inspect, "RootFS.Layers")));
	assert_int_equal(json_array_size(json_object_get(inspect, "RepoTags")), 0);
	json_decref(inspect);
}

static void take(struct engine *engine, struct bundle *bundle, size_t left_out)
{
	FILE *file = written(bundle, left_out);

	works(engine_image_load(engine, fileno(file), NULL, err));
	fclose(file);
	want_image(engine, bundle);
}

static void remove_image(struct engine *engine, const struct bundle *bundle)
{
	works(engine_image_remove(engine, bundle_config(bundle), true, err));
}

static void docker_takes_what_it_lacks(void **state UNUSED)
{
	struct engine *engine = open_engine(-1);
	struct bundle *small = make_bundle(2), *large = make_bundle(3);
	FILE *file = written(large, 2);

	/* The layers are not there yet. */
	fails(engine_image_load(engine, fileno(file), NULL, err), ERROR_FAILED, "no such file");
	fclose(file);
	take(engine, small, 0);
	take(engine, large, 2);
	/* Once more with nothing at all. */
	remove_image(engine, large);
	take(engine, large, 2);
	take(engine, large, 3);
	remove_image(engine, large);
	remove_image(engine, small);
	bundle_close(small);
	bundle_close(large);
	engine_close(engine);
}

static void what_is_cut_short_leaves_nothing(void **state UNUSED)
{
	struct engine *engine = open_engine(-1);
	struct bundle *bundle = make_bundle(2);
	FILE *file = written(bundle, 0);
	long whole = (long)bundle_bytes(bundle), cuts[] = {100 * 1000, whole / 2, whole - 2000};
	struct error err = {0};
	json_t *inspect = NULL;

	for (size_t i = ARRAY_SIZE(cuts); i-- > 0;) {
		assert_int_equal(ftruncate(fileno(file), cuts[i]), 0);
		assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
		assert_int_equal(engine_image_load(engine, fileno(file), NULL, &err), -1);
		assert_int_equal(err.kind, ERROR_FAILED);
		assert_int_equal(
		    engine_image_inspect(engine, bundle_config(bundle), &inspect, &err), -1);
		assert_int_equal(err.kind, ERROR_NOT_FOUND);
		error_release(&err);
	}
	fclose(file);
	bundle_close(bundle);
	engine_close(engine);
}

static void podman_takes_all(void **state UNUSED)
{
	const char *socket = getenv("PODMAN_HOST");
	struct engine *engine = NULL;
	struct bundle *bundle;

	if (socket == NULL) {
		print_message("podman is not installed\n");
		return;
	}
	works(engine_open(socket, "podman", -1, &engine, err));
	assert_true(engine_is_podman(engine));
	bundle = make_bundle(3);
	take(engine, bundle, 0);
	remove_image(engine, bundle);
	bundle_close(bundle);
	engine_close(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(docker_takes_what_it_lacks),
	    cmocka_unit_test(what_is_cut_short_leaves_nothing),
	    cmocka_unit_test(podman_takes_all),
	};

	return cmocka_run_group_tests(tests, open_it, close_it);
}
