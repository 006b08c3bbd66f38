/* rpm's database in SQLite (rpm 4.16 and later): a table `Packages` of header blobs (rpm's
 * docs/manual/format_header.md, without the magic): two numbers, the index, the data. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "deploy/packages.h"

enum {
	TAG_NAME = 1000,
	TAG_VERSION = 1001,
	TAG_RELEASE = 1002,
	TAG_EPOCH = 1003,
	TAG_ARCH = 1022,
	TYPE_INT32 = 4,
	TYPE_STRING = 6,
	INDEX_ENTRY = 16,
	STEPS = 1000,		/* of SQLite's machine, between two looks at how many there were */
	LOOKS_MAX = 100 * 1000, /* a schema can ask for endless work */
};

struct header {
	const char *name, *version, *release, *arch; /* in the blob, or "" */
	bool has_epoch;
	unsigned int epoch;
};

static uint32_t number_at(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* One entry of the index; `data` is what its offsets are about. */
static void take_entry(
    struct header *header, const unsigned char *entry, const unsigned char *data, size_t len)
{
	uint32_t tag = number_at(entry), type = number_at(entry + 4), at = number_at(entry + 8);
	const struct {
		uint32_t tag;
		const char **to;
	} texts[] = {
	    {TAG_NAME, &header->name},
	    {TAG_VERSION, &header->version},
	    {TAG_RELEASE, &header->release},
	    {TAG_ARCH, &header->arch},
	};

	if (at >= len)
		return;
	if (tag == TAG_EPOCH && type == TYPE_INT32 && len - at >= 4) {
		header->has_epoch = true;
		header->epoch = number_at(data + at);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (tag == texts[i].tag && type == TYPE_STRING &&
		    memchr(data + at, '\0', len - at) != NULL)
			*texts[i].to = (const char *)(data + at);
}

static int add_blob(struct packages *packages, const unsigned char *blob, size_t len)
{
	struct header header = {.name = "", .version = "", .release = "", .arch = ""};
	char version[2 * PACKAGE_TEXT_MAX];
	size_t entries, rest;
	int n;

	if (len < 8)
		return 0;
	entries = number_at(blob);
	rest = len - 8;
	if (entries > rest / INDEX_ENTRY)
		return 0;
	rest -= entries * INDEX_ENTRY;
	for (size_t i = 0; i < entries; i++)
		take_entry(
		    &header, blob + 8 + i * INDEX_ENTRY, blob + 8 + entries * INDEX_ENTRY, rest);
	/* Keys that packages are signed with are kept as packages, too. */
	if (*header.version == '\0' || *header.release == '\0' ||
	    strcmp(header.name, "gpg-pubkey") == 0)
		return 0;
	if (header.has_epoch)
		n = snprintf(version, sizeof(version), "%u:%s-%s", header.epoch, header.version,
		    header.release);
	else
		n = snprintf(version, sizeof(version), "%s-%s", header.version, header.release);
	if (n < 0 || (size_t)n >= sizeof(version))
		return 0;
	return packages_add(packages, header.name, strlen(header.name), version, (size_t)n,
	    header.arch, strlen(header.arch));
}

static int look(void *context)
{
	int *looks = context;

	return ++*looks > LOOKS_MAX;
}

static int failed(sqlite3 *db, struct error *err)
{
	if (sqlite3_errcode(db) == SQLITE_NOMEM)
		return error_memory(err);
	return error_set(
	    err, ERROR_PROTOCOL, "this is no database of packages: %s", sqlite3_errmsg(db));
}

static int read_rows(struct packages *packages, sqlite3 *db, struct error *err)
{
	sqlite3_stmt *rows = NULL;
	int rc = 0, status;

	if (sqlite3_prepare_v2(db, "SELECT blob FROM Packages", -1, &rows, NULL) != SQLITE_OK)
		return failed(db, err);
	while (rc == 0 && (status = sqlite3_step(rows)) == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(rows, 0);
		int len = sqlite3_column_bytes(rows, 0);

		if (blob != NULL && len > 0 && add_blob(packages, blob, (size_t)len) < 0)
			rc = error_memory(err);
	}
	if (rc == 0 && status != SQLITE_DONE)
		rc = failed(db, err);
	sqlite3_finalize(rows);
	return rc;
}

/* From memory, read only, with a schema that is not trusted. */
static int open_it(sqlite3 *db, const void *data, size_t len, int *looks, struct error *err)
{
	unsigned char *copy = sqlite3_malloc64(len);

	if (copy == NULL)
		return error_memory(err);
	memcpy(copy, data, len);
	/* A database that was left in WAL mode (its header says so,
	 * sqlite.org/fileformat2.html 1.3.3) could not be read from memory. */
	if (len > 19 && copy[18] == 2 && copy[19] == 2)
		copy[18] = copy[19] = 1;
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_progress_handler(db, STEPS, look, looks);
	if (sqlite3_deserialize(db, "main", copy, (sqlite3_int64)len, (sqlite3_int64)len,
		SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL) != SQLITE_OK)
		return failed(db, err);
	return 0;
}

int packages_read_rpm(struct packages *packages, const void *data, size_t len, struct error *err)
{
	sqlite3 *db = NULL;
	int looks = 0, rc;

	if (len == 0)
		return 0;
	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL) !=
	    SQLITE_OK) {
		sqlite3_close(db);
		return error_memory(err);
	}
	rc = open_it(db, data, len, &looks, err);
	if (rc == 0)
		rc = read_rows(packages, db, err);
	sqlite3_close(db);
	return rc;
}
