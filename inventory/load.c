/* From a file to a struct inventory. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/compose.h"
#include "inventory/envfile.h"
#include "inventory/inherit.h"
#include "inventory/interpolate.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

const struct key_table *const inventory_key_tables[] = {&top_table, &ssh_table, &engine_table,
    &host_table, &environment_table, &service_table, &build_table, &env_file_table, &port_table,
    &volume_table, &device_table, &healthcheck_table, &ready_table, &http_probe_table,
    &tcp_probe_table, &exec_probe_table, &dependency_table, &before_table, &hooks_table,
    &compose_table, &limit_table, &logging_table, &rollout_table, &notify_table, &network_table,
    &named_volume_table, &service_network_table, &ipam_table, &pool_table, &bind_table,
    &volume_options_table, &tmpfs_table, &blkio_table, &rate_table, &weight_table, &deploy_table,
    &resources_table, &limits_table, &reservations_table, &gpu_table, &secret_table,
    &secret_file_table, &secret_reference_table, NULL};

/* ---- the system as a source ---- */

static const char *system_variable(void *context UNUSED, const char *name)
{
	return getenv(name);
}

static int read_all(int fd, struct buf *text)
{
	char piece[16 * 1024];
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0 && buf_add(text, piece, (size_t)got) < 0) {
			errno = text->too_long ? EFBIG : ENOMEM;
			return -1;
		}
	}
	return 0;
}

static int system_read_file(void *context UNUSED, const char *path, size_t max, char **ret_text,
    size_t *ret_len, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(max);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read_all(fd, &text) < 0) {
		int errnum = errno;

		if (errnum == ENOMEM)
			return error_memory(err);
		if (errnum == EFBIG)
			return error_set(
			    err, ERROR_INVENTORY, "%s is longer than %zu bytes", path, max);
		error_set(err, ERROR_INVENTORY, "cannot read %s: %s", path, strerror(errnum));
		err->code = errnum;
		return -1;
	}
	*ret_len = text.len;
	*ret_text = buf_steal(&text);
	return *ret_text ? 0 : error_memory(err);
}

const struct source source_system = {NULL, system_variable, system_read_file};

/* ---- loading ---- */

/* "conf/" of "conf/shipit.yml", "" of "shipit.yml". */
static char *folder_shown(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strndup(name, slash ? (size_t)(slash - name) + 1 : 0);
}

static struct inventory *new_inventory(const char *name, const char *dir)
{
	struct inventory *inv = calloc(1, sizeof(*inv));
	const char *slash = strrchr(name, '/');

	if (!inv)
		return NULL;
	inv->dir = strdup(dir);
	inv->path = string_printf(
	    "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", slash ? slash + 1 : name);
	inv->engine.command = strdup("docker");
	if (inv->dir && inv->path && inv->engine.command && strv_add(&inv->files, name) == 0)
		return inv;
	inventory_free(inv);
	return NULL;
}

static int read_tree(struct reader *r, const char *text, size_t len)
{
	CLEANUP_COMPOSE struct compose compose = {0};
	CLEANUP_YAML struct yaml yaml = {0};

	if (yaml_parse(text, len, r->inv->files.v[0], r->problems, &yaml) < 0)
		return -1;
	if (!yaml.root)
		return 0;
	if (inherit_variables(r, yaml.root) < 0 || reader_interpolate(r, &yaml) < 0 ||
	    compose_take(r, &yaml, &compose) < 0 ||
	    schema_read(r, yaml.root, &top_table, r->inv, NULL) < 0)
		return -1;
	return check_inventory(r);
}

/* What the problems come to. */
static int summarize(const struct reader *r, const char *name, struct error *err)
{
	size_t n = r->problems->n;

	if (n == 0)
		return 0;
	return error_set(err, ERROR_INVENTORY, "%s has %zu mistake%s", name, n, n == 1 ? "" : "s");
}

static int load_text(struct reader *r, const char *text, size_t len, const char *name,
    const char *dir, struct inventory **ret, struct error *err)
{
	CLEANUP_FREE char *shown_dir = folder_shown(name);

	r->inv = new_inventory(name, dir);
	r->shown_dir = shown_dir;
	int rc = r->inv && shown_dir ? read_tree(r, text, len) : -1;
	free(r->compose_dir);
	r->compose_dir = NULL;
	json_decref(r->places);
	r->places = NULL;
	json_decref(r->own_variables);
	r->own_variables = NULL;
	yaml_release(&r->made);
	if (rc < 0) {
		inventory_free(r->inv);
		return error_memory(err);
	}
	problems_sort(r->problems);
	problems_sort(&r->inv->warnings);
	if (problems_merge(r->problems) < 0 || problems_merge(&r->inv->warnings) < 0 ||
	    problems_quote(r->problems, r->problems) < 0 ||
	    problems_quote(&r->inv->warnings, r->problems) < 0) {
		inventory_free(r->inv);
		return error_memory(err);
	}
	if (summarize(r, name, err) < 0) {
		inventory_free(r->inv);
		return -1;
	}
	*ret = r->inv;
	return 0;
}

int inventory_parse(const char *text, size_t len, const char *name, const char *dir,
    const struct source *source, struct inventory **ret, struct problems *problems,
    struct error *err)
{
	struct reader r = {.problems = problems, .source = source};

	*ret = NULL;
	return load_text(&r, text, len, name, dir, ret, err);
}

/* The absolute folder that the file is in. */
static char *folder_of(const char *path)
{
	CLEANUP_FREE char *shown = folder_shown(path);

	return shown ? realpath(*shown ? shown : ".", NULL) : NULL;
}

/* The variables of `.env` beside the file; none when it is not there. */
static int load_dotenv(struct reader *r, const char *path, const char *dir, struct error *err)
{
	struct variables variables = {r, reader_variable};
	CLEANUP_FREE char *file = path_resolve(dir, ".env", NULL);
	CLEANUP_FREE char *folder = folder_shown(path);
	CLEANUP_FREE char *shown = folder ? string_printf("%s.env", folder) : NULL;
	CLEANUP_FREE char *text = NULL;
	struct pairs found = {0};
	size_t len;

	if (!file || !shown)
		return error_memory(err);
	if (r->source->read_file(r->source->context, file, ENVFILE_MAX_BYTES, &text, &len, err) <
	    0) {
		if (err->code != ENOENT)
			return -1;
		error_release(err);
		return 0;
	}
	int result = envfile_parse(text, len, shown, &variables, &found, r->problems);
	explicit_bzero(text, len);
	pairs_release(&r->dotenv);
	r->dotenv = found;
	return result < 0 ? error_memory(err) : 0;
}

static int load_file(struct reader *r, const char *path, struct inventory **ret, struct error *err)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *dir = NULL;
	size_t len;

	if (r->source->read_file(r->source->context, path, YAML_MAX_BYTES, &text, &len, err) < 0) {
		if (err->code == ENOENT)
			error_hint(err, "`shipit init` writes one, and -f FILE names another");
		return -1;
	}
	dir = folder_of(path);
	if (!dir)
		return error_errno(err, errno, "cannot find the folder of %s", path);
	if (problems_file(r->problems, path) < 0)
		return error_memory(err);
	if (load_dotenv(r, path, dir, err) < 0)
		return -1;
	return load_text(r, text, len, path, dir, ret, err);
}

int inventory_load(
    const char *path, struct inventory **ret, struct problems *problems, struct error *err)
{
	struct reader r = {.problems = problems, .source = &source_system};
	struct error own = {0};

	*ret = NULL;
	int result = load_file(&r, path, ret, &own);
	if (problems->n == 0)
		problems_release(problems);
	/* Secrets may stand there. */
	for (size_t i = 0; i < r.dotenv.n; i++)
		if (r.dotenv.v[i].value)
			explicit_bzero(r.dotenv.v[i].value, strlen(r.dotenv.v[i].value));
	pairs_release(&r.dotenv);
	if (err && result < 0)
		error_move(err, &own);
	error_release(&own);
	return result;
}
