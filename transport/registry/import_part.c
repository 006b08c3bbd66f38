/* The members of an archive, by name. Names are compared with each other, never with files. */
#include <stdio.h>
#include <string.h>

#include "transport/registry/import_internal.h"

enum {
	NAME_MAX_BYTES = 4096,
	LINKS_MAX = 16, /* that lead to each other */
};

/* Append the steps of `name` to `out`; false when it leads out. */
static bool walk(struct buf *out, const char *name, bool up, struct error *err, int *rc)
{
	while (*name != '\0') {
		size_t len = strcspn(name, "/");
		bool dots = len == 2 && name[0] == '.' && name[1] == '.';

		if (dots && (!up || out->len == 0))
			return false;
		if (dots) {
			const char *slash = memrchr(out->data, '/', out->len);

			out->len = slash != NULL ? (size_t)(slash - out->data) : 0;
			out->data[out->len] = '\0';
		} else if (len > 0 && (len > 1 || name[0] != '.')) {
			if ((out->len > 0 && buf_addc(out, '/') < 0) ||
			    buf_add(out, name, len) < 0) {
				*rc = out->too_long ? 0 : error_memory(err);
				return false;
			}
		}
		name += len;
		name += *name == '/';
	}
	return true;
}

int part_name(const char *name, const char *folder_of, char **ret, struct error *err)
{
	CLEANUP_BUF struct buf out = BUF_INIT(NAME_MAX_BYTES);
	const char *slash = folder_of != NULL ? strrchr(folder_of, '/') : NULL;
	int rc = 0;

	*ret = NULL;
	if (*name == '/')
		return 0;
	if (slash != NULL && buf_add(&out, folder_of, (size_t)(slash - folder_of)) < 0)
		return buf_error(&out, err, "a name");
	if (!walk(&out, name, folder_of != NULL, err, &rc) || out.len == 0)
		return rc;
	*ret = buf_steal(&out);
	return *ret != NULL ? 0 : error_memory(err);
}

bool part_digest(const char *name, char ret[DIGEST_TEXT_SIZE])
{
	static const char folder[] = "blobs/sha256/";

	if (strncmp(name, folder, sizeof(folder) - 1) != 0 ||
	    strlen(name) != sizeof(folder) - 1 + DIGEST_HEX_SIZE - 1)
		return false;
	snprintf(ret, DIGEST_TEXT_SIZE, "sha256:%s", name + sizeof(folder) - 1);
	return digest_is_text(ret);
}

void part_release(struct part *part)
{
	free(part->name);
	free(part->text);
	*part = (struct part){0};
}

static int room_for_part(struct parts *parts, struct error *err)
{
	struct part *v;

	/* 64, 128, 256, ... */
	if (parts->n < 64 ? parts->n > 0 : (parts->n & (parts->n - 1)) != 0)
		return 0;
	v = reallocarray(parts->v, parts->n < 64 ? 64 : 2 * parts->n, sizeof(*v));
	if (v == NULL)
		return error_memory(err);
	parts->v = v;
	return 0;
}

int parts_add(struct import *import, struct part *part, struct error *err)
{
	struct parts *parts = &import->parts;
	size_t needed = sizeof(*part) + strlen(part->name) + part->len;
	int rc = 0;

	if (needed > import->limits.memory - parts->memory)
		rc = error_set(err, ERROR_PROTOCOL,
		    "the archive has more than %zu bytes of names, manifests and the like",
		    import->limits.memory);
	if (rc == 0)
		rc = room_for_part(parts, err);
	if (rc < 0) {
		part_release(part);
		return -1;
	}
	parts->memory += needed;
	parts->v[parts->n++] = *part;
	*part = (struct part){0};
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct part *)a)->name, ((const struct part *)b)->name);
}

void parts_sort(struct parts *parts)
{
	if (parts->n > 0)
		qsort(parts->v, parts->n, sizeof(*parts->v), compare);
}

static const struct part *look_up(const struct parts *parts, const char *name)
{
	struct part key = {.name = (char *)(uintptr_t)name};

	return parts->n > 0 ? bsearch(&key, parts->v, parts->n, sizeof(*parts->v), compare) : NULL;
}

static bool is_double(const struct parts *parts, const struct part *part)
{
	size_t at = (size_t)(part - parts->v);

	return (at > 0 && compare(part, part - 1) == 0) ||
	       (at + 1 < parts->n && compare(part, part + 1) == 0);
}

int parts_find(
    const struct parts *parts, const char *name, const struct part **ret, struct error *err)
{
	const struct part *part = look_up(parts, name);

	if (part == NULL)
		return error_set(err, ERROR_NOT_FOUND, "the archive has no %.200s", name);
	for (int hops = 0; part != NULL; hops++) {
		if (is_double(parts, part))
			return error_set(
			    err, ERROR_PROTOCOL, "the archive has %.200s twice", part->name);
		if (part->form != PART_LINK) {
			*ret = part;
			return 0;
		}
		if (hops == LINKS_MAX)
			return error_set(err, ERROR_PROTOCOL,
			    "%.200s is a link to a link, and so on without end", name);
		part = look_up(parts, part->text);
	}
	return error_set(
	    err, ERROR_PROTOCOL, "%.200s is a link to what is not in the archive", name);
}

bool parts_has(const struct parts *parts, const char *name)
{
	return look_up(parts, name) != NULL;
}

void parts_release(struct parts *parts)
{
	for (size_t i = 0; i < parts->n; i++)
		part_release(&parts->v[i]);
	free(parts->v);
	*parts = (struct parts){0};
}
