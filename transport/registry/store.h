/* The image store: images as BLOBs in one SQLite file, shared by every shipit on this machine.
 *
 * A *blob* is what registries call one: bytes known by their SHA-256. It is kept in pieces, each a
 * row of the table of chunks, so that what two blobs have in common is there once:
 *
 *   - a layer that comes unpacked (a tar) is cut where its content says (cut.h), and each distinct
 *     chunk is compressed once, as a gzip member of its own. The members end to end are the layer's
 *     compressed form (RFC 1952 §2.2: a gzip file is a series of members), so it has a digest, is
 *     never compressed again, and any byte of it can be served from the middle;
 *   - a blob that comes as it is to be kept (pushed, or from an OCI layout) is cut every 64 KiB.
 *
 * Everything that enters is checked against its digest, and nobody sees a blob, manifest or tag
 * before it is whole: chunks are written as they come, and all that makes them a blob in one
 * transaction at the end. A program that is killed leaves chunks that nothing refers to: they are
 * found again when the same bytes come again, or taken by the next store_gc().
 *
 * Every function may be called from any thread, and several programs may have one file open. None
 * blocks for longer than a minute; the file's lock being taken for so long is ERROR_TIMEOUT. A full
 * disk is ERROR_SYSTEM with code ENOSPC, and says how much is missing where that is known. What is
 * not there is ERROR_NOT_FOUND. What does not have the digest it should have, in the file or coming
 * in, is ERROR_PROTOCOL. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_STORE_H
#define SHIPIT_TRANSPORT_REGISTRY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strv.h"

struct store;

/* $SHIPIT_STORE, else $XDG_DATA_HOME/shipit/store.db, else ~/.local/share/shipit/store.db. */
int store_path(char **ret, struct error *err);
/* Open it; make it (0600, folder 0700) when it is not there. One of an older schema is migrated,
 * one of a newer schema is refused untouched. `path` NULL: store_path(). */
int store_open(const char *path, struct store **ret, struct error *err);
void store_close(struct store *store); /* takes NULL */
const char *store_file(const struct store *store);

/* While a program holds the store, store_gc() removes no chunk, in whatever program it runs: for
 * the length of an import, an upload, a rollout. Waits while a gc is at work (it lets go often). */
struct store_hold;
int store_hold(struct store *store, struct store_hold **ret, struct error *err);
void store_release(struct store_hold *hold); /* takes NULL */

/* --- blobs */

struct blob_info {
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size;
	char diff_id[DIGEST_TEXT_SIZE]; /* of the unpacked layer; "" when the store did not pack it
					 */
};

int store_blob_find(
    struct store *store, const char *digest, struct blob_info *ret, struct error *err);
/* The blob that this version of the store would make (or has made) of a layer: by its diff_id. */
int store_layer_find(
    struct store *store, const char *diff_id, struct blob_info *ret, struct error *err);

/* Take a blob in. The writer holds the store. One thread at a time uses a writer. */
enum blob_form {
	BLOB_AS_IS, /* kept byte for byte */
	BLOB_LAYER, /* an unpacked layer: cut by content and compressed, on worker threads */
};
struct blob_writer;
int blob_begin(
    struct store *store, enum blob_form form, struct blob_writer **ret, struct error *err);
/* How many bytes are going to come, where that is known: said when the disk is full. */
void blob_expect(struct blob_writer *writer, uint64_t total);
int blob_write(struct blob_writer *writer, const void *data, size_t len, struct error *err);
/* Bytes taken so far (of a layer: unpacked). */
uint64_t blob_written(const struct blob_writer *writer);
/* The blob is whole: from now on it can be found. `expected`: what its digest (of BLOB_LAYER: its
 * diff_id) has to be, else ERROR_PROTOCOL and nothing is kept; NULL: whatever it is. When the same
 * blob is there already, that one stays, and this is no error. Frees the writer in any case. */
int blob_commit(
    struct blob_writer *writer, const char *expected, struct blob_info *ret, struct error *err);
void blob_abandon(struct blob_writer *writer); /* takes NULL */

/* Read a blob, in any order. Chunks are checked (CRC-32) as they are read. Holds nothing between
 * the calls: a blob that is removed meanwhile is ERROR_NOT_FOUND. */
struct blob_reader;
int blob_open(struct store *store, const char *digest, struct blob_reader **ret,
    struct blob_info *ret_info, struct error *err);
/* At most `len` bytes from `offset` on; fewer only when the blob or one of its pieces ends; 0: at
 * its end; -1: an error. */
ssize_t blob_read(
    struct blob_reader *reader, uint64_t offset, void *data, size_t len, struct error *err);
/* It is read whole, its digest was found right a while ago, and who gets it compares it, too: no
 * more CRCs, which are a tenth of the work. */
void blob_trust(struct blob_reader *reader);
void blob_close(struct blob_reader *reader); /* takes NULL */

/* --- repositories: which blobs and manifests can be had under which name (OCI distribution-spec)
 *
 * A blob is in a repository when it was uploaded to it, mounted into it, or a manifest in it refers
 * to it. */

/* Is it in that repository? ERROR_NOT_FOUND when not. */
int store_blob_in(struct store *store, const char *repository, const char *digest,
    struct blob_info *ret, struct error *err);
/* Put a blob that the store has into a repository. */
int store_blob_link(
    struct store *store, const char *repository, const char *digest, struct error *err);
/* Take it out again; the bytes go with the next store_gc() when nothing else refers to them. */
int store_blob_unlink(
    struct store *store, const char *repository, const char *digest, struct error *err);

struct stored_manifest {
	char digest[DIGEST_TEXT_SIZE];
	char *media_type;
	char *data; /* followed by a NUL that is not counted */
	size_t len;
};
void stored_manifest_release(struct stored_manifest *manifest);

/* Put a manifest or an index into a repository; `tag` NULL: it gets none. What it refers to must be
 * in the repository (an index: the manifests; those that were never pushed are allowed when
 * `sparse`), else ERROR_NOT_FOUND that names it. `media_type` NULL: what the manifest itself says.
 * The bytes are kept as they are. */
int store_manifest_put(struct store *store, const char *repository, const char *tag,
    const char *media_type, const void *data, size_t len, bool sparse,
    char ret_digest[DIGEST_TEXT_SIZE], struct error *err);
/* `reference`: a tag or a digest. */
int store_manifest_get(struct store *store, const char *repository, const char *reference,
    struct stored_manifest *ret, struct error *err);
/* Remove a manifest by its digest, with its tags. */
int store_manifest_remove(
    struct store *store, const char *repository, const char *digest, struct error *err);
int store_tag_remove(
    struct store *store, const char *repository, const char *tag, struct error *err);
/* Another tag for what `reference` is. */
int store_tag_set(struct store *store, const char *repository, const char *tag,
    const char *reference, struct error *err);
/* At most `n` names in byte order after `last` (NULL: from the first). ret_more: there are more. */
int store_tags(struct store *store, const char *repository, const char *last, size_t n,
    struct strv *ret, bool *ret_more, struct error *err);
int store_repositories(struct store *store, const char *last, size_t n, struct strv *ret,
    bool *ret_more, struct error *err);
/* Manifests in the repository whose `subject` is `digest` (distribution-spec, "Listing Referrers"):
 * the digests; each can be had by store_manifest_get(). */
int store_referrers(struct store *store, const char *repository, const char *digest,
    struct strv *ret, struct error *err);

/* --- images, for deploys */

/* Put into `repository` as `tag` an image that the store has in whatever repository, known by its
 * config's digest or by its manifest's: no byte is moved. ERROR_NOT_FOUND when it is not there
 * whole. When several manifests have that config, one whose layers this version of the store packed
 * is preferred. */
int store_image_adopt(struct store *store, const char *id, const char *repository, const char *tag,
    char ret_manifest[DIGEST_TEXT_SIZE], struct error *err);
/* Remember that `id` (what an engine calls an image: containerd's stores go by the manifest's
 * digest, which is not the one of our manifest) is the image of `manifest`: store_image_adopt()
 * takes it from then on. */
int store_image_alias(struct store *store, const char *id, const char *manifest, struct error *err);
/* How many of the images tagged last in a repository store_gc() has to leave. Of the tags that one
 * image has there only the newest stays, and those of the last hour: they may be on their way. */
int store_retain(struct store *store, const char *repository, int retain, struct error *err);

/* --- care */

struct store_image {
	char *repository, *tag; /* tag NULL: only its digest */
	char digest[DIGEST_TEXT_SIZE];
	char *platform;		  /* "linux/amd64", of an index all of them, with commas */
	uint64_t size;		  /* of its blobs as they travel */
	uint64_t stored;	  /* what its chunks take in the file */
	uint64_t shared;	  /* of that, what other images use too */
	int64_t pushed_s, used_s; /* unix seconds */
	bool retained;		  /* gc leaves it */
};
struct store_images {
	struct store_image *v;
	size_t n;
	uint64_t file_bytes;   /* the file and its log */
	uint64_t free_bytes;   /* of these, not in use */
	uint64_t unreferenced; /* chunks that no blob refers to */
};
int store_list(struct store *store, struct store_images *ret, struct error *err);
void store_images_release(struct store_images *images);

typedef void store_progress_fn(void *context, uint64_t done, uint64_t total);

/* Remove blobs that no manifest refers to (but those that came or were asked for within the last
 * hour, as somebody may be about to push their manifest), then, while the rest takes more than
 * `limit` bytes (0: no limit), the tags used least recently that no store_retain() protects, and
 * the chunks that nothing refers to any more; give the room back to the file system. Bounded steps:
 * others can work meanwhile, and a full disk is no obstacle. */
enum { STORE_LIMIT_GIB = 20 };
struct store_gc_options {
	uint64_t limit;
	int cancel_fd;
	store_progress_fn *progress; /* chunks looked at; may be NULL */
	void *context;
};
struct store_gc_result {
	size_t tags, manifests, blobs, chunks; /* removed */
	uint64_t bytes;	    /* that the file became smaller, or could be used again */
	bool held;	    /* another shipit is at work with the store: chunks stayed */
	uint64_t over;	    /* bytes over the limit that are all retained or in use */
	struct strv images; /* "REPOSITORY:TAG" of the tags removed */
};
int store_gc(struct store *store, const struct store_gc_options *options,
    struct store_gc_result *ret, struct error *err);
void store_gc_result_release(struct store_gc_result *result);

/* Check all of it: every chunk against its digest, every blob's pieces against the blob's, every
 * manifest's references, and SQLite's own structure. What is wrong is told in words, a line each;
 * finding something is no error. */
struct store_verify_result {
	uint64_t chunks, blobs, manifests, bytes; /* looked at */
	struct strv wrong;
};
int store_verify(struct store *store, int cancel_fd, store_progress_fn *progress, void *context,
    struct store_verify_result *ret, struct error *err);
void store_verify_result_release(struct store_verify_result *result);

#endif
