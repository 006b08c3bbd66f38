#include "deploy/git.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/strv.h"

enum { GIT_MS = 5000, ANSWER_MAX = 4096 };

/* The first line of its answer. */
static char *ask(const char *dir, const char *const *words, int cancel_fd)
{
	CLEANUP_STRV struct strv argv = {0};
	struct proc_result result;
	char *answer = NULL;
	size_t len;
	int rc =
	    strv_add(&argv, "git") < 0 || strv_add(&argv, "-C") < 0 ? -1 : strv_add(&argv, dir);

	for (; rc == 0 && *words != NULL; words++)
		rc = strv_add(&argv, *words);
	if (rc < 0 || proc_run((const char *const *)argv.v, ANSWER_MAX, clock_now_ms() + GIT_MS,
			  cancel_fd, &result, NULL) < 0)
		return NULL;
	len = strcspn(result.out.data, "\n");
	if (result.status == 0 && len > 0)
		answer = strndup(result.out.data, len);
	proc_result_release(&result);
	return answer;
}

#define ASK(dir, cancel_fd, ...) ask(dir, (const char *const[]){__VA_ARGS__, NULL}, cancel_fd)

char *git_describe(const char *dir, int cancel_fd)
{
	return ASK(dir, cancel_fd, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*");
}

/* What an image may say to others of where it is from: no folder of this machine (NULL), and of
 * https://ann:token@example.com/shop.git not what stands before the "@". */
static char *public_source(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len;

	if (strchr("/.~", *url) != NULL || strchr(url, ':') == NULL ||
	    strncmp(url, "file:", strlen("file:")) == 0)
		return NULL;
	if (host == NULL)
		return strdup(url);
	host += 3;
	len = strcspn(host, "/");
	for (size_t i = len; i > 0; i--)
		if (host[i - 1] == '@')
			return string_printf("%.*s%s", (int)(host - url), url, host + i);
	return strdup(url);
}

static int64_t parse_epoch(const char *text)
{
	char *end;
	long long epoch = text != NULL && *text != '\0' ? strtoll(text, &end, 10) : -1;

	return epoch >= 0 && *end == '\0' ? epoch : -1;
}

void git_look(const char *dir, int cancel_fd, struct git_facts *ret)
{
	CLEANUP_FREE char *url = NULL, *time = NULL;

	*ret = (struct git_facts){.epoch = parse_epoch(getenv("SOURCE_DATE_EPOCH"))};
	ret->revision =
	    ASK(dir, cancel_fd, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*");
	if (ret->revision == NULL)
		return;
	url = ASK(dir, cancel_fd, "remote", "get-url", "origin");
	if (url != NULL)
		ret->source = public_source(url);
	if (ret->epoch < 0) {
		time = ASK(dir, cancel_fd, "log", "-1", "--format=%ct");
		ret->epoch = parse_epoch(time);
	}
}

void git_facts_release(struct git_facts *facts)
{
	free(facts->revision);
	free(facts->source);
	*facts = (struct git_facts){.epoch = -1};
}
