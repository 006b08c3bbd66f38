#include "cmd/ui/columns.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void columns_init(struct columns *columns, const char *const *headings)
{
	memset(columns, 0, sizeof(*columns));
	while (headings[columns->n_columns] != NULL && columns->n_columns < COLUMNS_MAX)
		columns->n_columns++;
	for (size_t i = 0; i < columns->n_columns; i++)
		columns_add(columns, HUE_FAINT, headings[i]);
}

static struct cell *new_cell(struct columns *columns)
{
	if (columns->n == columns->room) {
		size_t room = columns->room > 0 ? 2 * columns->room : 64;
		struct cell *cells = realloc(columns->cells, room * sizeof(*cells));

		if (cells == NULL)
			return NULL;
		columns->cells = cells;
		columns->room = room;
	}
	return &columns->cells[columns->n];
}

void columns_add(struct columns *columns, enum hue hue, const char *text)
{
	struct cell *cell = columns->failed ? NULL : new_cell(columns);

	if (cell == NULL) {
		columns->failed = true;
		return;
	}
	cell->hue = hue;
	cell->text = text_cleaned(text != NULL ? text : "-");
	if (cell->text == NULL)
		columns->failed = true;
	else
		columns->n++;
}

void columns_addf(struct columns *columns, enum hue hue, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		columns->failed = true;
	else
		columns_add(columns, hue, text);
	free(text);
}

size_t columns_rows(const struct columns *columns)
{
	return columns->n / columns->n_columns - 1;
}

static void print_row(const struct columns *columns, size_t row, const size_t *widths, FILE *out,
    bool color, int indent)
{
	size_t missing = (size_t)indent; /* written only before something that stands there */

	for (size_t c = 0; c < columns->n_columns; c++) {
		const struct cell *cell = &columns->cells[row * columns->n_columns + c];

		if (*cell->text != '\0') {
			fprintf(out, "%*s%s%s%s", (int)missing, "", hue_on(color, cell->hue),
			    cell->text, hue_off(color, cell->hue));
			missing = 0;
		}
		missing += widths[c] - text_width(cell->text) + 2;
	}
	fputc('\n', out);
}

int columns_print(const struct columns *columns, FILE *out, bool color, int indent)
{
	size_t widths[COLUMNS_MAX] = {0}, rows = columns->n / columns->n_columns;

	if (columns->failed)
		return -1;
	for (size_t i = 0; i < rows * columns->n_columns; i++) {
		size_t width = text_width(columns->cells[i].text);

		if (width > widths[i % columns->n_columns])
			widths[i % columns->n_columns] = width;
	}
	for (size_t row = 0; row < rows; row++)
		print_row(columns, row, widths, out, color, indent);
	return 0;
}

void columns_release(struct columns *columns)
{
	for (size_t i = 0; i < columns->n; i++)
		free(columns->cells[i].text);
	free(columns->cells);
	memset(columns, 0, sizeof(*columns));
}
