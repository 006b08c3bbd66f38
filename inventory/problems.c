#include "inventory/problems.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "inventory/array.h"

struct problem_file {
	char *name;
	char *text; /* what stands in it; NULL: nobody is to see that */
};

static struct problem_file *find_file(const struct problems *problems, const char *name)
{
	for (size_t i = 0; i < problems->n_files; i++)
		if (strcmp(problems->files[i].name, name) == 0)
			return &problems->files[i];
	return NULL;
}

/* The entry that `problems` owns; NULL when out of memory. */
static struct problem_file *intern_file(struct problems *problems, const char *name)
{
	struct problem_file *found = find_file(problems, name);

	if (found)
		return found;
	if (array_grow(&problems->files, problems->n_files, sizeof(*problems->files)) < 0)
		return NULL;
	char *copy = strdup(name);
	if (!copy)
		return NULL;
	problems->files[problems->n_files] = (struct problem_file){.name = copy};
	return &problems->files[problems->n_files++];
}

int problems_file(struct problems *problems, const char *file)
{
	return intern_file(problems, file) ? 0 : -1;
}

const char *problems_text_of(const struct problems *problems, const char *file)
{
	const struct problem_file *found = find_file(problems, file);

	return found ? found->text : NULL;
}

int problems_text(struct problems *problems, const char *name, const char *text, size_t len)
{
	struct problem_file *file = intern_file(problems, name);

	if (!file)
		return -1;
	free(file->text);
	file->text = strndup(text, len);
	return file->text ? 0 : -1;
}

int problem_vadd(
    struct problems *problems, const struct position *pos, const char *format, va_list args)
{
	enum { TEXT_MAX = 4096 };
	CLEANUP_BUF struct buf text = BUF_INIT(TEXT_MAX);
	const struct problem_file *file = intern_file(problems, pos->file ? pos->file : "");

	if (!file || array_grow(&problems->v, problems->n, sizeof(*problems->v)) < 0)
		return -1;
	if (pos->path && *pos->path && buf_addf(&text, "%s: ", pos->path) < 0 && !text.too_long)
		return -1;
	if (buf_vaddf(&text, format, args) < 0 && !text.too_long)
		return -1;
	char *copy = buf_steal(&text);
	if (!copy)
		return -1;
	problems->v[problems->n++] = (struct problem){
	    .pos = {.file = file->name, .line = pos->line, .column = pos->column},
	    .text = copy,
	};
	return 0;
}

int problem_add(struct problems *problems, const struct position *pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int result = problem_vadd(problems, pos, format, args);
	va_end(args);
	return result;
}

int problem_hint(struct problems *problems, const char *format, ...)
{
	enum { HINT_MAX = 4096 };
	CLEANUP_BUF struct buf text = BUF_INIT(HINT_MAX);
	va_list args;

	if (problems->n == 0)
		return 0;
	va_start(args, format);
	int result = buf_vaddf(&text, format, args);
	va_end(args);
	if (result < 0)
		return text.too_long ? 0 : -1;
	struct problem *last = &problems->v[problems->n - 1];
	free(last->hint);
	last->hint = buf_steal(&text);
	return last->hint ? 0 : -1;
}

void problem_hide(struct problems *problems)
{
	if (problems->n > 0)
		problems->v[problems->n - 1].hidden = true;
}

void problem_once(struct problems *problems)
{
	if (problems->n > 0)
		problems->v[problems->n - 1].once = true;
}

bool problems_are_many(const struct problems *problems)
{
	enum { MANY = 200 };

	return problems->n > MANY;
}

/* Files come in the order in which they were first complained about; their names are interned,
 * but not at increasing addresses. */
static size_t file_rank(const struct problems *problems, const char *file)
{
	size_t i = 0;

	while (i < problems->n_files && problems->files[i].name != file)
		i++;
	return i;
}

static int compare_problems(const void *left, const void *right, void *context)
{
	const struct problem *a = left, *b = right;
	size_t file_a = file_rank(context, a->pos.file), file_b = file_rank(context, b->pos.file);

	if (file_a != file_b)
		return file_a < file_b ? -1 : 1;
	if (a->pos.line != b->pos.line)
		return a->pos.line < b->pos.line ? -1 : 1;
	if (a->pos.column != b->pos.column)
		return a->pos.column < b->pos.column ? -1 : 1;
	return strcmp(a->text, b->text);
}

void problem_release(struct problem *problem)
{
	free(problem->text);
	free(problem->hint);
	free(problem->quote);
}

void problems_sort(struct problems *problems)
{
	size_t kept = 0;

	if (problems->n < 2)
		return;
	qsort_r(problems->v, problems->n, sizeof(*problems->v), compare_problems, problems);
	for (size_t i = 1; i < problems->n; i++) {
		if (compare_problems(&problems->v[kept], &problems->v[i], problems) == 0)
			problem_release(&problems->v[i]);
		else
			problems->v[++kept] = problems->v[i];
	}
	problems->n = kept + 1;
}

void problems_release(struct problems *problems)
{
	if (!problems)
		return;
	for (size_t i = 0; i < problems->n; i++)
		problem_release(&problems->v[i]);
	for (size_t i = 0; i < problems->n_files; i++) {
		free(problems->files[i].name);
		free(problems->files[i].text);
	}
	free(problems->v);
	free(problems->files);
	memset(problems, 0, sizeof(*problems));
}

const char *show_position(
    char out[POSITION_SIZE], const struct position *pos, const struct position *from)
{
	char file[SHOWN_SIZE] = "", path[SHOWN_SIZE];

	if (pos->file && (!from->file || strcmp(pos->file, from->file) != 0))
		show_text(file, pos->file);
	if (pos->path)
		snprintf(out, POSITION_SIZE, "%s%s%s", file, *file ? ": " : "",
		    show_text(path, pos->path));
	else
		snprintf(out, POSITION_SIZE, "%s%s%d:%d", file, *file ? ":" : "", pos->line,
		    pos->column);
	return out;
}

bool same_position(const struct position *a, const struct position *b)
{
	/* In what a program printed nothing stands for two values. */
	return !a->path && !b->path && a->file == b->file && a->line == b->line &&
	       a->column == b->column;
}

const char *show_text(char out[SHOWN_SIZE], const char *text)
{
	static const char more[] = "...";
	const size_t room = SHOWN_SIZE - sizeof(more);
	size_t len = strlen(text), n = len < room ? len : room;

	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		bool c1 = c == 0xc2 && i + 1 < n && (unsigned char)text[i + 1] < 0xa0;
		out[i] = text[i];
		if (c < ' ' || c == 0x7f || c1)
			out[i] = '?';
		if (c1)
			out[++i] = '?';
	}
	memcpy(out + n, n < len ? more : "", n < len ? sizeof(more) : 1);
	return out;
}
