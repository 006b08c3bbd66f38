/* From files and programs to the texts that an inventory is made of. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "inventory/answers.h"
#include "inventory/envfile.h"
#include "inventory/files.h"
#include "inventory/interpolate.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"
#include "inventory/program.h"

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

/* ---- what is read, or asked for ---- */

enum { SOURCES_MAX_BYTES = 32 * 1024 * 1024 };

struct sources {
	const struct inventory_from *from;
	struct reader *reader;
	struct files files;
	struct program_rules rules;
	struct source_text texts[FILES_MAX];
	char *owned[FILES_MAX]; /* of these the ones that are ours */
	bool fresh[FILES_MAX];	/* a program was asked for it now */
};

static void sources_release(struct sources *s)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		free(s->owned[i]);
	files_release(&s->files);
	/* Secrets may stand there. */
	for (size_t i = 0; i < s->reader->dotenv.n; i++)
		if (s->reader->dotenv.v[i].value)
			explicit_bzero(
			    s->reader->dotenv.v[i].value, strlen(s->reader->dotenv.v[i].value));
	pairs_release(&s->reader->dotenv);
}

/* The variables of `.env` beside the first file; none when it is not there. */
static int load_dotenv(struct reader *r, const struct files *files, struct error *err)
{
	const char *slash = strrchr(files->v[0].shown, '/');
	struct variables variables = {r, reader_variable};
	CLEANUP_FREE char *file = path_resolve(files->dir, ".env", NULL);
	CLEANUP_FREE char *shown = string_printf(
	    "%.*s.env", slash ? (int)(slash - files->v[0].shown) + 1 : 0, files->v[0].shown);
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

/* `least`: the shortest that makes sense. */
static int duration_rule(
    struct reader *r, const char *name, int64_t least, int64_t *ret_ms, struct error *err)
{
	const char *text = reader_variable(r, name);

	if (!text || *text == '\0')
		return 0;
	if (parse_duration(text, ret_ms) == 0 && *ret_ms >= least)
		return 0;
	return error_set(
	    err, ERROR_INVENTORY, "%s takes a duration such as 30s or 10m, not \"%s\"", name, text);
}

static int set_rules(struct sources *s, struct error *err)
{
	s->rules = (struct program_rules){.timeout_ms = PROGRAM_TIMEOUT_MS,
	    .ask_anew = s->from->ask_anew,
	    .cancel_fd = s->from->cancel_fd};
	if (duration_rule(s->reader, "SHIPIT_INVENTORY_TIMEOUT", 1, &s->rules.timeout_ms, err) < 0)
		return -1;
	return duration_rule(s->reader, "SHIPIT_INVENTORY_CACHE", 0, &s->rules.cache_ms, err);
}

/* Whoever wrote a program and forgot to say that it is one. */
static int is_meant_to_run(const struct file *file, const char *text, struct error *err)
{
	size_t len = strlen(file->path);

	if (strncmp(text, "#!", 2) != 0 || (len > 4 && strcmp(file->path + len - 4, ".yml") == 0) ||
	    (len > 5 && strcmp(file->path + len - 5, ".yaml") == 0))
		return 0;
	error_set(err, ERROR_INVENTORY, "%s is a program, and is not executable", file->shown);
	return error_hint(err, "chmod +x %s", file->shown);
}

static int take_file(struct sources *s, size_t i, struct error *err)
{
	const struct source *source = s->reader->source;
	const struct file *file = &s->files.v[i];
	struct source_text *text = &s->texts[i];

	if (source->read_file(
		source->context, file->shown, YAML_MAX_BYTES, &s->owned[i], &text->len, err) < 0)
		return -1;
	text->text = s->owned[i];
	return is_meant_to_run(file, s->owned[i], err);
}

/* A JSON text has no NUL in it; of another one as much is kept as will be complained about. */
static int ask_program(struct sources *s, size_t i, struct error *err)
{
	const struct file *file = &s->files.v[i];
	const struct pair *said = s->from->said ? pairs_find(s->from->said, file->path) : NULL;
	struct source_text *text = &s->texts[i];

	text->is_output = true;
	if (said) {
		text->text = said->value;
		text->len = strlen(said->value);
		return 0;
	}
	if (program_ask(file->path, file->shown, s->files.dir, &s->rules, &s->owned[i], &text->len,
		&s->fresh[i], err) < 0)
		return -1;
	text->text = s->owned[i];
	if (s->from->said && pairs_set(s->from->said, file->path, text->text) < 0)
		return error_memory(err);
	return 0;
}

static int take_all(struct sources *s, struct error *err)
{
	size_t total = 0;

	for (size_t i = 0; i < s->files.n; i++) {
		const struct file *file = &s->files.v[i];

		s->texts[i].name = file->shown;
		if ((file->is_program ? ask_program(s, i, err) : take_file(s, i, err)) < 0)
			return -1;
		total += s->texts[i].len;
		if (total > SOURCES_MAX_BYTES)
			return error_set(err, ERROR_INVENTORY,
			    "the inventory comes to more than %d MiB in all",
			    SOURCES_MAX_BYTES / 1024 / 1024);
	}
	return 0;
}

/* What was of no use is asked for again next time. */
static void keep_answers(const struct sources *s)
{
	for (size_t i = 0; i < s->files.n && s->rules.cache_ms > 0; i++)
		if (s->fresh[i])
			answer_write(
			    s->files.v[i].path, s->files.dir, s->texts[i].text, s->texts[i].len);
}

static int load(struct sources *s, struct inventory **ret, struct error *err)
{
	if (files_find(s->from->paths, s->from->n, &s->files, err) < 0) {
		if (err->code == ENOENT)
			error_hint(err, "`shipit init` writes one, and -f FILE names another");
		return -1;
	}
	for (size_t i = 0; i < s->files.n; i++)
		if (problems_file(s->reader->problems, s->files.v[i].shown) < 0)
			return error_memory(err);
	if (load_dotenv(s->reader, &s->files, err) < 0 || set_rules(s, err) < 0 ||
	    take_all(s, err) < 0)
		return -1;
	const struct source_texts texts = {
	    s->texts, s->files.n, s->files.name, s->files.path, s->files.dir};
	if (load_texts(s->reader, &texts, ret, err) < 0)
		return -1;
	keep_answers(s);
	return 0;
}

int inventory_load(const struct inventory_from *from, struct inventory **ret,
    struct problems *problems, struct error *err)
{
	struct reader r = {
	    .problems = problems, .source = &source_system, .wants_origins = from->origins};
	struct sources s = {.from = from, .reader = &r};
	struct error own = {0};

	*ret = NULL;
	int result = load(&s, ret, &own);
	if (problems->n == 0)
		problems_release(problems);
	sources_release(&s);
	if (err && result < 0)
		error_move(err, &own);
	error_release(&own);
	return result;
}
