/* `secrets:` of the file and of a service, and `{secret: NAME}` as the value of a variable. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "inventory/array.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"

enum { MAX_SECRETS = 1000, MAX_NAME = 64, MAX_MODE = 07777, FILE_MODE = 0444 };

static const struct range id_range = {0, 0x7fffffff};

void secret_release(struct secret *secret)
{
	free(secret->name);
	free(secret->variable);
	if (secret->standby)
		explicit_bzero(secret->standby, strlen(secret->standby));
	free(secret->standby);
	free(secret->file);
	strv_release(&secret->command);
	*secret = (struct secret){0};
}

/* [A-Za-z0-9][A-Za-z0-9._-]*: what may be the name of a file, and no other file's. */
static bool is_secret_name(const char *text)
{
	static const char first[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = strlen(text);

	return n > 0 && n <= MAX_NAME && strspn(text, first) > 0 &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		   n;
}

/* ---- the file's */

static int read_variable(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_file(struct reader *r, const struct node *value, void *field, const void *arg);
static int read_program(struct reader *r, const struct node *value, void *field, const void *arg);

/* clang-format off */
static const struct key secret_keys[] = {
    KEY("env", read_variable, 0, "a variable of this machine"),
    KEY("environment", read_variable, 0, "the same, as Compose calls it"),
    KEY("file", read_file, 0, "a file on this machine"),
    KEY("command", read_program, 0, "a program on this machine that prints it"),
    REFUSED("external", "there is no Swarm to have it from: write env, file or command"),
    REFUSED("name", "a secret is called by its key: nothing of another name is kept on a host"),
};
/* clang-format on */

const struct key_table secret_table = KEY_TABLE("a secret", secret_keys);

static bool has_source(const struct secret *secret)
{
	return secret->variable || secret->file || secret->command.n > 0;
}

static int second_source(struct reader *r, const struct node *value)
{
	return mistake(r, value, "a secret comes from one of env, file and command");
}

static int read_variable(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct secret *secret = field;
	const char *text;
	int got = scalar_text(r, value, "the name of a variable", &text);

	if (got <= 0)
		return got;
	if (!*text || strchr(text, '='))
		return mistake_value(r, value, "the name of a variable");
	if (has_source(secret))
		return second_source(r, value);
	const struct pair *standby = pairs_find(&r->dotenv, text);
	if (standby && standby->value && set_string(&secret->standby, standby->value) < 0)
		return -1;
	secret->kind = SECRET_ENV;
	return set_string(&secret->variable, text);
}

static int read_file(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct secret *secret = field;

	if (has_source(secret))
		return second_source(r, value);
	secret->kind = SECRET_FILE;
	return read_path(r, value, &secret->file, arg);
}

static int read_program(struct reader *r, const struct node *value, void *field, const void *arg)
{
	struct secret *secret = field;
	size_t told = r->problems->n;

	if (has_source(secret))
		return second_source(r, value);
	if (read_words(r, value, &secret->command, arg) < 0)
		return -1;
	secret->kind = SECRET_COMMAND;
	if (secret->command.n > 0 && *secret->command.v[0])
		return 0;
	return r->problems->n > told ? 0 : mistake(r, value, "expected a program and its words");
}

static const char sources[] =
    "write one of {env: VARIABLE}, {file: PATH} and {command: \"pass show NAME\"}";

static int refuse_value(struct reader *r, const struct node *value)
{
	if (value->bad)
		return 0;
	if (mistake(r, value, "a secret itself does not stand here, only where it comes from") < 0)
		return -1;
	problem_hide(r->problems);
	return mistake_hint(r, "%s", sources);
}

static int read_secret(struct reader *r, const struct entry *entry, struct secret *secret)
{
	char shown[SHOWN_SIZE];
	size_t told = r->problems->n;

	if (!is_secret_name(entry->key->text))
		return mistake(r, entry->key,
		    "\"%s\" cannot be the name of a secret: use letters, digits and . _ -, at most "
		    "%d",
		    show_text(shown, entry->key->text), MAX_NAME);
	if (entry->value->kind == NODE_SCALAR)
		return refuse_value(r, entry->value);
	if (entry->value->kind != NODE_NULL &&
	    schema_read(r, entry->value, &secret_table, secret, NULL) < 0)
		return -1;
	if (has_source(secret) || r->problems->n > told)
		return 0;
	if (mistake(r, entry->key, "it is not said where the secret comes from") < 0)
		return -1;
	return mistake_hint(r, "%s", sources);
}

int read_secrets(struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	struct inventory *inv = field;

	if (value->kind == NODE_NULL)
		return 0;
	if (value->kind != NODE_MAP) {
		r->secrets_incomplete = true;
		return mistake_kind(r, value, "a mapping of secrets");
	}
	if (value->n > MAX_SECRETS)
		return mistake(r, value, "more than %d secrets", MAX_SECRETS);
	for (size_t i = 0; i < value->n; i++) {
		const struct entry *entry = &value->entries[i];

		if (array_grow(&inv->secrets, inv->n_secrets, sizeof(*inv->secrets)) < 0)
			return -1;
		struct secret *secret = &inv->secrets[inv->n_secrets];
		*secret = (struct secret){.pos = entry->key->pos};
		secret->name = strdup(entry->key->text);
		if (!secret->name)
			return -1;
		inv->n_secrets++;
		if (read_secret(r, entry, secret) < 0)
			return -1;
	}
	return 0;
}

/* ---- where one is named */

static int report_unknown(struct reader *r, const struct node *node, const char *name)
{
	const struct inventory *inv = r->inv;
	CLEANUP_STRV struct strv known = {0};
	char shown[SHOWN_SIZE];

	/* Without a section that can be read something worse was said already. */
	if (r->secrets_incomplete)
		return 0;
	if (mistake(r, node, "there is no secret \"%s\"", show_text(shown, name)) < 0)
		return -1;
	problem_once(r->problems);
	for (size_t i = 0; i < inv->n_secrets && !problems_are_many(r->problems); i++)
		if (strv_add(&known, inv->secrets[i].name) < 0)
			return -1;
	const char *nearest = text_nearest(name, (const char *const *)known.v, known.n);
	return nearest ? mistake_hint(r, "did you mean \"%s\"?", nearest)
		       : mistake_hint(r, "say where it comes from, in `secrets` of the file: "
					 "{env: VARIABLE}, {file: PATH} or {command: PROGRAM}");
}

static int read_known(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	const char *text;
	int got = scalar_text(r, value, "the name of a secret", &text);

	if (got <= 0)
		return got;
	return inventory_secret(r->inv, text) ? set_string(field, text)
					      : report_unknown(r, value, text);
}

/* An item of a list of them: the name alone, or a mapping with more. */
static int read_named(struct reader *r, const struct node *node, const struct key_table *table,
    void *target, char **name)
{
	return node->kind == NODE_MAP ? schema_read(r, node, table, target, NULL)
				      : read_known(r, node, name, NULL);
}

static int read_named_list(struct reader *r, const struct node *value, form_fn *item, void *context)
{
	const struct forms forms = {"a list of secrets", "the name of a secret", item, item};

	if (value->kind == NODE_LIST && value->n > MAX_SECRETS)
		return mistake(r, value, "more than %d secrets", MAX_SECRETS);
	return each_form(r, value, &forms, context);
}

struct reference {
	char *name;
};

static const struct key reference_keys[] = {
    NEEDED("secret", read_known, offsetof(struct reference, name), "the name of a secret"),
};

const struct key_table secret_reference_table =
    KEY_TABLE("a variable that is a secret", reference_keys);

int read_secret_pair(
    struct reader *r, const struct node *value, const char *key, struct pairs *pairs)
{
	struct reference reference = {0};
	int result = schema_read(r, value, &secret_reference_table, &reference, NULL);

	if (result == 0 && reference.name)
		result = pairs_set_secret(pairs, key, reference.name);
	free(reference.name);
	return result;
}

/* ---- a service's */

static int read_mode(struct reader *r, const struct node *value, void *field, const void *arg);

#define AT(field) offsetof(struct secret_file, field)

static const struct key secret_file_keys[] = {
    NEEDED("source", read_known, AT(secret), "the name of a secret"),
    KEY("target", read_text, AT(target), "where: a path, or a name in /run/secrets"),
    KEY("mode", read_mode, AT(mode), "its permissions, in octal"),
    KEY_ARG("uid", read_count, &id_range, AT(uid), "whose it is, as a number"),
    KEY_ARG("gid", read_count, &id_range, AT(gid), "whose group's it is, as a number"),
};

const struct key_table secret_file_table = KEY_TABLE("a secret of a service", secret_file_keys);

/* What people write means octal, with and without a zero before it: "0440", 0440, 440, 0o440. */
static int read_mode(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	static const char expected[] = "permissions in octal, such as 0440";
	unsigned int *mode = field;
	const char *text;
	int got = scalar_text(r, value, expected, &text);

	if (got <= 0)
		return got;
	if (strncmp(text, "0o", 2) == 0)
		text += 2;
	size_t n = strlen(text);
	if (n < 3 || n > 5 || strspn(text, "01234567") != n || strtoul(text, NULL, 8) > MAX_MODE ||
	    strtoul(text, NULL, 8) == 0)
		return mistake_value(r, value, expected);
	*mode = (unsigned int)strtoul(text, NULL, 8);
	if (value->quoted || value->text[0] == '0')
		return 0;
	if (problem_add(&r->inv->warnings, &value->pos,
		"Compose takes %s, without a zero before it, for a decimal number: 0%lo", text,
		strtoul(text, NULL, 10)) < 0)
		return -1;
	return problem_hint(&r->inv->warnings, "write 0%s", text);
}

/* Absolute, and below a folder; a name is meant from /run/secrets. */
static int resolve_target(struct reader *r, const struct node *node, struct secret_file *file)
{
	const char *target = file->target ? file->target : file->secret;
	char shown[SHOWN_SIZE];

	char *path = path_resolve("/run/secrets", target, NULL);
	if (!path)
		return -1;
	free(file->target);
	file->target = path;
	if (strlen(path) > 1 && path[strlen(path) - 1] != '/' && !strchr(path, ':'))
		return 1;
	return mistake(r, node, "\"%s\" is no path of a file", show_text(shown, path));
}

static int check_target(
    struct reader *r, const struct node *node, const struct service *service, const char *target)
{
	char shown[SHOWN_SIZE];

	for (size_t i = 0; i < service->n_secrets; i++)
		if (service->secrets[i].target && strcmp(service->secrets[i].target, target) == 0)
			return mistake(
			    r, node, "two secrets are put at \"%s\"", show_text(shown, target));
	return 1;
}

static int add_secret_file(struct reader *r, const struct node *node, void *context)
{
	struct service *service = context;
	struct secret_file file = {.mode = FILE_MODE, .pos = node->pos};
	int good = read_named(r, node, &secret_file_table, &file, &file.secret);

	/* Without a name it was complained about. */
	if (good == 0 && file.secret)
		good = resolve_target(r, node, &file);
	if (good > 0 && file.target)
		good = check_target(r, node, service, file.target);
	if (good > 0 && array_grow(&service->secrets, service->n_secrets, sizeof(file)) < 0)
		good = -1;
	if (good > 0) {
		service->secrets[service->n_secrets++] = file;
		return 0;
	}
	free(file.secret);
	free(file.target);
	return good;
}

int read_secret_files(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_named_list(r, value, add_secret_file, field);
}

/* ---- a build's */

static const struct key build_secret_keys[] = {
    NEEDED("source", read_known, offsetof(struct build_secret, secret), "the name of a secret"),
    KEY("target", read_text, offsetof(struct build_secret, id), "what the recipe calls it"),
};

const struct key_table build_secret_table = KEY_TABLE("a secret of `build`", build_secret_keys);

static int add_build_secret(struct reader *r, const struct node *node, void *context)
{
	struct build *build = context;
	struct build_secret one = {0};
	int good = read_named(r, node, &build_secret_table, &one, &one.secret);

	if (good == 0 && one.secret && !one.id)
		good = set_string(&one.id, one.secret);
	/* It becomes a part of an option. */
	if (good == 0 && one.id && one.id[strcspn(one.id, ",=\"/")])
		good = mistake(r, node, "a build's secret is called by a name, not \"%s\"", one.id);
	if (good == 0 && array_grow(&build->secrets, build->n_secrets, sizeof(one)) < 0)
		good = -1;
	if (good == 0 && one.secret) {
		build->secrets[build->n_secrets++] = one;
		return 0;
	}
	free(one.secret);
	free(one.id);
	return good;
}

int read_build_secrets(
    struct reader *r, const struct node *value, void *field, const void *arg UNUSED)
{
	return read_named_list(r, value, add_build_secret, field);
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len > 1 && folder[len - 1] == '/')
		len--;
	return strncmp(path, folder, len) == 0 && (len == 1 || path[len] == '/' || !path[len]);
}

int check_secret_files(struct reader *r, const struct service *service)
{
	for (size_t i = 0; i < service->n_secrets; i++)
		for (size_t k = 0; k < service->n_volumes; k++) {
			const struct secret_file *file = &service->secrets[i];
			const char *mounted = service->volumes[k].target;

			if (is_below(file->target, mounted) &&
			    problem_add(r->problems, &file->pos,
				"the secret %s would be written into the volume at %s, and stay "
				"there",
				file->secret, mounted) < 0)
				return -1;
		}
	return 0;
}
