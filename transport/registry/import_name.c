/* Names of images in archives, and where archives are. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/registry/import_internal.h"

static const char oci[] = "oci:", docker[] = "docker-archive:";

bool import_is_file(const char *source)
{
	return strncmp(source, oci, sizeof(oci) - 1) == 0 ||
	       strncmp(source, docker, sizeof(docker) - 1) == 0;
}

static bool exists(const char *path)
{
	struct stat file;

	return stat(path, &file) == 0 || errno != ENOENT;
}

/* A path may hold a colon, and so may a name: the shortest path that is there ends it. */
int import_source_split(
    const char *source, bool *ret_oci, char **ret_path, char **ret_name, struct error *err)
{
	CLEANUP_FREE char *path = NULL;
	const char *rest;

	*ret_oci = strncmp(source, oci, sizeof(oci) - 1) == 0;
	*ret_path = *ret_name = NULL;
	rest = source + (*ret_oci ? sizeof(oci) : sizeof(docker)) - 1;
	if (!import_is_file(source) || *rest == '\0')
		return error_set(err, ERROR_FAILED,
		    "\"%s\" is neither oci:PATH[:NAME] nor docker-archive:PATH[:NAME]", source);
	path = strdup(rest);
	if (path == NULL)
		return error_memory(err);
	for (char *colon = strchr(path, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		if (colon > path && exists(path)) {
			*ret_name = colon[1] != '\0' ? strdup(colon + 1) : NULL;
			if (colon[1] != '\0' && *ret_name == NULL)
				return error_memory(err);
			break;
		}
		*colon = ':';
	}
	*ret_path = steal_ptr(path);
	return 0;
}

/* Docker's short names (distribution/reference, "normalize"): its hub is left out, and so is the
 * tag "latest". */
static void shorten(const char **name, size_t *len)
{
	static const char *const hubs[] = {"docker.io/library/", "index.docker.io/library/",
	    "docker.io/", "index.docker.io/", "localhost/"};
	static const char latest[] = ":latest";

	*len = strlen(*name);
	for (size_t i = 0; i < ARRAY_SIZE(hubs); i++) {
		size_t hub = strlen(hubs[i]);

		if (*len > hub && strncmp(*name, hubs[i], hub) == 0) {
			*name += hub;
			*len -= hub;
			break;
		}
	}
	if (*len > sizeof(latest) - 1 &&
	    memcmp(*name + *len - (sizeof(latest) - 1), latest, sizeof(latest) - 1) == 0)
		*len -= sizeof(latest) - 1;
}

bool import_same_name(const char *a, const char *b)
{
	size_t a_len, b_len;

	shorten(&a, &a_len);
	shorten(&b, &b_len);
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

int import_no_choice(const char *name, const struct strv *there, struct error *err)
{
	enum { SHOWN = 20 };
	CLEANUP_BUF struct buf list = BUF_INIT(2000);
	CLEANUP_STRV struct strv sorted = {0};

	/* An archive has them in any order. */
	if (strv_copy(&sorted, there) < 0)
		return error_memory(err);
	strv_sort(&sorted);
	for (size_t i = 0; i < sorted.n && i < SHOWN; i++)
		if (buf_addf(&list, "%s%s", i > 0 ? ", " : "", sorted.v[i]) < 0)
			break;
	if (there->n > SHOWN)
		buf_addf(&list, " and %zu more", there->n - SHOWN);
	if (name != NULL)
		error_set(err, ERROR_PROTOCOL, "it has no image %s; it has %s", name,
		    list.len > 0 ? list.data : "none that has a name");
	else
		error_set(err, ERROR_PROTOCOL, "it has several images: %s",
		    list.len > 0 ? list.data : "none has a name");
	return error_hint(
	    err, "say which one after the path: oci:PATH:NAME, docker-archive:PATH:NAME");
}
