/* What is in an image, whenever it was built: layers made by hand, put into a store and read. */
#include <archive.h>
#include <archive_entry.h>

#include "tests/unit/store_place.h"
#include "transport/registry/content.h"
#include "transport/registry/content_rules.h"
#include "transport/registry/tree.h"

enum { LAYERS_MAX = 4 };

/* A member: a folder when `path` ends with '/'. */
struct member {
	const char *path, *data;
	const char *symlink, *hardlink;
	unsigned int mode, uid;
	const char *attribute;
	int64_t mtime;
};

struct layer {
	const struct member *members; /* ends with one without path */
};

static struct place place;

static int setup(void **state UNUSED)
{
	place_make(&place);
	place_open(&place);
	return 0;
}

static int teardown(void **state UNUSED)
{
	place_remove(&place);
	return 0;
}

static la_ssize_t on_write(
    struct archive *archive UNUSED, void *context, const void *data, size_t len)
{
	assert_int_equal(buf_add(context, data, len), 0);
	return (la_ssize_t)len;
}

static void add_member(struct archive *archive, const struct member *member, int64_t mtime)
{
	struct archive_entry *entry = archive_entry_new();
	size_t len = member->data != NULL ? strlen(member->data) : 0;
	bool folder = member->path[strlen(member->path) - 1] == '/';

	archive_entry_set_pathname(entry, member->path);
	archive_entry_set_filetype(entry, member->symlink != NULL ? AE_IFLNK
					  : folder		  ? AE_IFDIR
								  : AE_IFREG);
	if (member->symlink != NULL)
		archive_entry_set_symlink(entry, member->symlink);
	if (member->hardlink != NULL)
		archive_entry_set_hardlink(entry, member->hardlink);
	archive_entry_set_perm(entry, member->mode != 0 ? member->mode : folder ? 0755 : 0644);
	archive_entry_set_uid(entry, member->uid);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_mtime(entry, mtime, 0);
	archive_entry_set_size(entry, (la_int64_t)len);
	if (member->attribute != NULL)
		archive_entry_xattr_add_entry(
		    entry, "security.capability", member->attribute, strlen(member->attribute));
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	if (len > 0)
		assert_int_equal(archive_write_data(archive, member->data, len), len);
	archive_entry_free(entry);
}

static struct blob_info put_layer(const struct member *members, int64_t mtime)
{
	CLEANUP_BUF struct buf tar = BUF_INIT(16 << 20);
	struct archive *archive = archive_write_new();

	assert_int_equal(archive_write_set_format_pax(archive), ARCHIVE_OK);
	assert_int_equal(archive_write_open(archive, &tar, NULL, on_write, NULL), ARCHIVE_OK);
	for (; members->path != NULL; members++)
		add_member(archive, members, members->mtime != 0 ? members->mtime : mtime);
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_write_free(archive);
	return put_blob(&place, BLOB_LAYER, tar.data, tar.len);
}

/* Its manifest's digest. */
static void put(const struct member *const *layers, int64_t mtime, const char *config,
    char ret[DIGEST_TEXT_SIZE])
{
	CLEANUP_BUF struct buf text = BUF_INIT(64 * 1024);
	struct manifest_layer of[LAYERS_MAX];
	struct blob_info infos[LAYERS_MAX], config_info;
	char *manifest = NULL;
	size_t n = 0;

	buf_addf(&text, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"%lld\",%s",
	    (long long)mtime, "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (; layers[n] != NULL; n++) {
		infos[n] = put_layer(layers[n], mtime);
		of[n] = (struct manifest_layer){infos[n].digest, infos[n].size};
		buf_addf(&text, "%s\"%s\"", n > 0 ? "," : "", infos[n].diff_id);
		assert_ok(store_blob_link(place.store, "shop", infos[n].digest, OK_ERR));
	}
	buf_addf(&text, "]},\"config\":%s}", config);
	config_info = put_blob(&place, BLOB_AS_IS, text.data, text.len);
	assert_ok(store_blob_link(place.store, "shop", config_info.digest, OK_ERR));
	assert_ok(manifest_make(config_info.digest, config_info.size, of, n, &manifest, OK_ERR));
	assert_ok(store_manifest_put(
	    place.store, "shop", "1", NULL, manifest, strlen(manifest), false, ret, OK_ERR));
	free(manifest);
}

static bool wants_status(const char *path)
{
	return strcmp(path, "var/lib/dpkg/status") == 0 || strncmp(path, "var/lib/rpm/", 12) == 0;
}

static struct content read_it(const char *manifest)
{
	const struct content_options options = {.wants = wants_status, .cancel_fd = -1};
	struct content content = {0};

	assert_ok(content_read(place.store, "shop", manifest, &options, &content, OK_ERR));
	assert_int_equal(strncmp(content.fingerprint, "1:", 2), 0);
	assert_int_equal(strlen(content.fingerprint), CONTENT_SIZE - 1);
	return content;
}

static void fingerprint_at(
    const struct member *const *layers, int64_t mtime, const char *config, char ret[CONTENT_SIZE])
{
	char manifest[DIGEST_TEXT_SIZE];
	struct content content;

	put(layers, mtime, config, manifest);
	content = read_it(manifest);
	memcpy(ret, content.fingerprint, CONTENT_SIZE);
	content_release(&content);
}

static void assert_compared(
    const struct member *one, const struct member *other, bool same, const char *what)
{
	char a[CONTENT_SIZE], b[CONTENT_SIZE];

	fingerprint_at((const struct member *const[]){one, NULL}, 1000, "{}", a);
	fingerprint_at((const struct member *const[]){other, NULL}, 2000, "{}", b);
	if ((strcmp(a, b) == 0) != same)
		fail_msg("%s: %s and %s", what, a, b);
}

#define MEMBERS(...)                                                                               \
	(const struct member[])                                                                    \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

static void times_do_not_count(void **state UNUSED)
{
	const struct member *one = MEMBERS({.path = "etc/"}, {.path = "etc/motd", .data = "hello"},
	    {.path = "bin/sh", .symlink = "busybox"}, {.path = "bin/true", .hardlink = "etc/motd"});

	assert_compared(one, one, true, "other times");
	assert_compared(MEMBERS({.path = "./etc/"}, {.path = "./etc/motd", .data = "hello"}),
	    MEMBERS({.path = "etc/"}, {.path = "etc/motd", .data = "hello"}), true,
	    "another way to write a path");
	assert_compared(MEMBERS({.path = "a", .data = "1"}, {.path = "b", .data = "2"}),
	    MEMBERS({.path = "b", .data = "2"}, {.path = "a", .data = "1"}), true, "another order");
}

static void all_else_does(void **state UNUSED)
{
	const struct member *one = MEMBERS({.path = "a", .data = "1"});

	assert_compared(one, MEMBERS({.path = "a", .data = "2"}), false, "bytes");
	assert_compared(one, MEMBERS({.path = "a", .data = "12"}), false, "more bytes");
	assert_compared(one, MEMBERS({.path = "b", .data = "1"}), false, "a name");
	assert_compared(one, MEMBERS({.path = "a", .data = "1"}, {.path = "b", .data = ""}), false,
	    "one more file");
	assert_compared(
	    one, MEMBERS({.path = "a", .data = "1", .mode = 0755}), false, "permissions");
	assert_compared(one, MEMBERS({.path = "a", .data = "1", .mode = 04644}), false, "setuid");
	assert_compared(one, MEMBERS({.path = "a", .data = "1", .uid = 1000}), false, "an owner");
	assert_compared(
	    one, MEMBERS({.path = "a", .data = "1", .attribute = "cap"}), false, "an attribute");
	assert_compared(MEMBERS({.path = "a", .data = "1", .attribute = "cap"}),
	    MEMBERS({.path = "a", .data = "1", .attribute = "cup"}), false, "an attribute's value");
	assert_compared(MEMBERS({.path = "a", .symlink = "x"}),
	    MEMBERS({.path = "a", .symlink = "y"}), false, "where a link leads");
	assert_compared(
	    MEMBERS({.path = "a/"}), MEMBERS({.path = "a", .data = ""}), false, "a type");
	assert_compared(MEMBERS({.path = "a", .data = "1"}, {.path = "b", .data = "2"},
			    {.path = "l", .hardlink = "a"}),
	    MEMBERS({.path = "a", .data = "1"}, {.path = "b", .data = "2"},
		{.path = "l", .hardlink = "b"}),
	    false, "a hard link");
	assert_compared(MEMBERS({.path = "a", .data = "1"}, {.path = "l", .hardlink = "a"}),
	    MEMBERS({.path = "a", .data = "1"}, {.path = "l", .data = "1"}), true,
	    "a hard link and a copy");
}

static void traces_of_when_do_not_count(void **state UNUSED)
{
	static const char *const paths[] = {"var/log/dpkg.log", "var/cache/ldconfig/aux-cache",
	    "var/lib/apt/lists/deb_InRelease", "var/lib/dpkg/status-old", "etc/shadow-",
	    "usr/lib/python3/__pycache__/os.cpython-311.pyc", "lib/apk/db/scripts.tar",
	    "var/lib/rpm/rpmdb.sqlite", "tmp/x"};
	static const char *const counting[] = {"var/lib/dpkg/status", "etc/passwd",
	    "var/cache/app/data", "opt/log/x", "usr/tmp/x", "pycache/x"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_compared(
		    MEMBERS({.path = paths[i], .data = "1"}, {.path = "a", .data = "1"}),
		    MEMBERS({.path = paths[i], .data = "two"}, {.path = "a", .data = "1"}), true,
		    paths[i]);
	for (size_t i = 0; i < ARRAY_SIZE(counting); i++)
		assert_compared(MEMBERS({.path = counting[i], .data = "1"}),
		    MEMBERS({.path = counting[i], .data = "2"}), false, counting[i]);
	assert_compared(
	    MEMBERS({.path = "etc/shadow", .data = "root:*:19000:0:::::\nbin:!:19001::\n"}),
	    MEMBERS({.path = "etc/shadow", .data = "root:*:19007:0:::::\nbin:!:20001::\n"}), true,
	    "days");
	assert_compared(MEMBERS({.path = "etc/shadow", .data = "root:*:19000:0:\n"}),
	    MEMBERS({.path = "etc/shadow", .data = "root:x:19000:0:\n"}), false, "a password");
}

static void how_it_is_run_counts(void **state UNUSED)
{
	static const struct {
		const char *one, *other;
		bool same;
	} cases[] = {
	    {"{}", "{\"Env\":null,\"Cmd\":[],\"User\":\"\"}", true},
	    {"{\"Cmd\":[\"a\"]}", "{\"Cmd\":[\"b\"]}", false},
	    {"{\"Env\":[\"A=1\"]}", "{\"Env\":[\"A=2\"]}", false},
	    {"{}", "{\"Labels\":{\"org.opencontainers.image.revision\":\"1\"}}", true},
	    {"{}", "{\"Labels\":{\"traefik.enable\":\"true\"}}", false},
	    {"{}", "{\"Hostname\":\"abc\",\"Image\":\"sha256:1\"}", true},
	    {"{\"Healthcheck\":{\"Test\":[\"NONE\"]}}", "{}", false},
	};
	const struct member *const layers[] = {MEMBERS({.path = "a", .data = "1"}), NULL};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char a[CONTENT_SIZE], b[CONTENT_SIZE];

		fingerprint_at(layers, 1, cases[i].one, a);
		fingerprint_at(layers, 1, cases[i].other, b);
		assert_int_equal(strcmp(a, b) == 0, cases[i].same);
	}
}

/* However it is cut into layers, it is the same image. */
static void layers_are_put_together(void **state UNUSED)
{
	const struct member *lower = MEMBERS({.path = "a/"}, {.path = "a/1", .data = "old"},
	    {.path = "a/2", .data = "2"}, {.path = "b/"}, {.path = "b/1", .data = "gone"},
	    {.path = "c", .data = "file"}, {.path = "d/"}, {.path = "d/x/"},
	    {.path = "d/x/y", .data = "hidden"}, {.path = "var/lib/dpkg/status", .data = "old"});
	const struct member *upper = MEMBERS({.path = "a/1", .data = "new"}, {.path = "b/"},
	    {.path = "b/.wh..wh..opq"}, {.path = "b/2", .data = "2"}, {.path = ".wh.c"},
	    {.path = "d/.wh.x"}, {.path = "var/lib/dpkg/status", .data = "new"});
	const struct member *whole = MEMBERS({.path = "a/"}, {.path = "a/1", .data = "new"},
	    {.path = "a/2", .data = "2"}, {.path = "b/"}, {.path = "b/2", .data = "2"},
	    {.path = "d/"}, {.path = "var/lib/dpkg/status", .data = "new"});
	const struct member *const two[] = {lower, upper, NULL}, *const one[] = {whole, NULL};
	char manifest[DIGEST_TEXT_SIZE], expected[CONTENT_SIZE];
	struct content content;

	fingerprint_at(one, 1, "{}", expected);
	put(two, 2, "{}", manifest);
	content = read_it(manifest);
	assert_string_equal(content.fingerprint, expected);
	assert_int_equal(content.n_files, 1);
	assert_string_equal(content_file(&content, "var/lib/dpkg/status")->data, "new");
	assert_null(content_file(&content, "c"));
	content_release(&content);
}

/* A link to what a higher layer replaces is still what it was. */
static void hard_links_are_of_their_layer(void **state UNUSED)
{
	const struct member *upper = MEMBERS({.path = ".wh.a"}, {.path = "z", .data = "1"});
	char one[CONTENT_SIZE], other[CONTENT_SIZE];

	fingerprint_at(
	    (const struct member *const[]){
		MEMBERS({.path = "a", .data = "1"}, {.path = "l", .hardlink = "a"}), upper, NULL},
	    1, "{}", one);
	fingerprint_at(
	    (const struct member *const[]){
		MEMBERS({.path = "a", .data = "2"}, {.path = "l", .hardlink = "a"}), upper, NULL},
	    1, "{}", other);
	assert_string_not_equal(one, other);
}

/* A file in the place of a folder hides what was in it. */
static void a_file_hides_a_folder(void **state UNUSED)
{
	char two[CONTENT_SIZE], one[CONTENT_SIZE];

	fingerprint_at(
	    (const struct member *const[]){MEMBERS({.path = "a/"}, {.path = "a/b", .data = "1"}),
		MEMBERS({.path = "a", .data = "file"}), NULL},
	    1, "{}", two);
	fingerprint_at((const struct member *const[]){MEMBERS({.path = "a", .data = "file"}), NULL},
	    1, "{}", one);
	assert_string_equal(two, one);
}

static void what_is_wanted_may_be_left_out(void **state UNUSED)
{
	const struct member *const layers[] = {
	    MEMBERS({.path = "var/lib/rpm/rpmdb.sqlite", .data = "old"}),
	    MEMBERS({.path = "var/lib/rpm/rpmdb.sqlite", .data = "db"}), NULL};
	char manifest[DIGEST_TEXT_SIZE];
	struct content content;

	put(layers, 1, "{}", manifest);
	content = read_it(manifest);
	assert_int_equal(content.n_files, 1);
	assert_string_equal(content_file(&content, "var/lib/rpm/rpmdb.sqlite")->data, "db");
	assert_false(content.cut);
	content_release(&content);
}

static void what_is_no_layer_is_an_error(void **state UNUSED)
{
	const struct content_options options = {.cancel_fd = -1};
	struct put_image image = put_image(&place, "shop", "2", 7, 50000);
	struct content content;
	struct error err = {0};

	assert_int_equal(
	    content_read(place.store, "shop", image.manifest, &options, &content, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	error_release(&err);
	assert_int_equal(
	    content_read(place.store, "shop",
		"sha256:0000000000000000000000000000000000000000000000000000000000000000", &options,
		&content, &err),
	    -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	error_release(&err);
}

static void paths_that_are_too_long_are_refused(void **state UNUSED)
{
	unsigned char digest[DIGEST_RAW_SIZE] = {0};
	char path[5000];
	struct tree *tree = NULL;
	struct error err = {0};

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_ok(tree_new(&tree, OK_ERR));
	tree_next_layer(tree);
	assert_int_equal(tree_add(tree, path, false, digest, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	error_release(&err);
	assert_false(tree_shows(tree, path));
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_do_not_count),
	    cmocka_unit_test(all_else_does),
	    cmocka_unit_test(traces_of_when_do_not_count),
	    cmocka_unit_test(how_it_is_run_counts),
	    cmocka_unit_test(layers_are_put_together),
	    cmocka_unit_test(hard_links_are_of_their_layer),
	    cmocka_unit_test(a_file_hides_a_folder),
	    cmocka_unit_test(what_is_wanted_may_be_left_out),
	    cmocka_unit_test(what_is_no_layer_is_an_error),
	    cmocka_unit_test(paths_that_are_too_long_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
