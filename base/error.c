#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char out_of_memory[] = "out of memory";

static int set_message(struct error *err, char *message)
{
	if (!err->is_static)
		free(err->message);
	err->is_static = message == NULL;
	err->message = message != NULL ? message : out_of_memory;
	if (message == NULL)
		err->kind = ERROR_MEMORY;
	return -1;
}

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
	char *text = NULL;

	return vasprintf(&text, format, args) < 0 ? NULL : text;
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	va_list args;
	char *text;

	if (err == NULL)
		return -1;
	va_start(args, format);
	text = format_text(format, args); /* before the release: args may point into err */
	va_end(args);
	error_release(err);
	err->kind = kind;
	return set_message(err, text);
}

int error_errno(struct error *err, int errnum, const char *format, ...)
{
	va_list args;
	char *text, *whole = NULL;

	if (err == NULL)
		return -1;
	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	if (text != NULL && asprintf(&whole, "%s: %s", text, strerror(errnum)) < 0)
		whole = NULL;
	free(text);
	error_release(err);
	err->kind = errnum == ENOMEM ? ERROR_MEMORY : ERROR_SYSTEM;
	err->code = errnum;
	return set_message(err, whole);
}

int error_memory(struct error *err)
{
	if (err == NULL)
		return -1;
	error_release(err);
	return set_message(err, NULL);
}

int error_wrap(struct error *err, const char *format, ...)
{
	va_list args;
	char *context, *whole = NULL;

	if (err == NULL || err->is_static)
		return -1;
	va_start(args, format);
	context = format_text(format, args);
	va_end(args);
	if (context != NULL && asprintf(&whole, "%s: %s", context, error_text(err)) < 0)
		whole = NULL;
	free(context);
	/* Without memory for the context, the bare message says more than "out of memory". */
	return whole != NULL ? set_message(err, whole) : -1;
}

int error_hint(struct error *err, const char *format, ...)
{
	va_list args;
	char *hint;

	if (err == NULL)
		return -1;
	va_start(args, format);
	hint = format_text(format, args);
	va_end(args);
	free(err->hint);
	err->hint = hint;
	return -1;
}

const char *error_text(const struct error *err)
{
	return err != NULL && err->message != NULL ? err->message : "no error";
}

void error_move(struct error *to, struct error *from)
{
	if (to == NULL) {
		error_release(from);
		return;
	}
	if (to == from)
		return;
	error_release(to);
	*to = *from;
	memset(from, 0, sizeof(*from));
}

void error_release(struct error *err)
{
	if (err == NULL)
		return;
	if (!err->is_static)
		free(err->message);
	free(err->hint);
	memset(err, 0, sizeof(*err));
}
