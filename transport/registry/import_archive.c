/* One pass over an archive. What a member is its first bytes tell, since the manifest that explains
 * it may come last: an unpacked layer is packed by the store as it comes, what is packed already
 * and other blobs of an OCI layout are stored as they are, JSON is kept in memory, and all else is
 * passed over. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "transport/registry/import_internal.h"

enum {
	/* More than this in front of a member is no header: libarchive allows 1 MiB for each of a
	 * long name, a long link and attributes, but has no bound on a sparse file's map. */
	HEADER_MAX = 4 * 1024 * 1024,
	MEMBER_NAME_SHOWN = 200,
};

struct pass {
	struct import *import;
	struct import_stream *stream;
	struct archive *archive;
	struct error failure; /* of a callback */
	size_t members;
	bool in_header;
	uint64_t header_bytes;
};

/* A file in it, being read. */
struct member {
	const char *name;
	uint64_t size, at; /* as announced; how far it was read */
	char head[CONTENT_HEAD];
	size_t head_len;
	const char *rest; /* what came with the last of the head */
	size_t rest_len;
};

static la_ssize_t on_read(struct archive *archive UNUSED, void *context, const void **ret)
{
	struct pass *pass = context;
	ssize_t n = import_stream_read(pass->stream, ret, &pass->failure);

	if (n <= 0 || !pass->in_header)
		return n;
	if (pass->header_bytes > HEADER_MAX)
		return error_set(&pass->failure, ERROR_PROTOCOL,
		    "it is no valid tar archive: a header of more than %d bytes", HEADER_MAX);
	pass->header_bytes += (uint64_t)n;
	return n;
}

static la_int64_t on_skip(struct archive *archive UNUSED, void *context, la_int64_t n)
{
	const struct pass *pass = context;

	return n > 0 ? (la_int64_t)import_stream_skip(pass->stream, (uint64_t)n) : 0;
}

static int failed(struct pass *pass, struct error *err)
{
	const char *words = archive_error_string(pass->archive);

	if (pass->failure.kind != ERROR_NONE) {
		error_move(err, &pass->failure);
		return -1;
	}
	if (archive_errno(pass->archive) == ENOMEM)
		return error_memory(err);
	return error_set(err, ERROR_PROTOCOL, "it is no valid tar archive: %s",
	    words != NULL ? words : "no reason is known");
}

/* The next bytes of a member: 1, 0 at its end, -1. */
static int next_block(
    struct pass *pass, struct member *member, const char **ret, size_t *ret_len, struct error *err)
{
	const void *data = NULL;
	la_int64_t offset = 0;
	int status = archive_read_data_block(pass->archive, &data, ret_len, &offset);

	if (status == ARCHIVE_EOF)
		return 0;
	if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
		return failed(pass, err);
	if (offset < 0 || (uint64_t)offset != member->at || *ret_len > member->size - member->at)
		return error_set(err, ERROR_PROTOCOL, "it is a file with holes, or its size lies");
	member->at += *ret_len;
	*ret = data;
	return import_check(pass->import, err) < 0 ? -1 : 1;
}

static int read_head(struct pass *pass, struct member *member, struct error *err)
{
	int rc = 1;

	while (member->head_len < CONTENT_HEAD &&
	       (rc = next_block(pass, member, &member->rest, &member->rest_len, err)) > 0) {
		size_t take = CONTENT_HEAD - member->head_len;

		if (take > member->rest_len)
			take = member->rest_len;
		memcpy(member->head + member->head_len, member->rest, take);
		member->head_len += take;
		member->rest += take;
		member->rest_len -= take;
	}
	return rc < 0 ? -1 : 0;
}

static int read_all(struct pass *pass, struct member *member,
    int (*take)(void *context, const void *data, size_t len, struct error *err), void *context,
    struct error *err)
{
	const char *data = NULL;
	size_t len = 0;
	int rc;

	if (take(context, member->head, member->head_len, err) < 0)
		return -1;
	if (member->rest_len > 0 && take(context, member->rest, member->rest_len, err) < 0)
		return -1;
	while ((rc = next_block(pass, member, &data, &len, err)) > 0) {
		if (take(context, data, len, err) < 0)
			return -1;
	}
	if (rc == 0 && member->at != member->size)
		return error_set(err, ERROR_PROTOCOL, "it is a file with holes, or its size lies");
	return rc;
}

static int take_text(void *context, const void *data, size_t len, struct error *err)
{
	struct buf *text = context;

	return buf_add(text, data, len) == 0 ? 0 : buf_error(text, err, "it");
}

static int keep_text(struct pass *pass, struct member *member, const char *digest,
    struct part *part, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
	char found[DIGEST_TEXT_SIZE];

	if (read_all(pass, member, take_text, &text, err) < 0)
		return -1;
	if (digest != NULL) {
		if (digest_text(text.data, text.len, found, err) < 0)
			return -1;
		if (strcmp(found, digest) != 0)
			return error_set(err, ERROR_PROTOCOL, "its digest is %s", found);
	}
	part->form = PART_TEXT;
	part->len = text.len;
	part->text = buf_steal(&text);
	return part->text != NULL ? 0 : error_memory(err);
}

static int take_bytes(void *context, const void *data, size_t len, struct error *err)
{
	struct blob_writer *writer = context;

	return blob_write(writer, data, len, err);
}

static int keep_blob(struct pass *pass, struct member *member, enum blob_form form,
    const char *digest, struct part *part, struct error *err)
{
	struct blob_writer *writer;

	if (blob_begin(pass->import->target->store, form, &writer, err) < 0)
		return -1;
	blob_expect(writer, member->size);
	if (read_all(pass, member, take_bytes, writer, err) < 0) {
		blob_abandon(writer);
		return -1;
	}
	part->form = PART_BLOB;
	part->unpacked = form == BLOB_LAYER ? blob_written(writer) : 0;
	return blob_commit(writer, digest, &part->blob, err);
}

/* A digest that a name announces, though nobody vouches for it: podman's "HEX.tar". */
static bool announced(const char *name, char ret[DIGEST_TEXT_SIZE])
{
	size_t len = strlen(name);

	if (len != DIGEST_HEX_SIZE - 1 + 4 || strcmp(name + len - 4, ".tar") != 0)
		return false;
	memcpy(ret, "sha256:", 7);
	memcpy(ret + 7, name, DIGEST_HEX_SIZE - 1);
	ret[DIGEST_TEXT_SIZE - 1] = '\0';
	return digest_is_text(ret);
}

/* Does the store have it? Then what is in the archive under that name does not matter: an image is
 * made of what has the digests that its config says. */
static int is_known(
    struct pass *pass, const char *name, enum blob_form form, struct part *part, struct error *err)
{
	struct store *store = pass->import->target->store;
	CLEANUP_ERROR struct error failure = {0};
	char digest[DIGEST_TEXT_SIZE];
	int rc;

	if (!part_digest(name, digest) && !announced(name, digest))
		return 0;
	rc = form == BLOB_LAYER ? store_layer_find(store, digest, &part->blob, &failure)
				: store_blob_find(store, digest, &part->blob, &failure);
	part->form = PART_BLOB;
	if (rc == 0 || failure.kind == ERROR_NOT_FOUND)
		return rc == 0;
	error_move(err, &failure);
	return -1;
}

/* Read it into a part; 1 when it is to be kept. */
static int take_content(
    struct pass *pass, struct member *member, struct part *part, struct error *err)
{
	char digest_of_name[DIGEST_TEXT_SIZE];
	const char *digest = part_digest(member->name, digest_of_name) ? digest_of_name : NULL;
	enum content content;
	enum blob_form form;
	bool fits = member->size <= MANIFEST_MAX &&
		    member->size <= pass->import->limits.memory - pass->import->parts.memory;
	int known;

	if (read_head(pass, member, err) < 0)
		return -1;
	content = content_of(member->head, member->head_len);
	if (content == CONTENT_NONE || (content == CONTENT_JSON && (fits || digest == NULL))) {
		if (member->size <= MANIFEST_MAX)
			return keep_text(pass, member, digest, part, err) < 0 ? -1 : 1;
		part->form = PART_LONG_TEXT;
		return 1;
	}
	if (content == CONTENT_OTHER && digest == NULL)
		return 0;
	form = content == CONTENT_TAR ? BLOB_LAYER : BLOB_AS_IS;
	known = is_known(pass, member->name, form, part, err);
	if (known != 0)
		return known;
	return keep_blob(pass, member, form, digest, part, err) < 0 ? -1 : 1;
}

static int take_file(
    struct pass *pass, struct archive_entry *entry, struct part *part, struct error *err)
{
	struct member member = {.name = part->name};
	int rc;

	if (archive_entry_size(entry) < 0)
		return error_set(err, ERROR_PROTOCOL, "its size makes no sense");
	member.size = (uint64_t)archive_entry_size(entry);
	rc = take_content(pass, &member, part, err);
	return rc > 0 ? parts_add(pass->import, part, err) : rc;
}

static int take_link(
    struct pass *pass, struct part *part, const char *target, bool symbolic, struct error *err)
{
	part->form = PART_LINK;
	if (part_name(target, symbolic ? part->name : NULL, &part->text, err) < 0)
		return -1;
	if (part->text == NULL) /* it leads out of the archive: to nothing */
		part->text = strdup("");
	if (part->text == NULL)
		return error_memory(err);
	part->len = strlen(part->text);
	return parts_add(pass->import, part, err);
}

static int take_entry(
    struct pass *pass, struct archive_entry *entry, struct part *part, struct error *err)
{
	const char *hard = archive_entry_hardlink(entry), *soft = archive_entry_symlink(entry);

	if (hard != NULL)
		return take_link(pass, part, hard, false, err);
	if (archive_entry_filetype(entry) == AE_IFLNK && soft != NULL)
		return take_link(pass, part, soft, true, err);
	if (archive_entry_filetype(entry) == AE_IFREG)
		return take_file(pass, entry, part, err);
	return 0;
}

/* What of a member was not read. */
static int skip(struct pass *pass, struct error *err)
{
	int status = archive_read_data_skip(pass->archive);

	return status == ARCHIVE_OK || status == ARCHIVE_WARN ? 0 : failed(pass, err);
}

static int take_member(struct pass *pass, struct archive_entry *entry, struct error *err)
{
	/* NULL when this locale has no way to say it: then nobody means it either. */
	const char *name = archive_entry_pathname(entry);
	struct part part = {0};
	int rc = 0;

	if (++pass->members > pass->import->limits.members)
		return error_set(err, ERROR_PROTOCOL, "the archive has more than %zu members",
		    pass->import->limits.members);
	if (name != NULL && part_name(name, NULL, &part.name, err) < 0)
		return -1;
	if (part.name != NULL) {
		rc = take_entry(pass, entry, &part, err);
		if (rc < 0)
			error_wrap(err, "%.*s", MEMBER_NAME_SHOWN, name);
		part_release(&part);
	}
	return rc < 0 ? -1 : skip(pass, err);
}

static int walk(struct pass *pass, struct error *err)
{
	struct archive_entry *entry;
	int status;

	for (;;) {
		pass->in_header = true;
		pass->header_bytes = 0;
		status = archive_read_next_header(pass->archive, &entry);
		pass->in_header = false;
		if (status == ARCHIVE_EOF)
			return 0;
		/* A warning is about an attribute that nobody here reads. */
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			return failed(pass, err);
		if (take_member(pass, entry, err) < 0)
			return -1;
	}
}

/* Whoever writes wants to see it read to its end. */
static int drain(struct pass *pass, struct error *err)
{
	const void *data;
	ssize_t n;

	import_stream_skip(pass->stream, UINT64_MAX);
	while ((n = import_stream_read(pass->stream, &data, err)) > 0)
		;
	return n < 0 ? -1 : 0;
}

int import_archive(struct import *import, struct import_stream *stream, struct error *err)
{
	struct pass pass = {.import = import, .stream = stream, .archive = archive_read_new()};
	int rc = 0;

	if (pass.archive == NULL)
		return error_memory(err);
	archive_read_set_callback_data(pass.archive, &pass);
	archive_read_set_read_callback(pass.archive, on_read);
	archive_read_set_skip_callback(pass.archive, on_skip);
	if (archive_read_support_format_tar(pass.archive) != ARCHIVE_OK ||
	    archive_read_open1(pass.archive) != ARCHIVE_OK)
		rc = failed(&pass, err);
	if (rc == 0)
		rc = walk(&pass, err);
	if (rc == 0)
		rc = drain(&pass, err);
	archive_read_free(pass.archive);
	error_release(&pass.failure);
	parts_sort(&import->parts);
	return rc;
}
