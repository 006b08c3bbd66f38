/* What has one cause is said once: a name that is nowhere, with all the places that it is used at.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/problems.h"

enum { SHOWN_PLACES = 4, TEXT_MAX = 8192 };

static int compare_text(const void *left, const void *right)
{
	const struct problem *a = *(struct problem *const *)left;
	const struct problem *b = *(struct problem *const *)right;
	int texts = strcmp(a->text, b->text);

	if (texts != 0)
		return texts;
	return a < b ? -1 : a > b;
}

/* "no host is called "web1" (also at 12:5, compose.yaml:3:7 and 2 more places)" */
static int tell_places(struct problem *const *same, size_t n)
{
	CLEANUP_BUF struct buf text = BUF_INIT(TEXT_MAX);
	struct problem *first = same[0];

	if (buf_addf(&text, "%s (also at ", first->text) < 0)
		return text.too_long ? 0 : -1;
	for (size_t i = 1; i < n && i <= SHOWN_PLACES; i++) {
		const struct position *pos = &same[i]->pos;
		bool here = pos->file == first->pos.file;

		if (buf_addf(&text, "%s%s%s%d:%d", i > 1 ? ", " : "", here ? "" : pos->file,
			here ? "" : ":", pos->line, pos->column) < 0)
			return text.too_long ? 0 : -1;
	}
	if (n - 1 > SHOWN_PLACES && buf_addf(&text, " and %zu more", n - 1 - SHOWN_PLACES) < 0)
		return text.too_long ? 0 : -1;
	if (buf_addc(&text, ')') < 0)
		return text.too_long ? 0 : -1;
	char *whole = buf_steal(&text);
	if (!whole)
		return -1;
	free(first->text);
	first->text = whole;
	return 0;
}

static void drop_followers(struct problems *problems)
{
	size_t kept = 0;

	for (size_t i = 0; i < problems->n; i++)
		if (problems->v[i].follows)
			problem_release(&problems->v[i]);
		else
			problems->v[kept++] = problems->v[i];
	problems->n = kept;
}

int problems_merge(struct problems *problems)
{
	struct problem **list = calloc(problems->n + 1, sizeof(struct problem *));
	size_t n = 0;
	int result = 0;

	if (!list)
		return -1;
	for (size_t i = 0; i < problems->n; i++)
		if (problems->v[i].once)
			list[n++] = &problems->v[i];
	qsort(list, n, sizeof(struct problem *), compare_text);
	for (size_t first = 0, end; first < n && result == 0; first = end) {
		for (end = first + 1; end < n; end++) {
			if (strcmp(list[first]->text, list[end]->text) != 0)
				break;
			list[end]->follows = true;
		}
		if (end - first > 1)
			result = tell_places(list + first, end - first);
	}
	free(list);
	drop_followers(problems);
	return result;
}
