/* The ledger in its volume: read and written as tar archives through a container that is created
 * and never started, so nothing but the engine's API is needed and no file lies on the host. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/ledger_json.h"
#include "deploy/names.h"
#include "transport/engine.h"
#include "transport/tar.h"

static const char folder[] = "/ledger";
static const char key_file[] = "key";
static const char fresh_file[] = "fresh";
static const char spare_file[] = "spare";

enum { ARCHIVE_MAX = 64 * 1024 * 1024, ENTRY_MAX = 4 * 1024 * 1024, SPARE = 512 * 1024 };

/* "ledger/000042.json", as engines call it; what lies in a folder below keeps that in its name. */
static const char *name_in_folder(const char *name)
{
	const char *slash;

	if (strncmp(name, "./", 2) == 0)
		name += 2;
	slash = strchr(name, '/');
	return slash != NULL ? slash + 1 : name;
}

/* "ledger/000042.json": its number; 0 for anything else, as what somebody put into a folder below,
 * or a number written in another way: each has one name. */
static int64_t number_of(const char *name, bool *ret_pending)
{
	char *end, again[32];
	long long seq;

	name = name_in_folder(name);
	if (strspn(name, "0123456789") > 12)
		return 0;
	seq = strtoll(name, &end, 10);
	*ret_pending = strcmp(end, ".pending") == 0;
	snprintf(again, sizeof(again), "%06lld.%s", seq, *ret_pending ? "pending" : "json");
	return seq > 0 && strcmp(name, again) == 0 ? seq : 0;
}

/* Of what is no entry nothing is made; that there is no memory must not look like it. */
static int skip_unless_memory(const struct error *why, struct error *err)
{
	return why->kind == ERROR_MEMORY ? error_memory(err) : 0;
}

static bool is_key(const struct tar_member *member)
{
	return strcmp(name_in_folder(member->name), key_file) == 0 &&
	       member->len == DIGEST_HEX_SIZE && member->data[member->len - 1] == '\n' &&
	       strspn(member->data, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

/* What is no JSON, or no object, is as if it were not there. */
static int take_fresh(struct ledger *ledger, const struct tar_member *member, struct error *err)
{
	CLEANUP_ERROR struct error why = {0};
	CLEANUP_JSON json_t *json = NULL;

	if (json_parse(member->data, member->len, fresh_file, &json, &why) < 0)
		return skip_unless_memory(&why, err);
	if (!json_is_object(json))
		return 0;
	json_decref(ledger->fresh);
	ledger->fresh = steal_ptr(json);
	return 0;
}

static int take_member(void *context, const struct tar_member *member, struct error *err)
{
	struct ledger *ledger = context;
	CLEANUP_JSON json_t *json = NULL;
	CLEANUP_ERROR struct error why = {0};
	struct ledger_entry entry;
	const char *data = member->data;
	bool pending = false;
	int64_t file = number_of(member->name, &pending);
	int64_t version;

	if (member->type == TAR_FILE && is_key(member)) {
		memcpy(ledger->key, member->data, DIGEST_HEX_SIZE - 1);
		return 0;
	}
	if (member->type == TAR_FILE && strcmp(name_in_folder(member->name), fresh_file) == 0)
		return take_fresh(ledger, member, err);
	if (member->type != TAR_FILE || file == 0)
		return 0;
	ledger->bytes += member->len;
	if (file > ledger->last_file)
		ledger->last_file = file;
	/* A line without its newline was cut short by a crash: as if it had never been written. */
	if (member->len == 0 || data[member->len - 1] != '\n')
		return 0;
	if (json_parse(data, member->len, member->name, &json, &why) < 0)
		return skip_unless_memory(&why, err);
	version = json_int(json, "v", 0);
	if (version > ledger->newest_version)
		ledger->newest_version = version < INT_MAX ? (int)version : INT_MAX;
	if (ledger_entry_parse(json, &entry, &why) < 0)
		return skip_unless_memory(&why, err);
	entry.file = file;
	if (pending != (entry.result == LEDGER_PENDING)) {
		ledger_entry_release(&entry);
		return 0;
	}
	return ledger_insert(ledger, &entry) < 0 ? error_memory(err) : 0;
}

int ledger_parse_tar(const void *tar, size_t len, struct ledger *ret, struct error *err)
{
	struct ledger ledger = {0};

	if (tar_walk(tar, len, ENTRY_MAX, take_member, &ledger, err) < 0) {
		ledger_release(&ledger);
		return error_wrap(err, "the ledger");
	}
	*ret = ledger;
	return 0;
}

/* The container may have been pruned away while the volume is there: then it is made again. */
static int revive(struct engine *engine, const char *name, const char *prefix, struct buf *tar,
    bool *ret_present, struct error *err)
{
	CLEANUP_JSON json_t *volume = NULL;

	*ret_present = true;
	if (engine_volume_inspect(engine, name, &volume, err) < 0) {
		if (err->kind != ERROR_NOT_FOUND)
			return -1;
		error_release(err);
		*ret_present = false;
		return 0;
	}
	if (ledger_prepare(engine, prefix, json_object_get(volume, "Labels"), err) < 0)
		return -1;
	return engine_archive_get(engine, name, folder, tar, err);
}

void ledger_question(const char *name, struct engine_question *ret)
{
	*ret = (struct engine_question){.what = ENGINE_ASK_ARCHIVE, .name = name, .path = folder};
}

int ledger_read(struct engine *engine, const char *prefix, struct engine_question *answer,
    struct ledger *ret, bool *ret_present, struct error *err)
{
	CLEANUP_BUF struct buf tar = BUF_INIT(ARCHIVE_MAX);
	const char *name = answer->name;

	*ret_present = true;
	if (answer->err.kind == ERROR_NONE)
		return ledger_parse_tar(answer->tar.data, answer->tar.len, ret, err);
	if (answer->err.kind != ERROR_NOT_FOUND) {
		error_move(err, &answer->err);
		return error_wrap(err, "cannot read the ledger %s", name);
	}
	if (revive(engine, name, prefix, &tar, ret_present, err) < 0)
		return error_wrap(err, "cannot read the ledger %s", name);
	if (!*ret_present) {
		*ret = (struct ledger){0};
		return 0;
	}
	return ledger_parse_tar(tar.data, tar.len, ret, err);
}

/* Bytes in the container itself, beside the ledger, that are free once it is removed: on a disk
 * that is full the keeper does that, so that the old container can be started again. Best effort.
 */
static void keep_spare(struct engine *engine, const char *id)
{
	CLEANUP_BUF struct buf tar = BUF_INIT(2 * SPARE);
	CLEANUP_FREE char *zeros = calloc(1, SPARE);
	struct tar_entry member = {.name = spare_file, .data = zeros, .len = SPARE};

	if (zeros != NULL && tar_make(&member, 1, &tar, NULL) == 0)
		engine_archive_put(engine, id, "/", tar.data, tar.len, NULL);
}

/* The container's image has nothing in it and its command is never run. */
static int create_container(
    struct engine *engine, const char *name, const json_t *labels, struct error *err)
{
	CLEANUP_FREE char *bind = string_printf("%s:%s", name, folder);
	CLEANUP_FREE char *id = NULL;
	CLEANUP_JSON json_t *body = NULL;

	if (bind == NULL)
		return error_memory(err);
	body = json_pack("{s:s, s:[s], s:{s:[s], s:s}}", "Image",
	    LEDGER_IMAGE_REPOSITORY ":" LEDGER_IMAGE_TAG, "Cmd", "-", "HostConfig", "Binds", bind,
	    "NetworkMode", "none");
	if (body == NULL || (json_is_object(labels) &&
				json_object_set(body, "Labels", (json_t *)(uintptr_t)labels) < 0))
		return error_memory(err);
	if (engine_container_create(engine, name, body, &id, err) == 0) {
		keep_spare(engine, id);
		return 0;
	}
	if (err->kind == ERROR_CONFLICT) { /* somebody was faster */
		error_release(err);
		return 0;
	}
	return -1;
}

int ledger_prepare(
    struct engine *engine, const char *prefix, const json_t *labels, struct error *err)
{
	CLEANUP_FREE char *name = name_ledger(prefix);
	CLEANUP_JSON json_t *there = NULL;

	if (name == NULL)
		return error_memory(err);
	if (engine_container_inspect(engine, name, &there, err) == 0)
		return 0;
	if (err->kind != ERROR_NOT_FOUND)
		return -1;
	error_release(err);
	if (engine_volume_create(engine, name, labels, NULL, err) < 0 ||
	    (create_container(engine, name, labels, err) < 0 && err->kind != ERROR_NOT_FOUND))
		return error_wrap(err, "cannot make the ledger %s", name);
	if (err->kind != ERROR_NOT_FOUND)
		return 0;
	error_release(err);
	if (engine_image_import_empty(engine, LEDGER_IMAGE_REPOSITORY, LEDGER_IMAGE_TAG, err) < 0 ||
	    create_container(engine, name, labels, err) < 0)
		return error_wrap(err, "cannot make the ledger %s", name);
	return 0;
}

/* Of a key all memory is wiped. */
static int write_file(
    struct engine *engine, const char *prefix, const struct tar_entry *member, struct error *err)
{
	CLEANUP_FREE char *name = name_ledger(prefix);
	CLEANUP_BUF struct buf tar = BUF_SECRET(2 * ENTRY_MAX);

	if (name == NULL)
		return error_memory(err);
	if (tar_make(member, 1, &tar, err) < 0 ||
	    engine_archive_put(engine, name, folder, tar.data, tar.len, err) < 0)
		return error_wrap(err, "cannot write to the ledger %s", name);
	return 0;
}

int ledger_write_key(struct engine *engine, const char *prefix, const char *key, struct error *err)
{
	CLEANUP_BUF struct buf line = BUF_SECRET(DIGEST_HEX_SIZE);
	struct tar_entry member = {.name = key_file};

	if (buf_addf(&line, "%s\n", key) < 0)
		return error_memory(err);
	member.data = line.data;
	member.len = line.len;
	return write_file(engine, prefix, &member, err);
}

int ledger_write_fresh(
    struct engine *engine, const char *prefix, const struct ledger *ledger, struct error *err)
{
	CLEANUP_FREE char *text = ledger->fresh != NULL ? json_canonical(ledger->fresh) : NULL;
	const struct tar_entry member = {
	    .name = fresh_file, .data = text, .len = text != NULL ? strlen(text) : 0};

	return text != NULL ? write_file(engine, prefix, &member, err) : error_memory(err);
}

static int line_of(const struct ledger_entry *entry, struct buf *out, struct error *err)
{
	CLEANUP_JSON json_t *json = ledger_entry_json(entry);
	CLEANUP_FREE char *text = json != NULL ? json_canonical(json) : NULL;

	if (text == NULL)
		return error_memory(err);
	return buf_addf(out, "%s\n", text) < 0 ? buf_error(out, err, "the ledger's line") : 0;
}

/* What an earlier line began in the same file must not be taken for unfinished: it is emptied. */
int ledger_make_tar(const struct ledger_entry *entry, bool taken, struct buf *tar,
    size_t *ret_bytes, struct error *err)
{
	CLEANUP_BUF struct buf line = BUF_INIT(ENTRY_MAX);
	char pending[32], outcome[32];
	bool is_pending = entry->result == LEDGER_PENDING;
	struct tar_entry members[2] = {{.name = pending, .data = ""}, {.name = outcome}};

	snprintf(pending, sizeof(pending), "%06" PRId64 ".pending", entry->file);
	snprintf(outcome, sizeof(outcome), "%06" PRId64 ".json", entry->file);
	if (line_of(entry, &line, err) < 0)
		return -1;
	members[!is_pending].data = line.data;
	members[!is_pending].len = line.len;
	*ret_bytes = line.len;
	if (is_pending)
		return tar_make(&members[0], 1, tar, err);
	return taken ? tar_make(members, 2, tar, err) : tar_make(&members[1], 1, tar, err);
}

static bool has_number(const struct ledger *ledger, int64_t seq)
{
	for (size_t i = ledger->n; i > 0 && ledger->v[i - 1].seq >= seq; i--)
		if (ledger->v[i - 1].seq == seq)
			return true;
	return false;
}

int ledger_write(struct engine *engine, const char *prefix, struct ledger *ledger,
    const struct ledger_entry *entry, struct error *err)
{
	CLEANUP_FREE char *name = name_ledger(prefix);
	CLEANUP_BUF struct buf tar = BUF_INIT(2 * ENTRY_MAX);
	struct ledger_entry copy;
	size_t bytes = 0;
	bool begun;

	if (name == NULL)
		return error_memory(err);
	if (ledger->newest_version > LEDGER_VERSION)
		return error_set(err, ERROR_FAILED,
		    "the ledger %s was written by a newer shipit (format %d, this one writes %d)",
		    name, ledger->newest_version, LEDGER_VERSION);
	if (ledger_entry_copy(&copy, entry) < 0)
		return error_memory(err);
	begun = has_number(ledger, entry->seq);
	copy.file = ledger_file_for(ledger, entry->seq);
	if (ledger_make_tar(&copy, !begun && copy.file <= ledger->last_file, &tar, &bytes, err) <
		0 ||
	    engine_archive_put(engine, name, folder, tar.data, tar.len, err) < 0) {
		ledger_entry_release(&copy);
		return error_wrap(err, "cannot write to the ledger %s", name);
	}
	ledger->bytes += bytes;
	if (copy.file > ledger->last_file)
		ledger->last_file = copy.file;
	return ledger_insert(ledger, &copy) < 0 ? error_memory(err) : 0;
}
