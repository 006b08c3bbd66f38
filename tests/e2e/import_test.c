/* Import from real engines: Docker's, and podman's when there is one (PODMAN_HOST). */
#include "tests/e2e/engine_help.h"

#include <pthread.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "transport/registry/import.h"
#include "transport/registry/manifest.h"
#include "transport/registry/store.h"

#define IMAGE "localhost/import-test:1"

enum { LAYERS = 6, LAYER_BYTES = 3 * 1000 * 1000, KNOWN_MS = 20000 };

static struct engine *engine;
static struct store *store;
static char dir[] = "/tmp/import-test-XXXXXX", path[64];

static struct import_target target = {.repository = "shop.prod.web", .tag = "r1", .cancel_fd = -1};

static void open_store(void)
{
	works(store_open(path, &store, err));
	target.store = store;
}

static int open_all(void **state UNUSED)
{
	engine = open_engine(-1);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/store.db", dir);
	load_image(engine, IMAGE, LAYERS, LAYER_BYTES, 1);
	return 0;
}

static int close_all(void **state UNUSED)
{
	char command[100];

	engine_image_remove(engine, IMAGE, true, NULL);
	engine_close(engine);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* A store of its own for each test. */
static int setup(void **state UNUSED)
{
	open_store();
	target.tag = "r1";
	target.cancel_fd = -1;
	target.progress = NULL;
	return 0;
}

static int teardown(void **state UNUSED)
{
	char command[100];

	store_close(store);
	snprintf(command, sizeof(command), "rm -f %s/store.db*", dir);
	return system(command);
}

static void assert_image(
    const struct imported *imported, const char *config, size_t layers, bool known)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};
	struct stored_manifest stored;

	assert_int_equal(imported->known, known);
	assert_int_equal(imported->n, 1);
	assert_string_equal(imported->images[0].config, config);
	assert_string_equal(imported->images[0].os, "linux");
	assert_string_equal(imported->images[0].arch, TEST_ARCH);
	works(store_manifest_get(store, target.repository, target.tag, &stored, err));
	works(manifest_parse(stored.data, stored.len, stored.media_type, &manifest, err));
	assert_string_equal(stored.digest, imported->images[0].manifest);
	assert_string_equal(manifest.config.digest, config);
	assert_int_equal(manifest.n, layers);
	stored_manifest_release(&stored);
}

static void run_command(const char *format, const char *argument)
{
	char command[500];

	snprintf(command, sizeof(command), format, dir, argument);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void assert_sound(void)
{
	struct store_verify_result result = {0};

	works(store_verify(store, -1, NULL, NULL, &result, err));
	if (result.wrong.n > 0)
		fail_msg("%s", result.wrong.v[0]);
	assert_true(result.blobs > 0);
	store_verify_result_release(&result);
}

static void an_image_is_imported_once(void **state UNUSED)
{
	char *id = image_id(engine, IMAGE);
	struct imported imported = {0};
	int64_t begun;

	works(import_engine(&target, engine, IMAGE, &imported, err));
	assert_image(&imported, id, LAYERS, false);
	assert_in_range(imported.images[0].unpacked, (LAYERS - 1) * LAYER_BYTES, 64 << 20);
	imported_release(&imported);
	assert_sound();
	begun = clock_now_ms();
	target.tag = "r2";
	works(import_engine(&target, engine, IMAGE, &imported, err));
	assert_in_range(clock_now_ms() - begun, 0, KNOWN_MS);
	assert_image(&imported, id, LAYERS, true);
	imported_release(&imported);
	/* By its id, for another repository. */
	target.repository = "shop.stage.web";
	works(import_engine(&target, engine, id, &imported, err));
	assert_image(&imported, id, LAYERS, true);
	imported_release(&imported);
	target.repository = "shop.prod.web";
	free(id);
}

/* docker 20.10 writes equal layers once, and links to them. */
static void equal_layers_are_there_once(void **state UNUSED)
{
	struct imported imported = {0};
	char command[500], *id;

	snprintf(command, sizeof(command),
	    "mkdir -p %s/build && cd %s/build && echo same >same && printf 'FROM %s\\nCOPY same "
	    "/a\\nCOPY same /a\\nCOPY same /a\\n' >Dockerfile && docker build -q -t "
	    "localhost/import-test:equal . >/dev/null",
	    dir, dir, IMAGE);
	assert_int_equal(system(command), 0);
	id = image_id(engine, "localhost/import-test:equal");
	works(import_engine(&target, engine, "localhost/import-test:equal", &imported, err));
	assert_image(&imported, id, LAYERS + 3, false);
	imported_release(&imported);
	assert_sound();
	works(engine_image_remove(engine, "localhost/import-test:equal", true, err));
	free(id);
}

/* By a push of what is new or by an export of all: the image is the same. */
static void a_layer_on_top_is_imported(void **state UNUSED)
{
	struct imported imported = {0};
	char *id;

	works(import_engine(&target, engine, IMAGE, &imported, err));
	imported_release(&imported);
	run_command(
	    "cd %s && mkdir top && cd top && date +%%s%%N >new && printf 'FROM %s\\nCOPY new "
	    "/\\n' >Dockerfile && docker build -q -t localhost/import-test:top . >/dev/null",
	    IMAGE);
	id = image_id(engine, "localhost/import-test:top");
	target.tag = "top";
	works(import_engine(&target, engine, "localhost/import-test:top", &imported, err));
	assert_image(&imported, id, LAYERS + 1, false);
	imported_release(&imported);
	assert_sound();
	works(engine_image_remove(engine, "localhost/import-test:top", true, err));
	free(id);
}

struct shown {
	const struct cancel *fire;
	int calls, exporting;
	uint64_t done, total;
	bool fell_back;
};

static void show(void *context, uint64_t done, uint64_t total, const char *phase)
{
	struct shown *shown = context;

	shown->calls++;
	shown->exporting += strcmp(phase, "exporting") == 0;
	shown->fell_back = shown->fell_back || done < shown->done;
	shown->done = done;
	shown->total = total;
	if (shown->fire != NULL && done > 1 << 20)
		cancel_fire(shown->fire);
}

static void progress_adds_up(void **state UNUSED)
{
	struct imported imported = {0};
	struct shown shown = {0};

	target.progress = show;
	target.context = &shown;
	works(import_engine(&target, engine, IMAGE, &imported, err));
	assert_true(shown.calls > 1 && shown.exporting > 0 && !shown.fell_back);
	assert_in_range(shown.done, (LAYERS - 1) * LAYER_BYTES, 64 << 20);
	assert_in_range(shown.total, shown.done, 64 << 20);
	imported_release(&imported);
}

static void an_import_is_cancelled_in_the_middle(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct imported imported = {0};
	struct shown shown = {.fire = &cancel};
	struct stored_manifest stored;
	char *id = image_id(engine, IMAGE);
	int64_t begun = clock_now_ms();

	works(cancel_init(&cancel, err));
	target.cancel_fd = cancel.fd;
	target.progress = show;
	target.context = &shown;
	fails(import_engine(&target, engine, IMAGE, &imported, err), ERROR_CANCELLED, "cancelled");
	assert_in_range(clock_now_ms() - begun, 0, 30000);
	fails(store_manifest_get(store, target.repository, target.tag, &stored, err),
	    ERROR_NOT_FOUND, "");
	cancel_release(&cancel);
	target.cancel_fd = -1;
	target.progress = NULL;
	works(import_engine(&target, engine, IMAGE, &imported, err));
	assert_image(&imported, id, LAYERS, false);
	imported_release(&imported);
	assert_sound();
	free(id);
}

static void what_is_not_there_is_said(void **state UNUSED)
{
	struct imported imported = {0};

	fails(import_engine(&target, engine, "localhost/none:1", &imported, err), ERROR_NOT_FOUND,
	    "No such image");
}

/* skopeo writes an OCI config, whose digest is another: what sha256sum says of it. */
static char *config_of_layout(void)
{
	char command[300], *digest = calloc(1, DIGEST_TEXT_SIZE);
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "skopeo inspect --config --raw oci:%s/layout:v1 | sha256sum", dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	strcpy(digest, "sha256:");
	assert_int_equal(fread(digest + 7, 1, DIGEST_HEX_SIZE - 1, pipe), DIGEST_HEX_SIZE - 1);
	pclose(pipe);
	return digest;
}

static void import_from(const char *source, const char *config)
{
	struct imported imported = {0};
	char text[200];

	snprintf(text, sizeof(text), source, dir);
	works(import_file(&target, text, &imported, err));
	assert_image(&imported, config, LAYERS, false);
	imported_release(&imported);
}

/* What docker and skopeo write into files is what the engine's stream holds. */
static void files_give_the_same_image(void **state UNUSED)
{
	char *id = image_id(engine, IMAGE), *oci;

	run_command("cd %s && docker save -o save.tar %s && gzip -1 -k save.tar", IMAGE);
	run_command("cd %s && skopeo copy -q docker-archive:save.tar oci:layout:v1 && "
		    "tar -C layout -cf layout.tar . && : %s",
	    "");
	oci = config_of_layout();
	import_from("docker-archive:%s/save.tar", id);
	import_from("docker-archive:%s/save.tar.gz", id);
	import_from("oci:%s/layout:v1", oci);
	import_from("oci:%s/layout.tar:v1", oci);
	assert_sound();
	free(oci);
	free(id);
}

static void podman_is_an_engine_too(void **state UNUSED)
{
	const char *address = getenv("PODMAN_HOST");
	struct imported imported = {0};
	struct engine *podman;
	char *id;
	int64_t begun;

	if (address == NULL)
		skip();
	works(engine_open(address, "podman", -1, &podman, err));
	load_image(podman, IMAGE, LAYERS, LAYER_BYTES, 1);
	id = image_id(podman, IMAGE);
	works(import_engine(&target, podman, IMAGE, &imported, err));
	assert_image(&imported, id, LAYERS, false);
	imported_release(&imported);
	assert_sound();
	begun = clock_now_ms();
	works(import_engine(&target, podman, IMAGE, &imported, err));
	assert_in_range(clock_now_ms() - begun, 0, 30000);
	assert_image(&imported, id, LAYERS, true);
	imported_release(&imported);
	works(engine_image_remove(podman, IMAGE, true, err));
	engine_close(podman);
	free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_image_is_imported_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(equal_layers_are_there_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_layer_on_top_is_imported, setup, teardown),
	    cmocka_unit_test_setup_teardown(progress_adds_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_import_is_cancelled_in_the_middle, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_not_there_is_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(files_give_the_same_image, setup, teardown),
	    cmocka_unit_test_setup_teardown(podman_is_an_engine_too, setup, teardown),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
