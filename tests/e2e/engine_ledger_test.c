/* Files kept in a named volume, reached through a container of an empty image that is created and
 * never started: what the ledger stands on. */
#include "tests/e2e/engine_help.h"

#include <pthread.h>

#define EMPTY "localhost/engine-ledger:1"

static struct engine *engine;

static char *create(const char *name, const char *image, const char *bind)
{
	json_t *body = json_pack("{s:s,s:[s],s:{s:[s],s:s}}", "Image", image, "Cmd", "-",
	    "HostConfig", "Binds", bind, "NetworkMode", "none");
	char *id = NULL;

	engine_container_remove(engine, name, true, NULL);
	works(engine_container_create(engine, name, body, &id, err));
	json_decref(body);
	return id;
}

static int open_it(void **state UNUSED)
{
	engine = open_engine(-1);
	works(engine_image_import_empty(engine, "localhost/engine-ledger", "1", err));
	works(engine_volume_create(engine, "engine.ledger", NULL, NULL, err));
	free(create("engine.ledger", EMPTY, "engine.ledger:/ledger"));
	return 0;
}

static int close_it(void **state UNUSED)
{
	works(engine_container_remove(engine, "engine.ledger", true, err));
	works(engine_image_remove(engine, EMPTY, true, err));
	engine_close(engine);
	return 0;
}

static int put(
    struct engine *on, const char *container, const char *file, const char *text, struct error *err)
{
	const struct tar_entry entry = {.name = file, .data = text, .len = strlen(text)};
	CLEANUP_BUF struct buf tar = BUF_INIT(1 << 20);

	if (tar_make(&entry, 1, &tar, err) < 0)
		return -1;
	return engine_archive_put(on, container, "/ledger", tar.data, tar.len, err);
}

struct found {
	size_t files;
	const char *name;
	char *text;
};

static int look(void *context, const struct tar_member *member, struct error *err UNUSED)
{
	struct found *found = context;
	const char *base = strrchr(member->name, '/');

	found->files += member->type == TAR_FILE;
	/* Docker says "ledger/a", podman "/a" */
	if (found->name != NULL && base != NULL && strcmp(base + 1, found->name) == 0) {
		free(found->text);
		found->text = strdup(member->data);
	}
	return 0;
}

/* How many files there are; the text of one called `name` to `ret_text` (malloc'ed). */
static size_t get(struct engine *on, const char *container, const char *name, char **ret_text)
{
	struct found found = {.name = name};
	struct buf tar = BUF_INIT(16 << 20);

	works(engine_archive_get(on, container, "/ledger", &tar, err));
	works(tar_walk(tar.data, tar.len, 1 << 20, look, &found, err));
	buf_release(&tar);
	if (ret_text != NULL)
		*ret_text = found.text;
	return found.files;
}

static void a_file_goes_in_and_comes_out(void **state UNUSED)
{
	char *text = NULL;

	works(put(engine, "engine.ledger", "000001.json", "{\"v\":1,\"x\":\"\xc3\xa4\"}\n", err));
	get(engine, "engine.ledger", "000001.json", &text);
	assert_string_equal(text, "{\"v\":1,\"x\":\"\xc3\xa4\"}\n");
	free(text);
	works(put(engine, "engine.ledger", "000001.json", "again\n", err));
	get(engine, "engine.ledger", "000001.json", &text);
	assert_string_equal(text, "again\n");
	free(text);
}

static void the_container_never_ran(void **state UNUSED)
{
	json_t *json = NULL;

	works(engine_container_inspect(engine, "engine.ledger", &json, err));
	assert_string_equal(json_str(json, "State.Status", ""), "created");
	json_decref(json);
}

static void errors_of_archives_are_told_apart(void **state UNUSED)
{
	struct buf small = BUF_INIT(100), out = BUF_INIT(1 << 20);

	fails(engine_archive_get(engine, "engine.ledger", "/none", &out, err), ERROR_NOT_FOUND,
	    "/none");
	fails(engine_archive_get(engine, "engine.ledger", "/ledger", &small, err), ERROR_PROTOCOL,
	    "longer than 100 bytes");
	fails(engine_archive_put(engine, "engine.ledger", "/none", "", 0, err), ERROR_NOT_FOUND,
	    "/none");
	fails(engine_archive_put(engine, "engine.ledger", "/ledger", "this is no tar", 14, err),
	    ERROR_FAILED, "EOF");
	assert_int_equal(out.len, 0);
	buf_release(&out);
	buf_release(&small);
}

/* A service's image may have no such folder, or have its own files there. */
static void another_image_shares_the_volume(void **state UNUSED)
{
	char *id, *text = NULL;

	load_image(engine, "localhost/engine-ledger:other", 1, 0, 3);
	id = create("engine.ledger.2", "localhost/engine-ledger:other", "engine.ledger:/ledger");
	works(put(engine, "engine.ledger.2", "000002.json", "from the other\n", err));
	get(engine, "engine.ledger", "000002.json", &text);
	assert_string_equal(text, "from the other\n");
	works(engine_container_remove(engine, id, true, err));
	works(engine_image_remove(engine, "localhost/engine-ledger:other", true, err));
	free(text);
	free(id);
}

static void what_was_written_outlives_the_container(void **state UNUSED)
{
	char *text = NULL;

	works(put(engine, "engine.ledger", "000003.json", "kept\n", err));
	free(create("engine.ledger", EMPTY, "engine.ledger:/ledger"));
	get(engine, "engine.ledger", "000003.json", &text);
	assert_string_equal(text, "kept\n");
	free(text);
}

enum { WRITERS = 4, LINES = 6 };

static void *write_lines(void *context)
{
	int writer = *(int *)context;
	struct engine *own = open_engine(-1);
	char name[64], text[100];

	for (int i = 0; i < LINES; i++) {
		char *back = NULL;

		snprintf(name, sizeof(name), "%d-%d-%d.json", getpid(), writer, i);
		snprintf(text, sizeof(text), "line %d of writer %d\n", i, writer);
		works(put(own, "engine.ledger", name, text, err));
		snprintf(name, sizeof(name), "%d-%d-%d.json", getpid(), writer, i);
		get(own, "engine.ledger", name, &back);
		assert_string_equal(back, text);
		free(back);
	}
	engine_close(own);
	return NULL;
}

static void many_write_and_read_at_once(void **state UNUSED)
{
	pthread_t threads[WRITERS];
	int numbers[WRITERS];
	size_t before = get(engine, "engine.ledger", NULL, NULL);

	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(get(engine, "engine.ledger", NULL, NULL), before + WRITERS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_goes_in_and_comes_out),
	    cmocka_unit_test(the_container_never_ran),
	    cmocka_unit_test(errors_of_archives_are_told_apart),
	    cmocka_unit_test(another_image_shares_the_volume),
	    cmocka_unit_test(what_was_written_outlives_the_container),
	    cmocka_unit_test(many_write_and_read_at_once),
	};

	return cmocka_run_group_tests(tests, open_it, close_it);
}
