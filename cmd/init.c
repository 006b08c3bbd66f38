/* shipit init: a first shipit.yml, from what the folder tells. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "cmd/cli.h"
#include "cmd/ui/json.h"

enum { TEXT_MAX = 16 * 1024, NAME_MAX_LEN = 40 };

struct guess {
	char project[NAME_MAX_LEN + 1];
	const char *compose; /* "compose.yaml"; NULL: there is none */
	const char *recipe;  /* "Dockerfile"; NULL: there is none */
	int port;	     /* that the recipe exposes; 0: none */
};

/* "My Shop_2" -> "my-shop_2"; "app" where nothing is left. */
static void project_name(const char *name, char out[NAME_MAX_LEN + 1])
{
	size_t len = 0;

	for (; *name != '\0' && len < NAME_MAX_LEN; name++) {
		char c = (char)tolower((unsigned char)*name);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain)
			out[len++] = c;
		else if (len > 0 && out[len - 1] != '-' && out[len - 1] != '_')
			out[len++] = c == '_' ? '_' : '-';
	}
	while (len > 0 && (out[len - 1] == '-' || out[len - 1] == '_'))
		len--;
	out[len] = '\0';
	if (!text_is_name(out))
		memcpy(out, "app", sizeof("app"));
}

/* The first port of the last EXPOSE: that of the last stage, as a rule. */
static int exposed_port(const char *recipe)
{
	FILE *file = fopen(recipe, "re");
	char line[1024];
	int port = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *at = line + strspn(line, " \t");

		if (strncasecmp(at, "EXPOSE", 6) == 0 && (at[6] == ' ' || at[6] == '\t')) {
			long number = strtol(at + 7, NULL, 10);

			if (number > 0 && number <= 65535)
				port = (int)number;
		}
	}
	fclose(file);
	return port;
}

/* The last part of where a repository's commits go: "git@example.com:team/shop.git" is "shop". NULL
 * below the top of one: two of its folders are two projects. */
static char *remote_name(void)
{
	enum { WAIT_MS = 5000 };
	const char *argv[] = {"git", "config", "--get", "remote.origin.url", NULL};
	CLEANUP_ERROR struct error err = {0};
	struct proc_result result = {0};
	char *name = NULL;

	if (access(".git", F_OK) == 0 &&
	    proc_run(argv, PATH_MAX, clock_now_ms() + WAIT_MS, -1, &result, &err) == 0 &&
	    result.status == 0) {
		char *url = result.out.data;
		size_t len = strcspn(url, "\n");

		while (len > 0 && url[len - 1] == '/')
			len--;
		if (len > 4 && strncmp(url + len - 4, ".git", 4) == 0)
			len -= 4;
		url[len] = '\0';
		while (len > 0 && url[len - 1] != '/' && url[len - 1] != ':')
			len--;
		name = strdup(url + len);
	}
	proc_result_release(&result);
	return name;
}

static const char *first_of(const char *const *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}

static void look_around(struct guess *guess)
{
	/* In the order of the Compose specification, "The Compose file". */
	static const char *const composes[] = {
	    "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"};
	static const char *const recipes[] = {"Dockerfile", "Containerfile", "run.docker"};
	CLEANUP_FREE char *remote = remote_name();
	char folder[PATH_MAX];
	const char *slash = NULL;

	if (getcwd(folder, sizeof(folder)) != NULL)
		slash = strrchr(folder, '/');
	project_name(remote != NULL && *remote != '\0' ? remote
		     : slash != NULL		       ? slash + 1
						       : "",
	    guess->project);
	guess->compose = first_of(composes, ARRAY_SIZE(composes));
	guess->recipe = first_of(recipes, ARRAY_SIZE(recipes));
	if (guess->recipe != NULL)
		guess->port = exposed_port(guess->recipe);
}

static int add_service(struct buf *out, const struct guess *guess)
{
	int port = guess->port > 0 ? guess->port : 80;
	int rc;

	if (guess->recipe == NULL)
		rc = buf_addf(out,
		    "    # An image that is on this machine. With `build: {context: .}` shipit\n"
		    "    # builds it before it deploys.\n"
		    "    image: %s\n",
		    guess->project);
	else if (strcmp(guess->recipe, "Dockerfile") == 0)
		rc = buf_adds(out, "    build: {context: .}\n");
	else
		rc = buf_addf(out, "    build: {context: ., dockerfile: %s}\n", guess->recipe);
	if (rc < 0)
		return -1;
	/* Ports below 1024 are often taken on a server. */
	return buf_addf(out, "    %sports: [\"%d:%d\"]    # on the server : in the container\n",
	    guess->port > 0 ? "" : "# ", port < 1024 ? 8000 + port : port, port);
}

static int add_services(struct buf *out, const struct guess *guess)
{
	static const char hints[] =
	    "    # environment: {APP_ENV: \"${SHIPIT_ENV}\"}    # here: prod\n"
	    "    # env_file: [.env]\n"
	    "    # volumes: [\"data:/var/lib/web\"]\n"
	    "    # restart: always    # what it is without being said\n"
	    "    # healthcheck: {test: [CMD, /bin/check], interval: 5s}\n"
	    "\n"
	    "    # When a new container counts as working. If it does not, the old one comes "
	    "back.\n"
	    "    # ready: {http: \"http://:8080/healthz\", timeout: 60s}\n";

	if (guess->compose != NULL)
		return buf_addf(out,
		    "# One container per server for each of its services.\n"
		    "compose: %s\n"
		    "\n"
		    "# Over what that file says, key by key.\n"
		    "# services:\n"
		    "#   web:\n"
		    "#     ready: {http: \"http://:8080/healthz\", timeout: 60s}\n",
		    guess->compose);
	if (buf_adds(out,
		"# One container per server for each service. The keys are those of a Compose "
		"file.\n"
		"services:\n"
		"  web:\n") < 0 ||
	    add_service(out, guess) < 0)
		return -1;
	return buf_adds(out, hints);
}

static int write_text(struct buf *out, const struct guess *guess)
{
	if (buf_addf(out,
		"# What to run, and where. `shipit check` tells whether all of it is in place,\n"
		"# `shipit deploy prod --dry-run` what a deploy would do. All keys: man "
		"shipit.yml\n"
		"\n"
		"# Starts every name that shipit leaves on a server: here \"%s.prod.web\".\n"
		"project: \"%s\"\n"
		"\n"
		"# Where images lie on this machine, and where the servers pull them from, through "
		"SSH.\n"
		"# registry: embedded    # what it is without being said; or localhost:5000, for "
		"instance\n"
		"\n",
		guess->project, guess->project) < 0 ||
	    add_services(out, guess) < 0)
		return -1;
	return buf_adds(out,
	    "\n"
	    "# Your servers: names that `ssh` knows, or {address: \"user@host:port\"}.\n"
	    "hosts:\n"
	    "  server1.example.com: {}\n"
	    "  # web[1:3].example.com: {tags: [web]}\n"
	    "\n"
	    "environments:\n"
	    "  prod:\n"
	    "    hosts: [server1.example.com]    # names, globs, tag:NAME\n");
}

static int write_new(const char *path, const struct buf *text, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int rc;

	if (fd < 0 && errno == EEXIST) {
		error_set(err, ERROR_USAGE, "%s is there already; it was left as it is", path);
		return error_hint(err, "-f FILE writes another");
	}
	if (fd < 0)
		return error_errno(err, errno, "cannot write %s", path);
	rc = fd_write_all(fd, text->data, text->len);
	if (rc < 0)
		error_errno(err, errno, "cannot write %s", path);
	if (close(fd) < 0 && rc == 0)
		rc = error_errno(err, errno, "cannot write %s", path);
	if (rc < 0)
		unlink(path);
	return rc;
}

int init_run(struct cli *cli, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT(TEXT_MAX);
	struct guess guess = {0};
	const char *path;

	if (cli_files(cli, err) < 0)
		return -1;
	if (cli->files.n > 1)
		return error_set(
		    err, ERROR_USAGE, "`shipit init` writes one file, not %zu", cli->files.n);
	path = cli->files.v[0];
	look_around(&guess);
	if (write_text(&text, &guess) < 0)
		return buf_error(&text, err, path);
	if (write_new(path, &text, err) < 0)
		return -1;
	if (cli->settings.json || cli->settings.quiet)
		return EXIT_OK;
	fprintf(cli->out, "wrote %s: project %s", path, guess.project);
	if (guess.compose != NULL)
		fprintf(cli->out, ", services of %s", guess.compose);
	else if (guess.recipe != NULL)
		fprintf(cli->out, ", built with %s", guess.recipe);
	fputs("\nnext: put your servers under `hosts`, then `shipit check`\n", cli->out);
	return EXIT_OK;
}
