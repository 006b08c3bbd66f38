#include "deploy/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "deploy/options.h"

enum { MASK_LEAST = 6 };

struct entry {
	const struct secret *secret;
	struct buf value;
	bool known;
};

struct secrets {
	const struct inventory *inventory;
	int cancel_fd;
	pthread_mutex_t
	    asking; /* held while one is asked for: one at a time, and nobody else waits */
	pthread_mutex_t lock; /* over values and `known` */
	struct entry *v;      /* one for each secret of the inventory */
};

int secrets_new(
    const struct inventory *inventory, int cancel_fd, struct secrets **ret, struct error *err)
{
	struct secrets *secrets = calloc(1, sizeof(*secrets));

	if (secrets != NULL)
		secrets->v = calloc(inventory->n_secrets + 1, sizeof(*secrets->v));
	if (secrets == NULL || secrets->v == NULL) {
		free(secrets);
		return error_memory(err);
	}
	secrets->inventory = inventory;
	secrets->cancel_fd = cancel_fd;
	pthread_mutex_init(&secrets->asking, NULL);
	pthread_mutex_init(&secrets->lock, NULL);
	for (size_t i = 0; i < inventory->n_secrets; i++) {
		secrets->v[i].secret = &inventory->secrets[i];
		secrets->v[i].value = (struct buf)BUF_SECRET(SECRET_MAX);
	}
	*ret = secrets;
	return 0;
}

void secrets_free(struct secrets *secrets)
{
	if (secrets == NULL)
		return;
	for (size_t i = 0; i < secrets->inventory->n_secrets; i++)
		buf_release(&secrets->v[i].value);
	pthread_mutex_destroy(&secrets->asking);
	pthread_mutex_destroy(&secrets->lock);
	free(secrets->v);
	free(secrets);
}

/* --- where they come from */

static int too_long(struct error *err)
{
	return error_set(err, ERROR_INVENTORY, "it is longer than %d bytes", SECRET_MAX);
}

static int add(struct buf *value, const void *data, size_t len, struct error *err)
{
	if (buf_add(value, data, len) == 0)
		return 0;
	return value->too_long ? too_long(err) : error_memory(err);
}

static int from_variable(const struct secret *secret, struct buf *value, struct error *err)
{
	const char *text = getenv(secret->variable);

	if (text == NULL)
		text = secret->standby;
	if (text == NULL)
		return error_set(
		    err, ERROR_INVENTORY, "the variable %s is not set here", secret->variable);
	return add(value, text, strlen(text), err);
}

/* A pipe has nothing to be read for a while, perhaps for ever. */
static int await(int fd, int cancel_fd, int64_t deadline_ms, struct error *err)
{
	struct pollfd slots[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
	int rc = poll(slots, 2, clock_left_ms(deadline_ms));

	if (rc > 0 && slots[1].revents != 0)
		return error_set(err, ERROR_CANCELLED, "interrupted");
	return rc == 0 ? error_set(err, ERROR_INVENTORY, "nothing came within %d s",
			     SECRET_COMMAND_MS / 1000)
		       : 0;
}

static int read_on(int fd, int cancel_fd, struct buf *value, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + SECRET_COMMAND_MS;
	char piece[4096];
	ssize_t got;
	int rc = 0;

	while (rc == 0 && (got = read(fd, piece, sizeof(piece))) != 0) {
		if (got > 0)
			rc = add(value, piece, (size_t)got, err);
		else if (errno == EAGAIN)
			rc = await(fd, cancel_fd, deadline_ms, err);
		else if (errno != EINTR)
			rc = error_set(err, ERROR_INVENTORY, "%s", strerror(errno));
	}
	explicit_bzero(piece, sizeof(piece));
	return rc;
}

static int from_file(
    const struct secret *secret, int cancel_fd, struct buf *value, struct error *err)
{
	CLEANUP_CLOSE int fd = open(secret->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set(err, ERROR_INVENTORY, "%s: %s", secret->file, strerror(errno));
	if (read_on(fd, cancel_fd, value, err) < 0)
		return error_wrap(err, "%s", secret->file);
	return 0;
}

/* What it says for people is shown; what it prints is not, whatever it is. */
static int from_command(const struct secret *secret, const char *dir, int cancel_fd,
    struct buf *value, struct error *err)
{
	const struct proc_options options = {
	    .argv = (const char *const *)secret->command.v, .dir = dir, .secret = 1};
	struct proc_result result;
	int rc;

	if (proc_collect(&options, SECRET_MAX + 1, clock_now_ms() + SECRET_COMMAND_MS, cancel_fd,
		&result, err) < 0) {
		if (err->kind != ERROR_CANCELLED && err->kind != ERROR_MEMORY)
			err->kind = ERROR_INVENTORY;
		return -1;
	}
	result.err.data[strcspn(result.err.data, "\n")] = '\0';
	if (result.status != 0)
		rc = error_set(err, ERROR_INVENTORY, "%s exited %d%s%s", secret->command.v[0],
		    result.status, *result.err.data != '\0' ? ": " : "", result.err.data);
	else
		rc = add(value, result.out.data, result.out.len, err);
	proc_result_release(&result);
	return rc;
}

static int ask(const struct secrets *secrets, const struct secret *secret, struct buf *value,
    struct error *err)
{
	int rc = 0;

	switch (secret->kind) {
	case SECRET_ENV:
		rc = from_variable(secret, value, err);
		break;
	case SECRET_FILE:
		rc = from_file(secret, secrets->cancel_fd, value, err);
		break;
	case SECRET_COMMAND:
		rc = from_command(secret, secrets->inventory->dir, secrets->cancel_fd, value, err);
		break;
	}
	if (rc == 0 && value->len == 0)
		rc = error_set(err, ERROR_INVENTORY, "it is empty");
	return rc;
}

static bool is_known(struct secrets *secrets, const struct entry *entry)
{
	bool known;

	pthread_mutex_lock(&secrets->lock);
	known = entry->known;
	pthread_mutex_unlock(&secrets->lock);
	return known;
}

/* Events, which are masked, go on while a program is waited for. */
static int learn(struct secrets *secrets, struct entry *entry, struct error *err)
{
	struct buf value = BUF_SECRET(SECRET_MAX);
	int rc = 0;

	pthread_mutex_lock(&secrets->asking);
	if (!is_known(secrets, entry)) {
		rc = ask(secrets, entry->secret, &value, err);
		if (rc == 0) {
			pthread_mutex_lock(&secrets->lock);
			entry->value = value;
			entry->known = true;
			pthread_mutex_unlock(&secrets->lock);
		} else {
			buf_release(&value);
		}
	}
	pthread_mutex_unlock(&secrets->asking);
	return rc;
}

static struct entry *find(struct secrets *secrets, const char *name)
{
	for (size_t i = 0; i < secrets->inventory->n_secrets; i++)
		if (strcmp(secrets->v[i].secret->name, name) == 0)
			return &secrets->v[i];
	return NULL;
}

int secrets_get(
    struct secrets *secrets, const char *name, struct secret_value *ret, struct error *err)
{
	struct entry *entry = secrets != NULL ? find(secrets, name) : NULL;

	if (entry == NULL) {
		error_set(err, ERROR_INVENTORY,
		    "the secret %s is needed, and the inventory has none of that name", name);
		return error_hint(err, "write it into `secrets` again");
	}
	if (!is_known(secrets, entry) && learn(secrets, entry, err) < 0)
		return error_wrap(err, "the secret %s cannot be had", name);
	*ret = (struct secret_value){entry->value.data, entry->value.len};
	return 0;
}

int secrets_get_variable(
    struct secrets *secrets, const char *name, struct secret_value *ret, struct error *err)
{
	const char *why = NULL;

	if (secrets_get(secrets, name, ret, err) < 0)
		return -1;
	if (ret->data[ret->len - 1] == '\n')
		ret->len--;
	if (memchr(ret->data, '\0', ret->len) != NULL)
		why = "it has a zero byte in it";
	else if (!text_is_utf8(ret->data))
		why = "it is not text in UTF-8";
	else if (ret->len > SECRET_ENV_MAX)
		why = "it is too long";
	if (why == NULL)
		return 0;
	error_set(err, ERROR_INVENTORY, "the secret %s cannot be a variable: %s", name, why);
	return error_hint(
	    err, "have it as a file: name it in the service's `secrets` instead of `environment`");
}

/* --- what is kept of them */

static int seal_one(
    struct secrets *secrets, const char *key, const char *name, json_t *seals, struct error *err)
{
	struct secret_value value = {NULL, 0};
	char hex[DIGEST_HEX_SIZE];

	if (secrets_get(secrets, name, &value, err) < 0 ||
	    digest_hmac_hex(key, strlen(key), value.data, value.len, hex, err) < 0)
		return -1;
	return json_set(seals, name, json_string(hex)) < 0 ? error_memory(err) : 0;
}

int secrets_seal(struct secrets *secrets, const char *key, json_t *options, struct strv *changed,
    struct error *err)
{
	CLEANUP_JSON json_t *seals = json_object();
	CLEANUP_STRV struct strv names = {0};

	if (seals == NULL)
		return error_memory(err);
	if (options_secrets(options, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *before = json_string_value(
		    json_object_get(json_object_get(options, "secrets"), names.v[i]));

		if (seal_one(secrets, key, names.v[i], seals, err) < 0)
			return -1;
		if (changed != NULL && before != NULL &&
		    strcmp(before, json_string_value(json_object_get(seals, names.v[i]))) != 0 &&
		    strv_add(changed, names.v[i]) < 0)
			return error_memory(err);
	}
	if (names.n == 0)
		return 0;
	return json_object_set(options, "secrets", seals) < 0 ? error_memory(err) : 0;
}

/* --- what must not be seen of them */

static void mask(char *text, const char *value, size_t len)
{
	static const char stars[] = "****";
	size_t star = sizeof(stars) - 1;
	char *at;

	if (len < MASK_LEAST)
		return;
	while ((at = memmem(text, strlen(text), value, len)) != NULL) {
		memcpy(at, stars, star);
		memmove(at + star, at + len, strlen(at + len) + 1);
		text = at + star;
	}
}

/* A shell that prints it takes white space away at its ends. */
static void mask_trimmed(char *text, const char *line, size_t len)
{
	static const char white[] = " \t\r";

	while (len > 0 && strchr(white, line[0]) != NULL) {
		line++;
		len--;
	}
	while (len > 0 && strchr(white, line[len - 1]) != NULL)
		len--;
	mask(text, line, len);
}

void secrets_mask(struct secrets *secrets, char *text)
{
	if (secrets == NULL || text == NULL)
		return;
	pthread_mutex_lock(&secrets->lock);
	for (size_t i = 0; i < secrets->inventory->n_secrets; i++) {
		const char *line = secrets->v[i].value.data;

		for (size_t left = secrets->v[i].known ? secrets->v[i].value.len : 0; left > 0;) {
			const char *newline = memchr(line, '\n', left);
			size_t len = newline != NULL ? (size_t)(newline - line) : left;

			mask_trimmed(text, line, len);
			line += newline != NULL ? len + 1 : len;
			left -= newline != NULL ? len + 1 : len;
		}
	}
	pthread_mutex_unlock(&secrets->lock);
}
