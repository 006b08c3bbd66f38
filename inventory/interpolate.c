#include "inventory/interpolate.h"

#include <string.h>

#include "base/text.h"

struct interpolation {
	const struct variables *variables;
	struct buf *out;
	struct strv *unset;
	struct buf *why;
};

/* One `${...}` taken apart. */
struct expansion {
	char name[128];
	bool colon;	  /* an empty value is as good as none */
	char operator;	  /* '-', '?', '+', or 0 */
	const char *rest; /* what follows the operator */
	size_t rest_len;
};

static enum interpolated failed(const struct buf *buf, struct interpolation *in)
{
	if (!buf->too_long)
		return INTERPOLATE_NO_MEMORY;
	buf_clear(in->why);
	buf_adds(in->why, "the text is too long once its variables are in it");
	return INTERPOLATE_MISTAKE;
}

static enum interpolated mistake(struct interpolation *in, const char *format, ...)
    PRINTF_LIKE(2, 3);

static enum interpolated mistake(struct interpolation *in, const char *format, ...)
{
	va_list args;

	buf_clear(in->why);
	va_start(args, format);
	int result = buf_vaddf(in->why, format, args);
	va_end(args);
	return result < 0 && !in->why->too_long ? INTERPOLATE_NO_MEMORY : INTERPOLATE_MISTAKE;
}

static size_t name_length(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len) {
		char c = text[n];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (n == 0 || c < '0' || c > '9'))
			break;
		n++;
	}
	return n;
}

static enum interpolated expand(
    struct interpolation *in, const char *text, size_t len, unsigned depth);

/* The value of a variable; NULL when there is none to use. */
static enum interpolated value_of(
    struct interpolation *in, const struct expansion *e, const char **ret_value)
{
	const char *value = in->variables->get(in->variables->context, e->name);

	if (value && !text_is_utf8(value))
		return mistake(in, "the value of `%s` is not text in UTF-8", e->name);
	*ret_value = value && (*value || !e->colon) ? value : NULL;
	return INTERPOLATED;
}

static enum interpolated add_value(struct interpolation *in, const char *value)
{
	return buf_adds(in->out, value) < 0 ? failed(in->out, in) : INTERPOLATED;
}

static enum interpolated required(
    struct interpolation *in, const struct expansion *e, unsigned depth)
{
	CLEANUP_BUF struct buf message = BUF_INIT(INTERPOLATE_MAX);
	struct interpolation inner = *in;

	inner.out = &message;
	enum interpolated result = expand(&inner, e->rest, e->rest_len, depth);
	if (result != INTERPOLATED)
		return result;
	if (message.len > 0)
		return mistake(in, "variable `%s` is required: %s", e->name, message.data);
	return mistake(in, "variable `%s` is required and not set", e->name);
}

static enum interpolated expand_one(
    struct interpolation *in, const struct expansion *e, unsigned depth)
{
	const char *value = NULL;
	enum interpolated result = value_of(in, e, &value);

	if (result != INTERPOLATED)
		return result;
	if (e->operator== '+')
		return value ? expand(in, e->rest, e->rest_len, depth) : INTERPOLATED;
	if (value)
		return add_value(in, value);
	if (e->operator== '-')
		return expand(in, e->rest, e->rest_len, depth);
	if (e->operator== '?')
		return required(in, e, depth);
	if (!strv_has(in->unset, e->name) && strv_add(in->unset, e->name) < 0)
		return INTERPOLATE_NO_MEMORY;
	return INTERPOLATED;
}

/* Length of what stands before the brace that closes; `len` when none does. As in Compose, braces
 * inside have to match, so that a default can be JSON. */
static size_t find_brace(const char *text, size_t len)
{
	size_t open = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '}' && open-- == 0)
			return i;
		if (text[i] == '{')
			open++;
	}
	return len;
}

/* Take apart what stands between the braces. */
static enum interpolated parse_braces(
    struct interpolation *in, const char *text, size_t len, struct expansion *ret)
{
	size_t n = name_length(text, len);

	*ret = (struct expansion){.rest = text + n, .rest_len = len - n};
	if (n == 0)
		return mistake(in, "\"${\" is not followed by the name of a variable");
	if (n >= sizeof(ret->name))
		return mistake(in, "the name of a variable is too long");
	memcpy(ret->name, text, n);
	if (ret->rest_len == 0)
		return INTERPOLATED;
	ret->colon = ret->rest[0] == ':';
	size_t skip = ret->colon ? 1 : 0;
	if (ret->rest_len <= skip || !strchr("-?+", ret->rest[skip]))
		return mistake(in,
		    "after the name `%s` in \"${...}\" only :- - :? ? :+ + may follow", ret->name);
	ret->operator= ret->rest[skip];
	ret->rest += skip + 1;
	ret->rest_len -= skip + 1;
	return INTERPOLATED;
}

/* What begins at a `$`. *ret_used: bytes of `text` that were part of it. */
static enum interpolated expand_dollar(
    struct interpolation *in, const char *text, size_t len, unsigned depth, size_t *ret_used)
{
	struct expansion e = {0};
	size_t n = name_length(text + 1, len - 1);

	if (len > 1 && text[1] == '$') {
		*ret_used = 2;
		return add_value(in, "$");
	}
	if (len > 1 && text[1] == '{') {
		size_t inside = find_brace(text + 2, len - 2);

		if (inside == len - 2)
			return mistake(in, "\"${\" is not closed with \"}\"");
		*ret_used = inside + 3;
		enum interpolated result = parse_braces(in, text + 2, inside, &e);
		return result == INTERPOLATED ? expand_one(in, &e, depth) : result;
	}
	if (n == 0) {
		*ret_used = 1;
		return add_value(in, "$");
	}
	if (n >= sizeof(e.name))
		return mistake(in, "the name of a variable is too long");
	memcpy(e.name, text + 1, n);
	*ret_used = n + 1;
	return expand_one(in, &e, depth);
}

static enum interpolated expand(
    struct interpolation *in, const char *text, size_t len, unsigned depth)
{
	if (depth >= INTERPOLATE_DEPTH)
		return mistake(
		    in, "more than %d variables inside of each other", INTERPOLATE_DEPTH);
	for (size_t used = 0; len > 0; text += used, len -= used) {
		const char *dollar = memchr(text, '$', len);
		enum interpolated result = INTERPOLATED;

		used = dollar ? (size_t)(dollar - text) : len;
		if (used > 0 && buf_add(in->out, text, used) < 0)
			return failed(in->out, in);
		if (used == 0)
			result = expand_dollar(in, text, len, depth + 1, &used);
		if (result != INTERPOLATED)
			return result;
	}
	return INTERPOLATED;
}

enum interpolated interpolate(const char *text, const struct variables *variables, struct buf *out,
    struct strv *unset, struct buf *why)
{
	struct interpolation in = {variables, out, unset, why};

	return expand(&in, text, strlen(text), 0);
}
