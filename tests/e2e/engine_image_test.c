/* The engine's client against a real engine and a real registry: images that travel, and break down
 * on the way. */
#include "tests/e2e/engine_help.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "tests/e2e/engine_road.h"
#include "transport/registry/client.h"

#define IMAGE	"localhost/engine-image:1"
#define LAYERED "localhost/engine-image:layers"

enum { LAYERS = 20, LAYER_BYTES = 400 * 1000 };

static struct engine *engine;

static int open_it(void **state UNUSED)
{
	engine = open_engine(-1);
	load_image(engine, IMAGE, 2, 10000, 1);
	/* other layers in each run, or the registry has them already */
	load_image(engine, LAYERED, LAYERS, LAYER_BYTES, (unsigned int)clock_now_ms());
	return 0;
}

static int close_it(void **state UNUSED)
{
	engine_image_remove(engine, IMAGE, true, NULL);
	engine_image_remove(engine, LAYERED, true, NULL);
	engine_close(engine);
	return 0;
}

static void tag_for(const char *reference, const char *image)
{
	const char *colon = strrchr(reference, ':');
	CLEANUP_FREE char *repository = NULL;

	assert_non_null(colon);
	repository = strndup(reference, (size_t)(colon - reference));
	works(engine_image_tag(engine, image, repository, colon + 1, err));
}

struct shown {
	int calls;
	uint64_t done, most;
	bool fell_back, extracting;
	const struct cancel *fire; /* fired when bytes have moved */
	struct road *freeze;	   /* likewise */
	int64_t fired_ms;
	bool kill;
};

static void show(void *context, const struct engine_progress *progress)
{
	struct shown *shown = context;

	shown->calls++;
	if (strcmp(progress->phase, "extracting") == 0) {
		shown->extracting = true;
		return;
	}
	shown->fell_back = shown->fell_back || progress->done < shown->done;
	shown->done = progress->done;
	if (progress->total > shown->most)
		shown->most = progress->total;
	if (progress->done == 0 || shown->fired_ms != 0)
		return;
	shown->fired_ms = clock_now_ms();
	if (shown->fire != NULL)
		cancel_fire(shown->fire);
	if (shown->freeze != NULL)
		shown->freeze->frozen = 1;
	if (shown->kill)
		run_lab("engine stop");
}

static void an_archive_is_loaded_from_a_file(void **state UNUSED)
{
	int fd = make_image("localhost/engine-image:loaded", 3, 1000 * 1000, 7);
	struct shown shown = {0};
	struct engine_transfer transfer = {.progress = show, .context = &shown};

	works(engine_image_load(engine, fd, &transfer, err));
	assert_true(shown.calls > 0);
	assert_in_range(shown.most, 2 * 1000 * 1000, 8 * 1000 * 1000);
	close(fd);
	works(engine_image_remove(engine, "localhost/engine-image:loaded", false, err));
}

static void *feed(void *context)
{
	const int *fds = context;
	char piece[10000];
	ssize_t n;

	while ((n = read(fds[0], piece, sizeof(piece))) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t put = write(fds[1], piece + at, (size_t)(n - at));

			if (put <= 0)
				n = at;
			else
				at += put;
		}
	}
	close(fds[1]);
	return NULL;
}

static void an_archive_is_loaded_from_a_pipe(void **state UNUSED)
{
	int file = make_image("localhost/engine-image:piped", 3, 1000 * 1000, 8), fds[2];
	int ends[2] = {file};
	pthread_t thread;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	ends[1] = fds[1];
	pthread_create(&thread, NULL, feed, ends);
	works(engine_image_load(engine, fds[0], NULL, err));
	pthread_join(thread, NULL);
	close(fds[0]);
	close(file);
	works(engine_image_remove(engine, "localhost/engine-image:piped", false, err));
}

static void what_is_no_archive_is_refused(void **state UNUSED)
{
	FILE *file = tmpfile();

	fails(engine_image_load(engine, fileno(file), NULL, err), ERROR_FAILED, "no such file");
	for (int i = 0; i < 100000; i++)
		fputs("this is no tar archive\n", file);
	rewind(file);
	fails(engine_image_load(engine, fileno(file), NULL, err), ERROR_FAILED, "archive/tar");
	fclose(file);
}

static void images_are_listed_tagged_and_removed(void **state UNUSED)
{
	json_t *list = NULL;

	works(engine_image_tag(engine, IMAGE, "localhost/engine-image/x.y", "a", err));
	works(engine_image_list(engine, "localhost/engine-image/*", &list, err));
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	works(engine_image_remove(engine, "localhost/engine-image/x.y:a", false, err));
	works(engine_image_list(engine, "localhost/engine-image/*", &list, err));
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	works(engine_image_list(engine, NULL, &list, err));
	assert_true(json_array_size(list) >= 2);
	json_decref(list);
}

static void digests_agree_all_the_way(void **state UNUSED)
{
	const char *reference = at_registry(NULL, "shop.prod.web/deep:20261122-175432-9f3c2a1");
	const char *registry = getenv("LAB_REGISTRY");
	char *digest = NULL, *before = image_id(engine, IMAGE), *after;
	struct registry_image image, same;
	char by_digest[300];

	works(registry_ping(registry, -1, err));
	tag_for(reference, IMAGE);
	works(engine_image_push(engine, reference, NULL, &digest, err));
	works(registry_resolve(registry, "shop.prod.web/deep", strrchr(reference, ':') + 1, "linux",
	    TEST_ARCH, -1, &image, err));
	assert_string_equal(image.manifest, digest);
	assert_string_equal(image.config, before);
	assert_int_equal(image.layers, 2);
	assert_true(image.bytes > 500 * 1000);
	works(registry_resolve(
	    registry, "shop.prod.web/deep", digest, "linux", TEST_ARCH, -1, &same, err));
	assert_string_equal(same.config, image.config);
	works(engine_image_remove(engine, reference, false, err));
	works(engine_image_pull(engine, reference, NULL, err));
	after = image_id(engine, reference);
	assert_string_equal(after, before);
	works(engine_image_remove(engine, reference, false, err));
	snprintf(by_digest, sizeof(by_digest), "%s/shop.prod.web/deep@%s", registry, digest);
	works(engine_image_pull(engine, by_digest, NULL, err));
	fails(registry_resolve(
		  registry, "shop.prod.web/deep", "none", "linux", TEST_ARCH, -1, &same, err),
	    ERROR_NOT_FOUND, "manifest unknown");
	fails(registry_resolve(registry, "none", "1", "linux", TEST_ARCH, -1, &same, err),
	    ERROR_NOT_FOUND, "none:1: manifest unknown");
	registry_image_release(&image);
	registry_image_release(&same);
	free(digest);
	free(before);
	free(after);
}

static void what_cannot_travel_is_said(void **state UNUSED)
{
	fails(engine_image_pull(engine, at_registry(NULL, "none:1"), NULL, err), ERROR_NOT_FOUND,
	    "not found");
	fails(engine_image_pull(engine, "127.0.0.1:1/x:1", NULL, err), ERROR_FAILED, "refused");
	fails(engine_image_push(engine, at_registry(NULL, "none:1"), NULL, NULL, err), ERROR_FAILED,
	    "does not exist");
	fails(
	    engine_image_pull(engine, "127.0.0.1:1/UPPER:1", NULL, err), ERROR_FAILED, "lowercase");
}

static void twenty_layers_travel_and_add_up(void **state UNUSED)
{
	const char *reference = at_registry(NULL, "layers:20");
	struct shown shown = {0};
	struct engine_transfer transfer = {.progress = show, .context = &shown};
	char *digest = NULL, *before = image_id(engine, LAYERED), *after;

	tag_for(reference, LAYERED);
	works(engine_image_push(engine, reference, &transfer, &digest, err));
	assert_false(shown.fell_back);
	assert_true(shown.done >= (LAYERS - 1) * LAYER_BYTES);
	works(engine_image_remove(engine, reference, true, err));
	works(engine_image_remove(engine, LAYERED, true, err));
	shown = (struct shown){0};
	works(engine_image_pull(engine, reference, &transfer, err));
	assert_false(shown.fell_back);
	assert_true(shown.done >= (LAYERS - 1) * LAYER_BYTES);
	after = image_id(engine, reference);
	assert_string_equal(after, before);
	works(engine_image_tag(engine, reference, "localhost/engine-image", "layers", err));
	works(engine_image_remove(engine, reference, true, err));
	free(digest);
	free(before);
	free(after);
}

/* Through a road of 3 MB/s or so: the layers are not here, the registry has them. */
static void prepare_slow_pull(struct road *road, const char **ret_reference)
{
	const char *reference = at_registry(NULL, "layers:slow");

	tag_for(reference, LAYERED);
	works(engine_image_push(engine, reference, NULL, NULL, err));
	works(engine_image_remove(engine, reference, true, err));
	works(engine_image_remove(engine, LAYERED, true, err));
	road_open(road, getenv("LAB_REGISTRY"));
	road->rate = 10000;
	*ret_reference = at_registry(road->address, "layers:slow");
}

static void end_slow_pull(struct road *road, const char *reference)
{
	road->rate = 0;
	road->frozen = 0;
	works(engine_image_pull(engine, reference, NULL, err));
	works(engine_image_tag(engine, reference, "localhost/engine-image", "layers", err));
	works(engine_image_remove(engine, reference, true, err));
	road_close(road);
}

static void a_pull_is_cancelled_in_the_middle(void **state UNUSED)
{
	struct cancel cancel = CANCEL_INIT;
	struct shown shown = {.fire = &cancel};
	struct engine_transfer transfer = {.progress = show, .context = &shown};
	struct engine *own;
	const char *reference;
	struct road road;
	json_t *json = NULL;

	works(cancel_init(&cancel, err));
	own = open_engine(cancel.fd);
	prepare_slow_pull(&road, &reference);
	fails(engine_image_pull(own, reference, &transfer, err), ERROR_CANCELLED, "cancelled");
	assert_in_range(clock_now_ms() - shown.fired_ms, 0, 30000);
	fails(engine_info(own, &json, err), ERROR_CANCELLED, "cancelled");
	fails(
	    engine_image_inspect(engine, reference, &json, err), ERROR_NOT_FOUND, "No such image");
	engine_close(own);
	cancel_release(&cancel);
	end_slow_pull(&road, reference);
}

static void a_frozen_road_is_a_timeout(void **state UNUSED)
{
	struct shown shown = {0};
	struct engine_transfer transfer = {.progress = show, .context = &shown, .stall_ms = 1500};
	const char *reference;
	struct road road;
	int64_t took;

	prepare_slow_pull(&road, &reference);
	shown.freeze = &road;
	fails(engine_image_pull(engine, reference, &transfer, err), ERROR_TIMEOUT,
	    "nothing has moved for 2 s");
	took = clock_now_ms() - shown.fired_ms;
	assert_in_range(took, 1400, 30000);
	end_slow_pull(&road, reference);
}

static void a_registry_that_goes_away_is_an_error(void **state UNUSED)
{
	const char *reference = at_registry(NULL, "layers:gone");

	tag_for(reference, IMAGE);
	run_lab("registry stop");
	fails(engine_image_push(engine, reference, NULL, NULL, err), ERROR_FAILED, "refused");
	fails(registry_ping(getenv("LAB_REGISTRY"), -1, err), ERROR_UNREACHABLE, "cannot connect");
	run_lab("registry start");
	works(engine_image_remove(engine, reference, true, err));
}

static void credentials_open_the_registry(void **state UNUSED)
{
	const char *reference = at_registry(getenv("LOCKED_REGISTRY"), "a.b/c:1");
	struct engine_transfer good = {.username = "one-time", .password = "one-time pass\"word"};
	struct engine_transfer bad = {.username = "one-time", .password = "wrong"};
	char *digest = NULL;

	if (getenv("LOCKED_REGISTRY") == NULL)
		skip();
	tag_for(reference, IMAGE);
	fails(engine_image_push(engine, reference, NULL, &digest, err), ERROR_FAILED,
	    "no basic auth");
	fails(
	    engine_image_push(engine, reference, &bad, &digest, err), ERROR_FAILED, "unauthorized");
	works(engine_image_push(engine, reference, &good, &digest, err));
	works(engine_image_remove(engine, reference, true, err));
	fails(engine_image_pull(engine, reference, NULL, err), ERROR_FAILED, "no basic auth");
	fails(engine_image_pull(engine, reference, &bad, err), ERROR_FAILED, "unauthorized");
	works(engine_image_pull(engine, reference, &good, err));
	works(engine_image_remove(engine, reference, true, err));
	fails(registry_ping(getenv("LOCKED_REGISTRY"), -1, err), ERROR_FAILED, "asks for a login");
	free(digest);
}

/* Last: it takes the engine down. */
static void an_engine_that_dies_in_the_middle_is_unreachable(void **state UNUSED)
{
	struct shown shown = {.kill = true};
	struct engine_transfer transfer = {.progress = show, .context = &shown};
	const char *reference;
	struct road road;

	prepare_slow_pull(&road, &reference);
	fails(engine_image_pull(engine, reference, &transfer, err), ERROR_UNREACHABLE,
	    "the engine: the connection broke");
	run_lab("engine start");
	end_slow_pull(&road, reference);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_archive_is_loaded_from_a_file),
	    cmocka_unit_test(an_archive_is_loaded_from_a_pipe),
	    cmocka_unit_test(what_is_no_archive_is_refused),
	    cmocka_unit_test(images_are_listed_tagged_and_removed),
	    cmocka_unit_test(digests_agree_all_the_way),
	    cmocka_unit_test(what_cannot_travel_is_said),
	    cmocka_unit_test(twenty_layers_travel_and_add_up),
	    cmocka_unit_test(a_pull_is_cancelled_in_the_middle),
	    cmocka_unit_test(a_frozen_road_is_a_timeout),
	    cmocka_unit_test(a_registry_that_goes_away_is_an_error),
	    cmocka_unit_test(credentials_open_the_registry),
	    cmocka_unit_test(an_engine_that_dies_in_the_middle_is_unreachable),
	};

	return cmocka_run_group_tests(tests, open_it, close_it);
}
