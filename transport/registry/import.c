/* An import from its beginning to its end, and import from files. */
#include "transport/registry/import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "transport/registry/import_internal.h"

/* Generous for anything that builders make, and far from what would hurt. */
static const struct import_limits usual = {
    .members = 100 * 1000,
    .memory = 32 * 1024 * 1024,
    .entries = 2 * MANIFEST_ENTRIES_MAX,
    .pieces = 16 * MANIFEST_ENTRIES_MAX,
    .unpacked = (uint64_t)1 << 40,
    .unpacked_free = (uint64_t)4 << 30,
    .unpacked_ratio = 200,
};

void import_init(struct import *import, const struct import_target *target)
{
	*import = (struct import){.target = target, .limits = usual, .folder = -1};
}

void import_release(struct import *import)
{
	for (size_t i = 0; i < import->n_manifests; i++)
		free(import->manifests[i].text);
	free(import->manifests);
	free(import->packed);
	parts_release(&import->parts);
	if (import->folder >= 0)
		close(import->folder);
	import->folder = -1;
}

int import_check(const struct import *import, struct error *err)
{
	if (cancel_fd_fired(import->target->cancel_fd))
		return error_set(err, ERROR_CANCELLED, "cancelled");
	return 0;
}

int import_count(size_t *counter, size_t most, const char *what, struct error *err)
{
	if (++*counter <= most)
		return 0;
	return error_set(err, ERROR_PROTOCOL, "it has more than %zu %s", most, what);
}

void import_show(const struct import *import, const char *phase)
{
	const struct import_target *target = import->target;
	uint64_t total = import->total;

	/* An engine's size of an image leaves out what an archive has around it. */
	if (total > 0 && import->done > total)
		total = import->done;
	if (target->progress != NULL)
		target->progress(target->context, import->done, total, phase);
}

int import_failed(struct error *err, const char *source)
{
	if (err != NULL && err->kind == ERROR_NOT_FOUND)
		err->kind = ERROR_PROTOCOL;
	return error_wrap(err, "%s", source);
}

/* --- what becomes visible */

int import_manifest(struct import *import, const char *media_type, const void *text, size_t len,
    bool is_index, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
	struct import_manifest *v;

	if (len > import->limits.memory - import->manifest_bytes)
		return error_set(err, ERROR_PROTOCOL, "it has more than %zu bytes of manifests",
		    import->limits.memory);
	v = reallocarray(import->manifests, import->n_manifests + 1, sizeof(*v));
	if (v == NULL)
		return error_memory(err);
	import->manifests = v;
	v += import->n_manifests;
	*v = (struct import_manifest){
	    .text = malloc(len + 1), .len = len, .media_type = media_type, .is_index = is_index};
	if (v->text == NULL)
		return error_memory(err);
	memcpy(v->text, text, len);
	v->text[len] = '\0';
	import->n_manifests++;
	import->manifest_bytes += len;
	return digest_text(text, len, ret, err);
}

int import_root(const struct import *import, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
	const struct import_manifest *root = &import->manifests[import->n_manifests - 1];

	return digest_text(root->text, root->len, ret, err);
}

static void take_unpacked(const struct import *import, struct imported *ret)
{
	for (size_t i = 0; i < ret->n; i++)
		for (size_t j = 0; j < import->n_packed; j++)
			if (strcmp(ret->images[i].manifest, import->packed[j].manifest) == 0)
				ret->images[i].unpacked = import->packed[j].unpacked;
}

int import_finish(struct import *import, struct imported *ret, struct error *err)
{
	const struct import_target *target = import->target;
	char digest[DIGEST_TEXT_SIZE];

	if (import_check(import, err) < 0)
		return -1;
	for (size_t i = 0; i < import->n_manifests; i++) {
		const struct import_manifest *manifest = &import->manifests[i];
		const char *tag = i + 1 == import->n_manifests ? target->tag : NULL;

		if (store_manifest_put(target->store, target->repository, tag, manifest->media_type,
			manifest->text, manifest->len, manifest->is_index, digest, err) < 0)
			return -1;
	}
	if (import_look(target->store, target->repository, target->tag, ret, err) < 0)
		return -1;
	take_unpacked(import, ret);
	return 0;
}

/* --- files */

/* A pipe is as good: some builders (nix's streamLayeredImage) write one. */
static int open_archive(const char *path, struct error *err)
{
	struct stat file;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		error_errno(err, errno, "cannot open it");
		if (err != NULL && err->code == ENOENT)
			err->kind = ERROR_NOT_FOUND;
		return -1;
	}
	if (fstat(fd, &file) == 0 &&
	    (S_ISREG(file.st_mode) || S_ISFIFO(file.st_mode) || S_ISDIR(file.st_mode)))
		return fd;
	close(fd);
	return error_set(err, ERROR_FAILED, "it is neither a file nor a folder");
}

/* What both layouts may be in at once (Docker 25 and newer) is taken from the richer one. */
static int import_parts(struct import *import, const char *name, struct error *err)
{
	if (parts_has(&import->parts, "index.json"))
		return import_layout(import, name, err);
	if (parts_has(&import->parts, "manifest.json"))
		return import_docker(import, name, err);
	return error_set(err, ERROR_PROTOCOL,
	    "it is no image: it has neither manifest.json nor index.json, or was cut short");
}

int import_stream(struct import *import, int fd, const char *name, bool packed, struct error *err)
{
	struct import_stream *stream;
	int rc;

	if (import_stream_open(import, fd, packed, &stream, err) < 0)
		return -1;
	rc = import_archive(import, stream, err);
	import_stream_close(stream);
	return rc < 0 ? -1 : import_parts(import, name, err);
}

static int import_path(
    struct import *import, bool oci, const char *path, const char *name, struct error *err)
{
	CLEANUP_CLOSE int fd = open_archive(path, err);
	struct stat file;

	if (fd < 0)
		return -1;
	if (fstat(fd, &file) < 0)
		return error_errno(err, errno, "cannot read it");
	if (!S_ISDIR(file.st_mode))
		return import_stream(import, fd, name, true, err);
	if (!oci)
		return error_set(err, ERROR_FAILED, "it is a folder, and no archive");
	import->folder = steal_fd(&fd);
	return import_layout(import, name, err);
}

/* What is wrong with the file's being there is no wrong archive. */
static int file_failed(struct error *err, const char *source)
{
	if (err != NULL && err->kind == ERROR_NOT_FOUND && err->code == ENOENT)
		return error_wrap(err, "%s", source);
	return import_failed(err, source);
}

int import_file(
    const struct import_target *target, const char *source, struct imported *ret, struct error *err)
{
	CLEANUP_IMPORT struct import import;
	CLEANUP_FREE char *path = NULL, *name = NULL;
	struct store_hold *hold;
	bool oci;
	int rc;

	import_init(&import, target);
	*ret = (struct imported){0};
	if (import_source_split(source, &oci, &path, &name, err) < 0 ||
	    store_hold(target->store, &hold, err) < 0)
		return -1;
	rc = import_path(&import, oci, path, name, err);
	if (rc == 0)
		rc = import_finish(&import, ret, err);
	store_release(hold);
	return rc < 0 ? file_failed(err, source) : 0;
}
