/* For tests against a real engine: images made from nothing, a slow road to the registry, the lab's
 * command. The environment has DOCKER_HOST, LAB_REGISTRY and LAB (tests/lab/lab) with SHIPIT_LAB.
 */
#ifndef SHIPIT_TESTS_E2E_ENGINE_HELP_H
#define SHIPIT_TESTS_E2E_ENGINE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/json.h"
#include "transport/engine.h"
#include "transport/tar.h"

#ifdef __aarch64__
#define TEST_ARCH "arm64"
#else
#define TEST_ARCH "amd64"
#endif

/* Fails the test with the words of the error. */
#define works(call)                                                                                \
	do {                                                                                       \
		struct error err_ = {0}, *err = &err_;                                             \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, error_text(err));                                \
	} while (0)

/* Fails the test unless this is how it fails. */
#define fails(call, want_kind, words)                                                              \
	do {                                                                                       \
		struct error err_ = {0}, *err = &err_;                                             \
		if ((call) == 0)                                                                   \
			fail_msg("%s worked", #call);                                              \
		if (err->kind != (want_kind) || strstr(error_text(err), words) == NULL)            \
			fail_msg("%s: kind %d: %s", #call, err->kind, error_text(err));            \
		error_release(err);                                                                \
	} while (0)

static inline struct engine *open_engine(int cancel_fd)
{
	struct engine *engine = NULL;
	char *address = NULL;

	works(engine_local_address(&address, err));
	works(engine_open(address, "the engine", cancel_fd, &engine, err));
	free(address);
	return engine;
}

static inline void run_lab(const char *arguments)
{
	char command[1000];

	snprintf(command, sizeof(command), "\"$LAB\" %s >/dev/null", arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static inline void read_whole(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char piece[65536];
	size_t n;

	assert_non_null(file);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		assert_int_equal(buf_add(out, piece, n), 0);
	fclose(file);
}

/* Layer 0 holds /bin/busybox; the others a file of `bytes` random bytes each. */
static inline void make_layer(int number, size_t bytes, unsigned int seed, struct buf *out)
{
	struct buf data = BUF_INIT(1 << 30);
	char name[32] = "bin/busybox";
	struct tar_entry entry = {.name = name, .mode = 0755, .mtime = 1};

	if (number == 0)
		read_whole("/bin/busybox", &data);
	else
		snprintf(name, sizeof(name), "data/%d", number);
	while (number > 0 && data.len < bytes) {
		const int word[] = {rand_r(&seed), rand_r(&seed), rand_r(&seed)};

		assert_int_equal(buf_add(&data, word, sizeof(word)), 0);
	}
	entry.data = data.data;
	entry.len = data.len;
	works(tar_make(&entry, 1, out, err));
	buf_release(&data);
}

/* What `docker save` of 20.10 would write for such an image, as an unlinked file. */
static inline int make_image(const char *reference, int layers, size_t bytes, unsigned int seed)
{
	struct tar_entry entries[64] = {{.name = "manifest.json"}, {.name = "config.json"}};
	char names[64][32], digest[7 + DIGEST_HEX_SIZE] = "sha256:";
	struct buf parts[64], whole = BUF_INIT(1 << 30);
	json_t *ids = json_array(), *files = json_array(), *config, *manifest;
	FILE *file = tmpfile();
	int fd;

	assert_true(layers <= 60 && file != NULL);
	for (int i = 0; i < layers; i++) {
		buf_init(&parts[i], 1 << 30);
		make_layer(i, bytes, seed + (unsigned int)i, &parts[i]);
		snprintf(names[i], sizeof(names[i]), "%d/layer.tar", i);
		works(digest_sha256_hex(parts[i].data, parts[i].len, digest + 7, err));
		json_array_append_new(ids, json_string(digest));
		json_array_append_new(files, json_string(names[i]));
		entries[i + 2] = (struct tar_entry){
		    .name = names[i], .data = parts[i].data, .len = parts[i].len};
	}
	config = json_pack("{s:s,s:s,s:{s:[s],s:[s]},s:{s:s,s:o}}", "architecture", TEST_ARCH, "os",
	    "linux", "config", "Entrypoint", "/bin/busybox", "Cmd", "true", "rootfs", "type",
	    "layers", "diff_ids", ids);
	manifest = json_pack(
	    "[{s:s,s:[s],s:o}]", "Config", "config.json", "RepoTags", reference, "Layers", files);
	entries[0].data = json_dumps(manifest, 0);
	entries[1].data = json_dumps(config, 0);
	entries[0].len = strlen(entries[0].data);
	entries[1].len = strlen(entries[1].data);
	works(tar_make(entries, (size_t)layers + 2, &whole, err));
	assert_int_equal(fwrite(whole.data, 1, whole.len, file), whole.len);
	rewind(file);
	fd = dup(fileno(file));
	fclose(file);
	free((void *)(uintptr_t)entries[0].data);
	free((void *)(uintptr_t)entries[1].data);
	for (int i = 0; i < layers; i++)
		buf_release(&parts[i]);
	buf_release(&whole);
	json_decref(config);
	json_decref(manifest);
	return fd;
}

static inline void load_image(
    struct engine *engine, const char *reference, int layers, size_t bytes, unsigned int seed)
{
	int fd = make_image(reference, layers, bytes, seed);

	works(engine_image_load(engine, fd, NULL, err));
	close(fd);
}

static inline char *image_id(struct engine *engine, const char *name)
{
	json_t *image = NULL;
	char *id;

	works(engine_image_inspect(engine, name, &image, err));
	id = strdup(json_str(image, "Id", ""));
	json_decref(image);
	return id;
}

/* "HOST:PORT/NAME:TAG" at the lab's registry, or at another. */
static inline const char *at_registry(const char *registry, const char *rest)
{
	static _Thread_local char texts[4][200];
	static _Thread_local int next;
	char *text = texts[next++ % 4];

	snprintf(text, 200, "%s/%s", registry != NULL ? registry : getenv("LAB_REGISTRY"), rest);
	return text;
}

#endif
