#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char buf_empty[1] = "";

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf)BUF_INIT(max);
}

/* realloc() may leave a copy behind. */
static char *move_secret(struct buf *buf, size_t cap)
{
	char *data = malloc(cap);

	if (data == NULL || buf->cap == 0)
		return data;
	memcpy(data, buf->data, buf->len + 1);
	explicit_bzero(buf->data, buf->cap);
	free(buf->data);
	return data;
}

/* Room for `more` bytes and the NUL. */
static int reserve(struct buf *buf, size_t more)
{
	size_t need, cap;
	char *data;

	buf->too_long = buf->max < buf->len || more > buf->max - buf->len;
	if (buf->too_long)
		return -1;
	need = buf->len + more + 1;
	if (need == 0)
		return -1;
	if (need <= buf->cap)
		return 0;
	cap = buf->cap < 64 ? 64 : buf->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = buf->secret ? move_secret(buf, cap) : realloc(buf->cap > 0 ? buf->data : NULL, cap);
	if (data == NULL)
		return -1;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int buf_add(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (reserve(buf, len) < 0)
		return -1;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int buf_adds(struct buf *buf, const char *string)
{
	return buf_add(buf, string, strlen(string));
}

int buf_addc(struct buf *buf, char c)
{
	return buf_add(buf, &c, 1);
}

int buf_vaddf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0 || reserve(buf, (size_t)len) < 0)
		return -1;
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	buf->len += (size_t)len;
	return 0;
}

int buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = buf_vaddf(buf, format, args);
	va_end(args);
	return rc;
}

void buf_drop(struct buf *buf, size_t n)
{
	if (n >= buf->len) {
		buf_clear(buf);
		return;
	}
	memmove(buf->data, buf->data + n, buf->len - n + 1);
	buf->len -= n;
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->cap > 0)
		buf->data[0] = '\0';
}

char *buf_steal(struct buf *buf)
{
	char *data = buf->cap > 0 ? buf->data : strdup("");

	if (data != NULL)
		buf_init(buf, buf->max);
	return data;
}

int buf_error(const struct buf *buf, struct error *err, const char *what)
{
	if (!buf->too_long)
		return error_memory(err);
	return error_set(err, ERROR_FAILED, "%s is longer than %zu bytes", what, buf->max);
}

void buf_release(struct buf *buf)
{
	int secret = buf->secret;

	if (buf->cap > 0 && secret)
		explicit_bzero(buf->data, buf->cap);
	if (buf->cap > 0)
		free(buf->data);
	buf_init(buf, buf->max);
	buf->secret = secret;
}

void buf_wipe(struct buf *buf)
{
	if (buf->cap > 0)
		explicit_bzero(buf->data, buf->cap);
	buf_release(buf);
}

char *string_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return len < 0 ? NULL : text;
}
