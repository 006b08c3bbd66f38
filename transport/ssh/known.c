#include "transport/ssh/known.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"

enum { OUTPUT_MAX = 256 * 1024, KEYS_MAX = 256 };

static char *lower(char *text)
{
	for (char *c = text; c != NULL && *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return text;
}

char *known_name(const struct ssh_config *config)
{
	if (config->host_key_alias != NULL)
		return strdup(config->host_key_alias);
	if (config->port == 22)
		return lower(strdup(config->host_name));
	return lower(string_printf("[%s]:%d", config->host_name, config->port));
}

static int add(struct known_keys *keys, const struct known_key *key)
{
	struct known_key *v;

	if (keys->n >= KEYS_MAX)
		return 0;
	v = realloc(keys->v, (keys->n + 1) * sizeof(*v));
	if (v == NULL)
		return -1;
	keys->v = v;
	v[keys->n] = *key;
	v[keys->n].type = strdup(key->type);
	v[keys->n].base64 = strdup(key->base64);
	v[keys->n].file = strdup(key->file);
	keys->n++;
	return v[keys->n - 1].type != NULL && v[keys->n - 1].base64 != NULL &&
		       v[keys->n - 1].file != NULL
		   ? 0
		   : -1;
}

/* "[@MARKER] NAMES TYPE BASE64 [COMMENT]" */
static int parse_line(struct known_keys *keys, char *line, struct known_key *key)
{
	char *rest = line;
	char *word = strsep(&rest, " \t");

	key->marker = KNOWN_PLAIN;
	if (word != NULL && word[0] == '@') {
		key->marker = strcmp(word, "@revoked") == 0 ? KNOWN_REVOKED : KNOWN_AUTHORITY;
		word = strsep(&rest, " \t");
	}
	key->type = strsep(&rest, " \t");
	key->base64 = strsep(&rest, " \t");
	if (word == NULL || word[0] == '#' || key->type == NULL || key->base64 == NULL ||
	    *key->base64 == '\0')
		return 0;
	return add(keys, key);
}

int known_parse(
    struct known_keys *keys, const char *text, const char *file, bool any_port, struct error *err)
{
	CLEANUP_STRV struct strv lines = {0};
	CLEANUP_FREE char *name = strdup(file);
	struct known_key key = {.any_port = any_port, .file = name};

	if (name == NULL || strv_split(&lines, text, "\r\n") < 0)
		return error_memory(err);
	for (size_t i = 0; i < lines.n; i++)
		if (parse_line(keys, lines.v[i], &key) < 0)
			return error_memory(err);
	return 0;
}

struct question {
	const char *name;
	bool any_port;
	int64_t deadline_ms;
	int cancel_fd;
};

static int ask_file(
    struct known_keys *keys, const char *file, const struct question *question, struct error *err)
{
	const char *argv[] = {"ssh-keygen", "-F", question->name, "-f", file, NULL};
	struct proc_result result = {0};
	struct stat stats;
	int rc;

	/* An empty one, as /dev/null is, need not be searched. */
	if (access(file, R_OK) < 0 || stat(file, &stats) < 0 || stats.st_size == 0)
		return 0;
	rc = proc_run(argv, OUTPUT_MAX, question->deadline_ms, question->cancel_fd, &result, err);
	if (rc < 0 && err != NULL && err->kind == ERROR_NOT_FOUND) {
		error_set(err, ERROR_HOST_KEY,
		    "ssh-keygen was not found, so %s cannot be searched for the host's key", file);
		error_hint(err, "install OpenSSH's client, or pin the key in the inventory "
				"(host_key)");
	} else if (rc < 0) {
		error_wrap(err, "searching %s", file);
	} else if (result.status == 0) {
		rc = known_parse(keys, result.out.data, file, question->any_port, err);
	}
	proc_result_release(&result);
	return rc;
}

static int ask_all(struct known_keys *keys, const struct ssh_config *config,
    const struct question *question, struct error *err)
{
	const struct strv *lists[] = {&config->user_known_hosts, &config->global_known_hosts};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t j = 0; j < lists[i]->n; j++)
			if (ask_file(keys, lists[i]->v[j], question, err) < 0)
				return -1;
	return 0;
}

int known_find(const struct ssh_config *config, int64_t deadline_ms, int cancel_fd,
    struct known_keys *ret, struct error *err)
{
	CLEANUP_FREE char *name = known_name(config);
	CLEANUP_FREE char *bare = lower(strdup(config->host_name));
	struct question question = {
	    .name = name, .deadline_ms = deadline_ms, .cancel_fd = cancel_fd};
	struct known_keys keys = {0};
	int rc;

	if (name == NULL || bare == NULL)
		return error_memory(err);
	rc = ask_all(&keys, config, &question, err);
	/* ssh also takes a key that is known for the name alone (check_host_key). */
	if (rc == 0 && keys.n == 0 && config->host_key_alias == NULL && config->port != 22) {
		question.name = bare;
		question.any_port = true;
		rc = ask_all(&keys, config, &question, err);
	}
	if (rc < 0)
		known_release(&keys);
	else
		*ret = keys;
	return rc;
}

void known_release(struct known_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		free(keys->v[i].type);
		free(keys->v[i].base64);
		free(keys->v[i].file);
	}
	free(keys->v);
	keys->v = NULL;
	keys->n = 0;
}
