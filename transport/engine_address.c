/* Where the laptop's engine listens: what the docker command would use (Docker CLI reference,
 * "Environment variables" and "docker context"). */
#include "transport/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/json.h"

enum { FILE_MAX = 1024 * 1024 };

static const char docker_socket[] = "/var/run/docker.sock";

static int copy(char **ret, const char *text, struct error *err)
{
	*ret = strdup(text);
	return *ret != NULL ? 0 : error_memory(err);
}

/* "unix:///run/x.sock" and "tcp://HOST:PORT" in engine_open's form. */
static int from_host(const char *host, const char *source, char **ret, struct error *err)
{
	const char *tls = getenv("DOCKER_TLS_VERIFY");

	if (strncmp(host, "unix:///", 8) == 0)
		return copy(ret, host + 7, err);
	if (host[0] == '/')
		return copy(ret, host, err);
	if (strncmp(host, "tcp://", 6) == 0 || strncmp(host, "http://", 7) == 0) {
		if (tls != NULL && tls[0] != '\0')
			return error_set(err, ERROR_FAILED,
			    "%s names %s with TLS, which shipit does not speak", source, host);
		*ret = string_printf("http://%s", strstr(host, "://") + 3);
		return *ret != NULL ? 0 : error_memory(err);
	}
	if (strncmp(host, "ssh://", 6) == 0) {
		error_set(err, ERROR_FAILED,
		    "%s names %s: shipit builds and reads images on this machine only", source,
		    host);
		return error_hint(err, "point DOCKER_HOST or the docker context at a local socket");
	}
	return error_set(
	    err, ERROR_FAILED, "%s names %s; unix:// and tcp:// are understood", source, host);
}

static int read_json(const char *path, json_t **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(FILE_MAX);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[4096];
	ssize_t n;

	if (fd < 0)
		return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM,
		    "cannot read %s: %s", path, strerror(errno));
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (buf_add(&text, piece, (size_t)n) < 0)
			return buf_error(&text, err, path);
	}
	if (n < 0)
		return error_errno(err, errno, "cannot read %s", path);
	return json_parse(text.data, text.len, path, ret, err);
}

/* The docker command's folder; NULL with no error when there is none to be had. */
static int config_dir(char **ret, struct error *err)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	*ret = NULL;
	if (dir != NULL && dir[0] != '\0')
		return copy(ret, dir, err);
	if (home == NULL || home[0] == '\0')
		return 0;
	*ret = string_printf("%s/.docker", home);
	return *ret != NULL ? 0 : error_memory(err);
}

/* The context in use; NULL: none, or the one called "default". */
static int current_context(const char *dir, char **ret, struct error *err)
{
	const char *name = getenv("DOCKER_CONTEXT");
	CLEANUP_JSON json_t *config = NULL;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_ERROR struct error failure = {0};

	*ret = NULL;
	if ((name == NULL || name[0] == '\0') && dir != NULL) {
		path = string_printf("%s/config.json", dir);
		if (path == NULL)
			return error_memory(err);
		if (read_json(path, &config, &failure) < 0 && failure.kind != ERROR_NOT_FOUND) {
			error_move(err, &failure);
			return -1;
		}
		name = json_str(config, "currentContext", "");
	}
	if (name == NULL || name[0] == '\0' || strcmp(name, "default") == 0)
		return 0;
	return copy(ret, name, err);
}

/* contexts/meta/SHA256(NAME)/meta.json, its member Endpoints.docker.Host. */
static int from_context(const char *dir, const char *name, char **ret, struct error *err)
{
	CLEANUP_JSON json_t *meta = NULL;
	CLEANUP_FREE char *path = NULL, *source = NULL;
	char id[DIGEST_HEX_SIZE];
	const char *host;

	if (digest_sha256_hex(name, strlen(name), id, err) < 0)
		return -1;
	path = string_printf("%s/contexts/meta/%s/meta.json", dir != NULL ? dir : "", id);
	source = string_printf("the docker context \"%s\"", name);
	if (path == NULL || source == NULL)
		return error_memory(err);
	if (read_json(path, &meta, err) < 0)
		return error_wrap(err, "%s", source);
	host = json_str(meta, "Endpoints.docker.Host", "");
	if (host[0] == '\0')
		return error_set(err, ERROR_FAILED, "%s has no Endpoints.docker.Host", source);
	return from_host(host, source, ret, err);
}

static bool is_socket(const char *path)
{
	struct stat file;

	return stat(path, &file) == 0 && S_ISSOCK(file.st_mode);
}

/* Docker's socket; where there is none, what podman-remote would use (podman-system-service(1),
 * CONTAINER_HOST), else the user's or the system's podman. */
static int from_sockets(char **ret, struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *podman = getenv("CONTAINER_HOST");
	CLEANUP_FREE char *own = NULL;

	if (is_socket(docker_socket))
		return copy(ret, docker_socket, err);
	if (podman != NULL && podman[0] != '\0')
		return from_host(podman, "CONTAINER_HOST", ret, err);
	if (runtime != NULL && runtime[0] == '/') {
		own = string_printf("%s/podman/podman.sock", runtime);
		if (own == NULL)
			return error_memory(err);
	}
	if (own != NULL && is_socket(own))
		return copy(ret, own, err);
	if (is_socket("/run/podman/podman.sock"))
		return copy(ret, "/run/podman/podman.sock", err);
	return copy(ret, docker_socket, err);
}

int engine_local_address(char **ret, struct error *err)
{
	const char *host = getenv("DOCKER_HOST");
	CLEANUP_FREE char *dir = NULL, *context = NULL;

	if (host != NULL && host[0] != '\0')
		return from_host(host, "DOCKER_HOST", ret, err);
	if (config_dir(&dir, err) < 0 || current_context(dir, &context, err) < 0)
		return -1;
	if (context != NULL)
		return from_context(dir, context, ret, err);
	return from_sockets(ret, err);
}
