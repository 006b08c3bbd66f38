#include "deploy/packages.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "transport/registry/content.h"

enum database { DPKG, DPKG_LIST, APK, RPM };

static const struct {
	const char *path;
	enum database database;
} databases[] = {
    {"var/lib/dpkg/status", DPKG},
    {"lib/apk/db/installed", APK},
    {"usr/lib/apk/db/installed", APK},
    {"var/lib/rpm/rpmdb.sqlite", RPM},
    {"usr/lib/sysimage/rpm/rpmdb.sqlite", RPM},
};

/* A file for each package, as distroless images have them, beside lists of checksums. */
static const char status_d[] = "var/lib/dpkg/status.d/";

static bool is_of_status_d(const char *path)
{
	const char *name = path + sizeof(status_d) - 1;
	const char *dot =
	    strncmp(path, status_d, sizeof(status_d) - 1) == 0 ? strrchr(name, '.') : NULL;

	return strncmp(path, status_d, sizeof(status_d) - 1) == 0 && *name != '\0' &&
	       strchr(name, '/') == NULL && (dot == NULL || strcmp(dot, ".md5sums") != 0);
}

bool packages_want(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(databases); i++)
		if (strcmp(path, databases[i].path) == 0)
			return true;
	return is_of_status_d(path);
}

void packages_release(struct packages *packages)
{
	for (size_t i = 0; i < packages->n; i++) {
		free(packages->v[i].name);
		free(packages->v[i].version);
		free(packages->v[i].arch);
	}
	free(packages->v);
	*packages = (struct packages){0};
}

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len <= PACKAGE_TEXT_MAX;
}

int packages_add(struct packages *packages, const char *name, size_t name_len, const char *version,
    size_t version_len, const char *arch, size_t arch_len)
{
	struct package one, *v;

	if (name_len == 0 || version_len == 0 || packages->n >= PACKAGES_MAX ||
	    !is_plain(name, name_len) || !is_plain(version, version_len) ||
	    !is_plain(arch, arch_len))
		return 0;
	/* Room is doubled whenever it is used up. */
	if ((packages->n & (packages->n - 1)) == 0) {
		v = reallocarray(packages->v, packages->n > 0 ? packages->n * 2 : 1, sizeof(*v));
		if (v == NULL)
			return -1;
		packages->v = v;
	}
	one = (struct package){.name = strndup(name, name_len),
	    .version = strndup(version, version_len),
	    .arch = strndup(arch, arch_len)};
	packages->v[packages->n++] = one;
	return one.name != NULL && one.version != NULL && one.arch != NULL ? 0 : -1;
}

static int compare_key(const struct package *a, const struct package *b)
{
	int by_name = strcmp(a->name, b->name);

	return by_name != 0 ? by_name : strcmp(a->arch, b->arch);
}

static int compare(const void *a, const void *b)
{
	const struct package *one = a, *other = b;
	int by_key = compare_key(one, other);

	return by_key != 0 ? by_key : strcmp(one->version, other->version);
}

static int read_one(
    struct packages *packages, enum database database, const struct buf *data, struct error *err)
{
	packages->known = true;
	switch (database) {
	case DPKG:
		return packages_read_dpkg(packages, data->data, data->len, true, err);
	case DPKG_LIST:
		return packages_read_dpkg(packages, data->data, data->len, false, err);
	case APK:
		return packages_read_apk(packages, data->data, data->len, err);
	case RPM:
		break;
	}
	return packages_read_rpm(packages, data->data, data->len, err);
}

static int read_all(const struct content *content, struct packages *packages, struct error *err)
{
	for (size_t i = 0; i < content->n_files; i++) {
		const struct content_file *file = &content->files[i];
		enum database database = DPKG_LIST;

		for (size_t k = 0; k < ARRAY_SIZE(databases); k++)
			if (strcmp(file->path, databases[k].path) == 0)
				database = databases[k].database;
		if (read_one(packages, database, &file->data, err) < 0)
			return error_wrap(err, "%s", file->path);
	}
	return 0;
}

int packages_read(const struct content *content, struct packages *ret, struct error *err)
{
	struct packages packages = {0};

	if (read_all(content, &packages, err) < 0) {
		packages_release(&packages);
		return -1;
	}
	if (packages.n > 0)
		qsort(packages.v, packages.n, sizeof(*packages.v), compare);
	*ret = packages;
	return 0;
}

/* Both in order: what is equal is passed over, what one has alone is new or gone. Several versions
 * of one name are taken in pairs. */
int packages_compare(const struct packages *from, const struct packages *to,
    struct package_change **ret, size_t *ret_n, struct error *err)
{
	struct package_change *v = calloc(from->n + to->n + 1, sizeof(*v));
	size_t i = 0, k = 0, n = 0;

	if (v == NULL)
		return error_memory(err);
	while (i < from->n && k < to->n) {
		const struct package *old = &from->v[i], *new = &to->v[k];
		int order = compare_key(old, new);

		if (order < 0)
			v[n++] = (struct package_change){old->name, old->version, NULL};
		else if (order > 0)
			v[n++] = (struct package_change){new->name, NULL, new->version};
		else if (strcmp(old->version, new->version) != 0)
			v[n++] = (struct package_change){old->name, old->version, new->version};
		i += order <= 0;
		k += order >= 0;
	}
	for (; i < from->n; i++)
		v[n++] = (struct package_change){from->v[i].name, from->v[i].version, NULL};
	for (; k < to->n; k++)
		v[n++] = (struct package_change){to->v[k].name, NULL, to->v[k].version};
	*ret = v;
	*ret_n = n;
	return 0;
}
