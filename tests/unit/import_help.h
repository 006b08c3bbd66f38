/* For tests of imports: archives of every layout made by hand, header by header, and a store of
 * their own. */
#ifndef SHIPIT_TESTS_UNIT_IMPORT_HELP_H
#define SHIPIT_TESTS_UNIT_IMPORT_HELP_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/proc.h"
#include "transport/registry/import_internal.h"

#define works(call)                                                                                \
	do {                                                                                       \
		struct error err_ = {0}, *err = &err_;                                             \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, error_text(err));                                \
	} while (0)

#define fails(call, want_kind, words)                                                              \
	do {                                                                                       \
		struct error err_ = {0}, *err = &err_;                                             \
		if ((call) >= 0)                                                                   \
			fail_msg("%s worked", #call);                                              \
		if (err->kind != (want_kind) || strstr(error_text(err), words) == NULL)            \
			fail_msg("%s: kind %d: %s", #call, err->kind, error_text(err));            \
		error_release(err);                                                                \
	} while (0)

/* --- a folder and a store */

struct scene {
	char dir[40], store_path[64], path[64]; /* of an archive or layout */
	struct store *store;
	struct import_target target;
};

static struct scene scene;

static inline int scene_setup(void **state UNUSED)
{
	scene = (struct scene){0};
	strcpy(scene.dir, "/tmp/import-test-XXXXXX");
	assert_non_null(mkdtemp(scene.dir));
	snprintf(scene.store_path, sizeof(scene.store_path), "%s/store.db", scene.dir);
	snprintf(scene.path, sizeof(scene.path), "%s/image", scene.dir);
	works(store_open(scene.store_path, &scene.store, err));
	scene.target = (struct import_target){
	    .store = scene.store, .repository = "shop.prod.web", .tag = "1", .cancel_fd = -1};
	return 0;
}

/* By posix_spawn: to fork a sanitized program takes long. In the scene's folder; its status. */
static inline int shell(const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct proc_options options = {.argv = argv, .dir = scene.dir, .fds = {-1, -1, -1}};
	int status = -1;
	pid_t pid;

	works(proc_spawn(&options, &pid, err));
	works(proc_wait(pid, -1, -1, &status, err));
	return status;
}

static inline int scene_teardown(void **state UNUSED)
{
	store_close(scene.store);
	return shell("rm -rf \"$PWD\"");
}

static inline void put_file(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* --- tar, by hand (POSIX ustar) */

static inline void tar_header(
    struct buf *out, char type, const char *name, const char *link, uint64_t size)
{
	unsigned char header[512] = {0};
	unsigned int sum = 0;

	assert_true(strlen(name) <= 100 && strlen(link) <= 100);
	memcpy(header, name, strlen(name));
	memcpy(header + 157, link, strlen(link));
	memcpy(header + 100,
	    "0000644\0"
	    "0000000\0"
	    "0000000\0",
	    24);
	snprintf((char *)header + 124, 13, "%011llo", (unsigned long long)size);
	snprintf((char *)header + 136, 13, "%011o", 1);
	memset(header + 148, ' ', 8);
	header[156] = (unsigned char)type;
	memcpy(header + 257,
	    "ustar\0"
	    "00",
	    8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	assert_int_equal(buf_add(out, header, sizeof(header)), 0);
}

static inline void tar_data(struct buf *out, const void *data, size_t len)
{
	static const char zeros[512];

	assert_int_equal(buf_add(out, data, len), 0);
	assert_int_equal(buf_add(out, zeros, (512 - len % 512) % 512), 0);
}

static inline void tar_file(struct buf *out, const char *name, const void *data, size_t len)
{
	tar_header(out, '0', name, "", len);
	tar_data(out, data, len);
}

static inline void tar_text(struct buf *out, const char *name, const char *text)
{
	tar_file(out, name, text, strlen(text));
}

static inline void tar_link(struct buf *out, const char *name, const char *to)
{
	tar_header(out, '2', name, to, 0);
}

static inline void tar_end(struct buf *out)
{
	static const char zeros[1024];

	assert_int_equal(buf_add(out, zeros, sizeof(zeros)), 0);
}

/* --- layers, configs */

struct blob {
	struct buf bytes;
	char digest[DIGEST_TEXT_SIZE];
	const char *hex; /* of it */
	char blob_name[90], tar_name[80];
};

static inline void blob_seal(struct blob *blob)
{
	works(digest_text(blob->bytes.data, blob->bytes.len, blob->digest, err));
	blob->hex = blob->digest + 7;
	snprintf(blob->blob_name, sizeof(blob->blob_name), "blobs/sha256/%s", blob->hex);
	snprintf(blob->tar_name, sizeof(blob->tar_name), "%s.tar", blob->hex);
}

/* A layer with one file of `len` bytes that nothing compresses. */
static inline void make_layer(struct blob *ret, unsigned int seed, size_t len)
{
	struct buf data = BUF_INIT(64 << 20);

	*ret = (struct blob){.bytes = BUF_INIT(64 << 20)};
	while (data.len < len) {
		const int word = rand_r(&seed);

		assert_int_equal(buf_add(&data, &word, sizeof(word)), 0);
	}
	tar_header(&ret->bytes, '5', "etc/", "", 0);
	tar_file(&ret->bytes, "etc/data", data.data, data.len);
	tar_end(&ret->bytes);
	blob_seal(ret);
	buf_release(&data);
}

static inline void gzip_of(const struct buf *from, struct buf *ret)
{
	z_stream stream = {0};
	size_t room = from->len + from->len / 100 + 1000;
	unsigned char *out = malloc(room);

	assert_non_null(out);
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
	stream.next_in = (unsigned char *)from->data;
	stream.avail_in = (unsigned int)from->len;
	stream.next_out = out;
	stream.avail_out = (unsigned int)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(buf_add(ret, out, stream.total_out), 0);
	deflateEnd(&stream);
	free(out);
}

static inline void make_gzip(const struct blob *layer, struct blob *ret)
{
	*ret = (struct blob){.bytes = BUF_INIT(64 << 20)};
	gzip_of(&layer->bytes, &ret->bytes);
	blob_seal(ret);
}

static inline void make_text(struct blob *ret, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	*ret = (struct blob){.bytes = BUF_INIT(64 << 20)};
	assert_int_equal(buf_adds(&ret->bytes, text), 0);
	free(text);
	json_decref(json);
	blob_seal(ret);
}

static inline void make_config(
    struct blob *ret, const char *arch, const struct blob *layers, size_t n)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(ids, json_string(layers[i].digest));
	make_text(ret, json_pack("{ss,ss,s{ss,so}}", "architecture", arch, "os", "linux", "rootfs",
			   "type", "layers", "diff_ids", ids));
}

static inline void blob_free(struct blob *blob)
{
	buf_release(&blob->bytes);
}

/* --- an image in Docker's layout */

enum { IMAGE_LAYERS_MAX = 8 };
struct image {
	struct blob layers[IMAGE_LAYERS_MAX], config;
	char names[IMAGE_LAYERS_MAX][80], config_name[90]; /* in the archive */
	size_t n;
};

static inline void image_make(struct image *ret, const char *arch, size_t n, unsigned int seed)
{
	*ret = (struct image){.n = n};
	for (size_t i = 0; i < n; i++) {
		make_layer(&ret->layers[i], seed + (unsigned int)i, 3000 + 50000 * i);
		snprintf(ret->names[i], sizeof(ret->names[i]), "%zu/layer.tar", i);
	}
	make_config(&ret->config, arch, ret->layers, n);
	snprintf(ret->config_name, sizeof(ret->config_name), "%s.json", ret->config.hex);
}

static inline json_t *image_entry(const struct image *image, const char *tag)
{
	json_t *names = json_array();

	for (size_t i = 0; i < image->n; i++)
		json_array_append_new(names, json_string(image->names[i]));
	return json_pack("{ss,so,so}", "Config", image->config_name, "RepoTags",
	    tag != NULL ? json_pack("[s]", tag) : json_null(), "Layers", names);
}

static inline void image_free(struct image *image)
{
	for (size_t i = 0; i < image->n; i++)
		blob_free(&image->layers[i]);
	blob_free(&image->config);
}

static inline void image_add_files(const struct image *image, struct buf *out)
{
	for (size_t i = 0; i < image->n; i++)
		tar_file(
		    out, image->names[i], image->layers[i].bytes.data, image->layers[i].bytes.len);
	tar_file(out, image->config_name, image->config.bytes.data, image->config.bytes.len);
}

static inline void tar_json(struct buf *out, const char *name, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	tar_text(out, name, text);
	free(text);
	json_decref(json);
}

/* As docker 20.10 writes it, but for files that nobody reads. */
static inline void image_save(const struct image *image, const char *tag, struct buf *out)
{
	image_add_files(image, out);
	tar_text(out, "0/VERSION", "1.0");
	tar_text(out, "repositories", "{}");
	tar_json(out, "manifest.json", json_pack("[o]", image_entry(image, tag)));
	tar_end(out);
}

/* --- an image in an OCI layout */

static inline json_t *descriptor_of(const char *media_type, const struct blob *blob)
{
	return json_pack("{ss,ss,sI}", "mediaType", media_type, "digest", blob->digest, "size",
	    (json_int_t)blob->bytes.len);
}

static inline void make_manifest(struct blob *ret, const struct blob *config,
    const struct blob *layers, size_t n, const char *layer_type)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, descriptor_of(layer_type, &layers[i]));
	make_text(
	    ret, json_pack("{si,ss,so,so}", "schemaVersion", 2, "mediaType", MEDIA_OCI_MANIFEST,
		     "config", descriptor_of(MEDIA_OCI_CONFIG, config), "layers", list));
}

static inline json_t *platform_entry(const struct blob *manifest, const char *os, const char *arch)
{
	json_t *entry = descriptor_of(MEDIA_OCI_MANIFEST, manifest);

	json_object_set_new(
	    entry, "platform", json_pack("{ss,ss}", "os", os, "architecture", arch));
	return entry;
}

static inline json_t *named_entry(json_t *entry, const char *name)
{
	if (name != NULL)
		json_object_set_new(entry, "annotations",
		    json_pack("{ss}", "org.opencontainers.image.ref.name", name));
	return entry;
}

static inline json_t *index_of(json_t *entries)
{
	return json_pack(
	    "{si,ss,so}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX, "manifests", entries);
}

static inline void tar_blob(struct buf *out, const struct blob *blob)
{
	tar_file(out, blob->blob_name, blob->bytes.data, blob->bytes.len);
}

/* A layout in the scene's folder from one in a tar that these functions made. */
static inline void unpack_layout(void)
{
	assert_int_equal(
	    shell("mv image image.tar && mkdir image && tar -xf image.tar -C image"), 0);
}

/* --- importing */

static inline int import_at(
    const char *scheme, const char *name, struct imported *ret, struct error *err)
{
	char source[200];

	snprintf(source, sizeof(source), "%s:%s%s%s", scheme, scene.path, name != NULL ? ":" : "",
	    name != NULL ? name : "");
	return import_file(&scene.target, source, ret, err);
}

/* With limits of the test's own. */
static inline int import_limited(const struct import_limits *limits, struct error *err)
{
	CLEANUP_CLOSE int fd = open(scene.path, O_RDONLY | O_CLOEXEC);
	struct imported imported = {0};
	struct import import;
	int rc;

	import_init(&import, &scene.target);
	if (limits != NULL)
		import.limits = *limits;
	rc = import_stream(&import, fd, NULL, true, err);
	if (rc == 0)
		rc = import_finish(&import, &imported, err);
	imported_release(&imported);
	import_release(&import);
	return rc;
}

static inline struct import_limits usual_limits(void)
{
	struct import import;

	import_init(&import, &scene.target);
	return import.limits;
}

static inline int import_tar(
    const struct buf *tar, const char *name, struct imported *ret, struct error *err)
{
	put_file(scene.path, tar->data, tar->len);
	return import_at("docker-archive", name, ret, err);
}

static inline void fails_tar(const struct buf *tar, const char *name, const char *words)
{
	struct imported imported = {0};
	struct stored_manifest manifest;

	fails(import_tar(tar, name, &imported, err), ERROR_PROTOCOL, words);
	assert_null(imported.images);
	fails(store_manifest_get(
		  scene.store, scene.target.repository, scene.target.tag, &manifest, err),
	    ERROR_NOT_FOUND, "");
}

/* --- what came of it */

static inline void blob_bytes(const char *digest, struct buf *ret)
{
	struct blob_reader *reader;
	char data[10000];
	ssize_t n = 1;

	works(blob_open(scene.store, digest, &reader, NULL, err));
	while (n > 0) {
		works((n = blob_read(reader, ret->len, data, sizeof(data), err)) < 0 ? -1 : 0);
		assert_int_equal(buf_add(ret, data, (size_t)n), 0);
	}
	blob_close(reader);
}

/* Gzip of any number of members. */
static inline void gunzip(const struct buf *from, struct buf *ret)
{
	z_stream stream = {0};
	unsigned char out[32768];

	assert_int_equal(inflateInit2(&stream, 31), Z_OK);
	stream.next_in = (unsigned char *)from->data;
	stream.avail_in = (unsigned int)from->len;
	while (stream.avail_in > 0) {
		int rc;

		stream.next_out = out;
		stream.avail_out = sizeof(out);
		rc = inflate(&stream, Z_NO_FLUSH);
		assert_true(rc == Z_OK || rc == Z_STREAM_END);
		assert_int_equal(buf_add(ret, out, sizeof(out) - stream.avail_out), 0);
		if (rc == Z_STREAM_END)
			inflateReset(&stream);
	}
	inflateEnd(&stream);
}

static inline void assert_blob(const char *digest, const struct buf *want)
{
	struct buf got = BUF_INIT(64 << 20);

	blob_bytes(digest, &got);
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.data, want->data, want->len);
	buf_release(&got);
}

/* The image is there under the scene's name, its layers unpack to what they were. */
static inline void assert_packed_image(
    const char *manifest_digest, const struct blob *config, const struct blob *layers, size_t n)
{
	CLEANUP_MANIFEST struct manifest manifest = {0};
	struct stored_manifest stored;

	works(store_manifest_get(
	    scene.store, scene.target.repository, manifest_digest, &stored, err));
	works(manifest_parse(stored.data, stored.len, stored.media_type, &manifest, err));
	assert_string_equal(stored.media_type, MEDIA_DOCKER_MANIFEST);
	assert_string_equal(manifest.config.digest, config->digest);
	assert_blob(config->digest, &config->bytes);
	assert_int_equal(manifest.n, n);
	for (size_t i = 0; i < n; i++) {
		struct buf packed = BUF_INIT(64 << 20), plain = BUF_INIT(64 << 20);
		struct blob_info info;

		works(store_blob_in(
		    scene.store, scene.target.repository, manifest.entries[i].digest, &info, err));
		assert_string_equal(info.diff_id, layers[i].digest);
		assert_int_equal(info.size, manifest.entries[i].size);
		blob_bytes(manifest.entries[i].digest, &packed);
		gunzip(&packed, &plain);
		assert_int_equal(plain.len, layers[i].bytes.len);
		assert_memory_equal(plain.data, layers[i].bytes.data, plain.len);
		buf_release(&packed);
		buf_release(&plain);
	}
	stored_manifest_release(&stored);
}

static inline void assert_kept(const char *reference, const struct blob *manifest)
{
	struct stored_manifest stored;

	works(store_manifest_get(scene.store, scene.target.repository, reference, &stored, err));
	assert_string_equal(stored.digest, manifest->digest);
	assert_int_equal(stored.len, manifest->bytes.len);
	assert_memory_equal(stored.data, manifest->bytes.data, stored.len);
	stored_manifest_release(&stored);
}

#endif
