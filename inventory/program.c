#include "inventory/program.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/proc.h"
#include "inventory/answers.h"

extern char **environ;

enum { LAST_WORDS = 2000 };

/* Our variables without SHIPIT_ENV: a program says all there is, for whichever environment, and is
 * run once. malloc'ed, its texts are borrowed. */
static const char **variables(void)
{
	static const char left_out[] = "SHIPIT_ENV=";
	size_t n = 0, kept = 0;

	while (environ[n])
		n++;
	const char **ret = calloc(n + 1, sizeof(*ret));
	for (size_t i = 0; ret && i < n; i++)
		if (strncmp(environ[i], left_out, strlen(left_out)) != 0)
			ret[kept++] = environ[i];
	return ret;
}

/* The end of what it said, from the beginning of a line on where there is one. */
static const char *last_words(struct buf *said)
{
	while (said->len > 0 && strchr(" \t\r\n", said->data[said->len - 1]))
		said->data[--said->len] = '\0';
	if (said->len <= LAST_WORDS)
		return said->data;
	const char *end = said->data + said->len - LAST_WORDS, *line = strchr(end, '\n');
	return line ? line + 1 : end;
}

static int judge(struct proc_result *result, const char *shown, struct error *err)
{
	const char *words = last_words(&result->err);
	const char *space = *words ? (strchr(words, '\n') ? ":\n" : ": ") : "";

	if (result->status == 0)
		return 0;
	if (result->status > 128)
		return error_set(err, ERROR_INVENTORY, "%s was ended by signal %d%s%s", shown,
		    result->status - 128, space, words);
	return error_set(
	    err, ERROR_INVENTORY, "%s failed with %d%s%s", shown, result->status, space, words);
}

/* In words that name the program as the user does. */
static int could_not(const char *shown, const struct program_rules *rules, struct error *err)
{
	switch (err->kind) {
	case ERROR_CANCELLED:
	case ERROR_MEMORY:
		return -1;
	case ERROR_TIMEOUT:
		error_set(err, ERROR_INVENTORY, "%s did not end within %g s", shown,
		    (double)rules->timeout_ms / 1000);
		return error_hint(err, "SHIPIT_INVENTORY_TIMEOUT=2m gives it longer");
	case ERROR_PROTOCOL:
		return error_set(err, ERROR_INVENTORY, "%s prints more than %d MiB", shown,
		    PROGRAM_OUTPUT_MAX / 1024 / 1024);
	default:
		err->kind = ERROR_INVENTORY;
		return -1;
	}
}

static int run(const char *path, const char *shown, const char *dir,
    const struct program_rules *rules, char **ret_text, size_t *ret_len, struct error *err)
{
	const char *const argv[] = {path, "--list", NULL};
	CLEANUP_FREE const char **env = variables();
	const struct proc_options options = {
	    .argv = argv, .env = env, .dir = dir, .own_group = 1, .strict = 1};
	struct proc_result result;

	if (!env)
		return error_memory(err);
	if (proc_collect(&options, PROGRAM_OUTPUT_MAX, clock_now_ms() + rules->timeout_ms,
		rules->cancel_fd, &result, err) < 0)
		return could_not(shown, rules, err);
	int rc = judge(&result, shown, err);
	if (rc == 0) {
		*ret_len = result.out.len;
		*ret_text = buf_steal(&result.out);
		rc = *ret_text ? 0 : error_memory(err);
	}
	proc_result_release(&result);
	return rc;
}

int program_ask(const char *path, const char *shown, const char *dir,
    const struct program_rules *rules, char **ret_text, size_t *ret_len, bool *ret_fresh,
    struct error *err)
{
	bool may_be_kept = rules->cache_ms > 0 && !rules->ask_anew;

	*ret_fresh = !may_be_kept || answer_read(path, dir, rules->cache_ms, PROGRAM_OUTPUT_MAX,
					 ret_text, ret_len) < 0;
	return *ret_fresh ? run(path, shown, dir, rules, ret_text, ret_len, err) : 0;
}
