#include "inventory/paths.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

/* Append one component to the absolute path in `out`. */
static int add_component(struct buf *out, const char *name, size_t len)
{
	if (len == 0 || (len == 1 && name[0] == '.'))
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		char *slash = strrchr(out->data, '/');

		if (slash) {
			out->len = (size_t)(slash - out->data);
			*slash = '\0';
		}
		return 0;
	}
	return buf_addc(out, '/') < 0 ? -1 : buf_add(out, name, len);
}

static int add_components(struct buf *out, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (add_component(out, path, len) < 0)
			return -1;
		path += len + (path[len] == '/');
	}
	return 0;
}

char *path_resolve(const char *dir, const char *path, const char *home)
{
	enum { PATH_MAX_BYTES = 64 * 1024 * 1024 };
	CLEANUP_BUF struct buf out = BUF_INIT(PATH_MAX_BYTES);
	bool from_home =
	    path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home && home[0] == '/';
	const char *base = from_home ? home : path[0] == '/' ? "" : dir;

	if (add_components(&out, base) < 0 || add_components(&out, path + from_home) < 0)
		return NULL;
	if (out.len == 0 && buf_addc(&out, '/') < 0)
		return NULL;
	return buf_steal(&out);
}
