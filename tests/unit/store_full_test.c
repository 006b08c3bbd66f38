/* A full disk: a small tmpfs in a mount namespace of the test's own. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/store_place.h"

enum { DISK = 24 * 1024 * 1024 };

static struct place place;

static bool mount_disk(void)
{
	char options[32];

	snprintf(options, sizeof(options), "size=%d,mode=700", DISK);
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("shipit-test", place.folder, "tmpfs", 0, options) == 0;
}

static int teardown(void **state UNUSED)
{
	place_close(&place);
	umount2(place.folder, MNT_DETACH);
	rmdir(place.folder);
	return 0;
}

/* Until it is full: how many megabytes went in. */
static int fill(enum blob_form form, uint64_t seed, uint64_t total, struct error *err)
{
	struct blob_writer *writer;
	struct blob_info info;

	assert_ok(blob_begin(place.store, form, &writer, OK_ERR));
	if (form == BLOB_LAYER)
		blob_expect(writer, total);
	for (int i = 0; i < (int)(total / 1000000); i++) {
		unsigned char *data = content(seed + (uint64_t)i, 1000000);
		int rc = blob_write(writer, data, 1000000, err);

		free(data);
		if (rc < 0) {
			/* It does not go on as if nothing had been. */
			assert_int_equal(blob_write(writer, "x", 1, NULL), -1);
			assert_int_equal(blob_commit(writer, NULL, &info, NULL), -1);
			return -1;
		}
	}
	return blob_commit(writer, NULL, &info, err);
}

static void fill_with_junk(const char *name)
{
	static const char zeros[65536];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", place.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void remove_junk(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", place.folder, name);
	assert_int_equal(unlink(path), 0);
}

static void assert_full(struct error *err, const char *words)
{
	assert_int_equal(err->code, ENOSPC);
	assert_contains(err->hint, "shipit registry gc");
	assert_contains(error_text(err), place.path);
	assert_contains(error_text(err), "the disk is full");
	assert_error(err, ERROR_SYSTEM, words);
}

static void it_says_so_and_goes_on_afterwards(void **state UNUSED)
{
	struct put_image image;
	struct store_gc_result result;
	size_t len;
	struct error err = {0};

	place_open(&place);
	image = put_image(&place, "web", "v1", 1, 1000000);
	assert_int_equal(fill(BLOB_LAYER, 1000, 400000000, &err), -1);
	assert_contains(error_text(&err), ": up to ");
	assert_full(&err, "MB more needed");
	assert_int_equal(fill(BLOB_AS_IS, 5000, 100000000, &err), -1);
	assert_contains(error_text(&err), ": at least ");
	assert_full(&err, "MB more needed");
	assert_clean(&place);
	place_close(&place);
	place_open(&place);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM blobs"), 2);
	assert_true(place_number(&place, "SELECT count(*) FROM chunks") > 100);
	fill_with_junk("junk"); /* not a byte is left */
	result = collect(&place, 0);
	assert_true(result.chunks > 100);
	assert_int_equal(place_number(&place, "SELECT count(*) FROM chunks"),
	    place_number(&place, "SELECT count(DISTINCT chunk) FROM pieces"));
	/* What it freed can be used. */
	put_image(&place, "web", "v2", 2, 2000000);
	remove_junk("junk");
	assert_ok(fill(BLOB_LAYER, 1, 8000000, OK_ERR));
	assert_clean(&place);
	free(get_blob(&place, image.layer.digest, &len));
	assert_int_equal(len, image.layer.size);
}

static void there_is_no_room_for_a_new_one(void **state UNUSED)
{
	struct store *store;
	struct error err = {0};

	place_close(&place);
	snprintf(place.path, sizeof(place.path), "%s/t.db", place.folder);
	fill_with_junk("junk");
	assert_int_equal(store_open(place.path, &store, &err), -1);
	assert_full(&err, NULL);
	remove_junk("junk");
	place_open(&place);
	put_image(&place, "web", "v1", 1, 100000);
	assert_clean(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_says_so_and_goes_on_afterwards),
	    cmocka_unit_test(there_is_no_room_for_a_new_one),
	};
	int rc;

	place_make(&place);
	if (!mount_disk()) {
		print_message("no small disk can be mounted here: root is needed\n");
		rmdir(place.folder);
		return 0;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	teardown(NULL);
	return rc;
}
