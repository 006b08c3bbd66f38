/* What the files of the import share.
 *
 * An archive is read once (import_archive.c): its members become parts, kept in memory when they
 * are JSON, else in the store. Then manifest.json (import_docker.c) or index.json
 * (import_layout.c) says which of them are images. A layout in a folder is read from index.json
 * down instead. "Not there" is ERROR_NOT_FOUND in here, so that an index can do without what it has
 * no pieces of; whoever imported gets it as ERROR_PROTOCOL. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_IMPORT_INTERNAL_H
#define SHIPIT_TRANSPORT_REGISTRY_IMPORT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"
#include "transport/registry/import.h"
#include "transport/registry/manifest.h"
#include "transport/registry/store.h"

/* How much an archive may ask of us; tests set smaller ones. */
struct import_limits {
	size_t members; /* of whatever type */
	size_t memory;	/* bytes of JSON, names and what goes with them */
	size_t entries; /* of all indexes together */
	size_t pieces;	/* layers and configs of all manifests together */
	/* Of a compressed archive: so much unpacked is taken of any; past `unpacked_free` no more
	 * than `unpacked_ratio` times what was read. Zeros without end cost time, though no room:
	 * the store has a chunk but once. */
	uint64_t unpacked, unpacked_free, unpacked_ratio;
};

enum part_form {
	PART_TEXT,	/* JSON, or a file without content: in memory */
	PART_BLOB,	/* in the store */
	PART_LINK,	/* another name for a part */
	PART_LONG_TEXT, /* JSON, but too long to be read as such: dropped */
};

struct part {
	char *name; /* as part_name() makes it */
	enum part_form form;
	char *text; /* PART_TEXT: its content, and a NUL; PART_LINK: the name it leads to */
	size_t len;
	struct blob_info blob;
	uint64_t unpacked; /* of a layer that was packed just now, its length; else 0 */
};

struct parts {
	struct part *v;
	size_t n;
	size_t memory; /* in use */
};

/* One import under way. */
struct import {
	const struct import_target *target;
	struct import_limits limits;
	struct parts parts;   /* of an archive */
	int folder;	      /* the layout's; -1: an archive */
	uint64_t done, total; /* for progress */
	struct import_image
	    *packed; /* images that got a manifest of our making: digest, unpacked */
	size_t n_packed;
	struct import_manifest
	    *manifests; /* to be put once every blob is there; the last: tagged */
	size_t n_manifests, manifest_bytes;
	size_t entries, pieces; /* looked at so far */
};

/* A manifest or index on its way into the repository. */
struct import_manifest {
	char *text;
	size_t len;
	const char *media_type; /* static; NULL: what it says itself */
	bool is_index;
};

void import_init(struct import *import, const struct import_target *target);
void import_release(struct import *import);
#define CLEANUP_IMPORT __attribute__((cleanup(import_release)))
/* ERROR_CANCELLED when it is. */
int import_check(const struct import *import, struct error *err);
void import_show(const struct import *import, const char *phase);
/* Something was counted: ERROR_PROTOCOL when it was once too often. */
int import_count(size_t *counter, size_t most, const char *what, struct error *err);
/* Make what was found visible, and say what the tag is now. */
int import_finish(struct import *import, struct imported *ret, struct error *err);
/* What was not there is a wrong archive to those outside; `source` is what it was about. -1. */
int import_failed(struct error *err, const char *source);
/* Blobs of an image that has a manifest come first, then this. Takes a copy. `ret`: its digest. */
int import_manifest(struct import *import, const char *media_type, const void *text, size_t len,
    bool is_index, char ret[DIGEST_TEXT_SIZE], struct error *err);
/* The digest of the tagged one, once all are known. */
int import_root(const struct import *import, char ret[DIGEST_TEXT_SIZE], struct error *err);

/* --- import_part.c: names and what they lead to */

/* `name` without ".", "//" and a slash at its end; with `folder_of` given, as seen from the folder
 * of that one (a link's target), and ".." allowed. `ret` is NULL when it is absolute, leads out of
 * the archive, or is empty or too long: such a member cannot be meant by anything. */
int part_name(const char *name, const char *folder_of, char **ret, struct error *err);
/* The digest that a member has to have by its name, "blobs/sha256/HEX"; false: it has none. */
bool part_digest(const char *name, char ret[DIGEST_TEXT_SIZE]);
/* Take one; `part` is emptied, also on failure. */
int parts_add(struct import *import, struct part *part, struct error *err);
void part_release(struct part *part);
/* Once all are there. */
void parts_sort(struct parts *parts);
/* Links are followed. ERROR_NOT_FOUND; ERROR_PROTOCOL when there are two of that name, or links
 * that lead nowhere. */
int parts_find(
    const struct parts *parts, const char *name, const struct part **ret, struct error *err);
bool parts_has(const struct parts *parts, const char *name);
void parts_release(struct parts *parts);

/* --- import_stream.c: an archive's bytes */

struct import_stream;
/* From `fd` (borrowed): a file, pipe or socket; where `packed` is allowed, gzip or zstd are
 * unpacked. */
int import_stream_open(
    struct import *import, int fd, bool packed, struct import_stream **ret, struct error *err);
/* The next bytes (borrowed until the next call); 0: the end; -1: an error. */
ssize_t import_stream_read(struct import_stream *stream, const void **ret, struct error *err);
/* Skip at most `n` bytes, fast; how many were, maybe 0. */
uint64_t import_stream_skip(struct import_stream *stream, uint64_t n);
void import_stream_close(struct import_stream *stream); /* takes NULL */

/* All of it: read the archive, find the image, queue its manifests (import.c). */
int import_stream(struct import *import, int fd, const char *name, bool packed, struct error *err);

/* --- import_archive.c */

/* Read it to its end: `import->parts`. */
int import_archive(struct import *import, struct import_stream *stream, struct error *err);

/* --- import_piece.c: bytes into the store, and pieces by name or digest */

enum content {
	CONTENT_NONE, /* no bytes at all */
	CONTENT_TAR,
	CONTENT_GZIP,
	CONTENT_ZSTD,
	CONTENT_JSON,
	CONTENT_OTHER,
};
enum { CONTENT_HEAD = 512 };
/* What it is by its first bytes: CONTENT_HEAD of them, or all that there are. */
enum content content_of(const void *head, size_t len);

struct piece {
	struct blob_info blob;
	uint64_t unpacked; /* as in struct part */
};
/* A file of the archive or folder that is text: "index.json", "blobs/sha256/...". */
int import_text(struct import *import, const char *name, struct buf *ret, struct error *err);
/* A text by its digest, which is checked. `size`: what it has to be. */
int import_text_of(
    struct import *import, const char *digest, uint64_t size, struct buf *ret, struct error *err);
/* Have a blob of a layout in the store. One that is a `layer` and an unpacked tar is packed: its
 * `diff_id` is `digest` then, and its digest another. */
int import_blob(struct import *import, const struct descriptor *blob, bool layer, struct piece *ret,
    struct error *err);
/* A member of an archive as a layer, whatever form it has. */
int import_layer(struct import *import, const char *name, struct piece *ret, struct error *err);
/* Put bytes into the store. */
int import_bytes(struct import *import, enum blob_form form, const void *data, size_t len,
    const char *expected, struct blob_info *ret, struct error *err);

/* --- import_image.c */

/* Make a manifest for `config` over `n` layers, those that the store packed having the diff_ids
 * that the config says, and import_manifest() it. */
int import_image(struct import *import, const void *config, size_t len, const struct piece *layers,
    size_t n, size_t *ret_len, char ret[DIGEST_TEXT_SIZE], struct error *err);
/* The same for layers that are in the store, by the diff_ids of the config. */
int import_known_layers(struct import *import, const void *config, size_t len, struct error *err);

/* --- import_docker.c, import_layout.c: which is the image. `name` NULL: the only one. */
int import_docker(struct import *import, const char *name, struct error *err);
int import_layout(struct import *import, const char *name, struct error *err);

/* --- import_name.c */

/* "oci:PATH:NAME" in three; `ret_name` NULL: none was given. */
int import_source_split(
    const char *source, bool *ret_oci, char **ret_path, char **ret_name, struct error *err);
/* Do both mean the same image? "app", "app:latest" and "docker.io/library/app:latest" do. */
bool import_same_name(const char *a, const char *b);
/* ERROR_NOT_FOUND or ERROR_USAGE-like words for a choice that cannot be made, naming what there is.
 */
int import_no_choice(const char *name, const struct strv *there, struct error *err);

#endif
