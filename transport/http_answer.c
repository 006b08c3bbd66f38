#include "transport/http_answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "transport/http_internal.h"

enum { CHUNK_DIGITS_MAX = 16 };

void http_answer_start(struct http_answer *answer, struct http_response *response)
{
	struct buf line = answer->line;

	if (line.data == NULL)
		buf_init(&line, HTTP_ANSWER_HEAD_MAX + 1);
	buf_clear(&line);
	*answer = (struct http_answer){.response = response, .line = line};
}

void http_answer_release(struct http_answer *answer)
{
	if (answer->line.data != NULL)
		buf_wipe(&answer->line);
}

static int invalid(struct error *err, const char *why)
{
	return error_set(err, ERROR_PROTOCOL, "no valid HTTP answer: %s", why);
}

static bool is_good(const struct http_answer *answer)
{
	return answer->response->status >= 200 && answer->response->status < 300;
}

static bool is_interim(const struct http_answer *answer)
{
	return answer->response->status < 200;
}

/* "HTTP/1.1 200 OK"; the reason may be missing with its space. */
static int take_status(struct http_answer *answer, const char *line, size_t len, struct error *err)
{
	int status = 0;

	if (len < 12 || !isdigit((unsigned char)line[7]) || line[8] != ' ' ||
	    (len > 12 && line[12] != ' '))
		return invalid(err, "an odd status line");
	for (size_t i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)line[i]))
			return invalid(err, "a status that is no number");
		status = status * 10 + (line[i] - '0');
	}
	if (status < 100)
		return invalid(err, "a status that is no number");
	if (status == 101)
		return invalid(err, "it switches to a protocol that nobody asked for");
	answer->response->status = status;
	answer->old = line[7] == '0';
	answer->state = ANSWER_FIELDS;
	return 0;
}

static int take_length(struct http_answer *answer, const char *value, size_t len, struct error *err)
{
	uint64_t length = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned char)value[i] - (unsigned int)'0';

		if (digit > 9)
			return invalid(err, "a length that is no number");
		if (length > (UINT64_MAX - digit) / 10)
			return invalid(err, "a length beyond all bounds");
		length = length * 10 + digit;
	}
	if (len == 0)
		return invalid(err, "a length that is no number");
	if (answer->sized && answer->left != length)
		return invalid(err, "two lengths");
	answer->sized = true;
	answer->left = length;
	return 0;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static int take_coding(struct http_answer *answer, const char *value, size_t len, struct error *err)
{
	if (answer->chunked || !is_word(value, len, "chunked"))
		return invalid(err, "a transfer coding other than chunked");
	if (answer->old)
		return invalid(err, "chunks in HTTP/1.0");
	answer->chunked = true;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
	for (; *len > 0 && is_blank(**text); (*len)--)
		(*text)++;
	while (*len > 0 && is_blank((*text)[*len - 1]))
		(*len)--;
}

/* Connection: a list of words. */
static void take_manners(struct http_answer *answer, const char *value, size_t len)
{
	while (len > 0) {
		const char *comma = memchr(value, ',', len);
		size_t n = comma != NULL ? (size_t)(comma - value) : len, word_len = n;
		const char *word = value;

		trim(&word, &word_len);
		answer->closes |= is_word(word, word_len, "close");
		answer->keeps |= is_word(word, word_len, "keep-alive");
		n += comma != NULL;
		value += n;
		len -= n;
	}
}

/* The length of a name (RFC 9110 §5.6.2) that a colon follows, else 0. */
static size_t name_len(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && (isalnum((unsigned char)line[n]) ||
			      (line[n] != '\0' && strchr("!#$%&'*+-.^_`|~", line[n]) != NULL)))
		n++;
	return n < len && line[n] == ':' ? n : 0;
}

static int take_field(struct http_answer *answer, const char *line, size_t len, struct error *err)
{
	size_t name = name_len(line, len), value_len = len - name - 1;
	const char *value = line + name + 1;

	if (name == 0 && is_blank(line[0]))
		return invalid(err, "a header on two lines");
	if (name == 0)
		return invalid(err, "a line that is no header");
	if (is_interim(answer) || answer->state == ANSWER_TRAILERS)
		return 0;
	trim(&value, &value_len);
	http_response_take_line(answer->response, line, len);
	if (is_word(line, name, "Content-Length"))
		return take_length(answer, value, value_len, err);
	if (is_word(line, name, "Transfer-Encoding"))
		return take_coding(answer, value, value_len, err);
	if (is_word(line, name, "Connection"))
		take_manners(answer, value, value_len);
	return 0;
}

/* Does a body of `more` bytes from here on pass the limit? */
static bool is_too_long(const struct http_answer *answer, uint64_t more)
{
	const struct buf *body = &answer->response->body;

	return is_good(answer) && more > body->max - body->len;
}

/* What follows the head (RFC 9112 §6.3). */
static int end_head(struct http_answer *answer, struct error *err)
{
	int status = answer->response->status;

	if (is_interim(answer)) {
		answer->response->status = 0;
		answer->state = ANSWER_STATUS;
		return 0;
	}
	if (answer->sized && answer->chunked)
		return invalid(err, "two lengths");
	answer->closes |= answer->old && !answer->keeps;
	if (status == 204 || status == 304 || (answer->sized && answer->left == 0)) {
		answer->state = ANSWER_WHOLE;
	} else if (answer->chunked) {
		answer->state = ANSWER_CHUNK_SIZE;
	} else if (answer->sized) {
		answer->state = ANSWER_SIZED;
		if (is_too_long(answer, answer->left))
			return http_response_too_long(answer->response, err);
	} else {
		answer->state = ANSWER_UNTIL_CLOSE;
		answer->closes = true;
	}
	return 0;
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1f", or "1f;name=value". */
static int take_chunk_size(
    struct http_answer *answer, const char *line, size_t len, struct error *err)
{
	uint64_t size = 0;
	size_t n = 0;

	for (; n < len && hex_of(line[n]) >= 0; n++) {
		if (n == CHUNK_DIGITS_MAX)
			return invalid(err, "a chunk beyond all bounds");
		size = size << 4 | (uint64_t)hex_of(line[n]);
	}
	line += n;
	len -= n;
	trim(&line, &len);
	if (n == 0 || (len > 0 && line[0] != ';'))
		return invalid(err, "a chunk without a size");
	if (is_too_long(answer, size))
		return http_response_too_long(answer->response, err);
	answer->left = size;
	answer->state = size > 0 ? ANSWER_CHUNK : ANSWER_TRAILERS;
	return 0;
}

static bool has_controls(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return true;
	return false;
}

static int end_line(struct http_answer *answer, struct error *err)
{
	const char *line = answer->line.data;
	size_t len = answer->line.len;

	if (len < 2 || line[len - 2] != '\r')
		return invalid(err, "a line without CR");
	if (has_controls(line, len - 2))
		return invalid(err, "control characters");
	if (answer->state == ANSWER_CHUNK_SIZE)
		return take_chunk_size(answer, line, len - 2, err);
	if (answer->state == ANSWER_CHUNK_END) {
		answer->state = ANSWER_CHUNK_SIZE;
		return 0;
	}
	answer->head += len;
	if (answer->state == ANSWER_STATUS)
		return take_status(answer, line, len - 2, err);
	if (len > 2)
		return take_field(answer, line, len - 2, err);
	if (answer->state == ANSWER_FIELDS)
		return end_head(answer, err);
	answer->state = ANSWER_WHOLE;
	return 0;
}

static size_t line_max(const struct http_answer *answer)
{
	if (answer->state == ANSWER_CHUNK_SIZE || answer->state == ANSWER_CHUNK_END)
		return HTTP_ANSWER_CHUNK_LINE_MAX;
	return HTTP_ANSWER_HEAD_MAX - answer->head;
}

static bool may_become(const struct buf *line, const char *start)
{
	size_t len = strlen(start);

	return memcmp(line->data, start, line->len < len ? line->len : len) == 0;
}

/* Judge a line by what there is of it: who speaks another protocol may never end one. */
static int check_line(const struct http_answer *answer, struct error *err)
{
	const struct buf *line = &answer->line;

	if (answer->state == ANSWER_STATUS && !may_become(line, "HTTP/1."))
		return invalid(err, "it does not begin with HTTP/1");
	if (answer->state == ANSWER_CHUNK_END && !may_become(line, "\r\n"))
		return invalid(err, "a chunk longer than its size");
	if (line->len <= line_max(answer))
		return 0;
	if (answer->state == ANSWER_CHUNK_SIZE)
		return invalid(err, "a chunk without a size");
	return error_set(
	    err, ERROR_PROTOCOL, "the answer's head is longer than %d bytes", HTTP_ANSWER_HEAD_MAX);
}

/* Bytes of a line, up to its end. */
static ssize_t take_line(
    struct http_answer *answer, const char *data, size_t len, struct error *err)
{
	const char *end = memchr(data, '\n', len);
	size_t n = end != NULL ? (size_t)(end - data) + 1 : len;
	size_t room = line_max(answer) + 1 - answer->line.len;

	if (buf_add(&answer->line, data, n < room ? n : room) < 0)
		return error_memory(err);
	if (check_line(answer, err) < 0)
		return -1;
	if (end == NULL)
		return (ssize_t)n;
	if (end_line(answer, err) < 0)
		return -1;
	buf_clear(&answer->line);
	return (ssize_t)n;
}

static ssize_t take_body(
    struct http_answer *answer, const char *data, size_t len, struct error *err)
{
	bool counted = answer->state != ANSWER_UNTIL_CLOSE;

	if (counted && len > answer->left)
		len = (size_t)answer->left;
	if (http_response_add(answer->response, data, len, is_good(answer), err) < 0)
		return -1;
	answer->left -= counted ? len : 0;
	if (counted && answer->left == 0)
		answer->state = answer->state == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_WHOLE;
	return (ssize_t)len;
}

static bool is_in_body(const struct http_answer *answer)
{
	return answer->state == ANSWER_SIZED || answer->state == ANSWER_UNTIL_CLOSE ||
	       answer->state == ANSWER_CHUNK;
}

ssize_t http_answer_feed(
    struct http_answer *answer, const char *data, size_t len, struct error *err)
{
	size_t at = 0;

	while (at < len && answer->state != ANSWER_WHOLE) {
		ssize_t n = is_in_body(answer) ? take_body(answer, data + at, len - at, err)
					       : take_line(answer, data + at, len - at, err);

		if (n < 0)
			return -1;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

bool http_answer_end(struct http_answer *answer)
{
	if (answer->state == ANSWER_UNTIL_CLOSE)
		answer->state = ANSWER_WHOLE;
	return http_answer_is_whole(answer);
}

bool http_answer_is_whole(const struct http_answer *answer)
{
	return answer->state == ANSWER_WHOLE;
}

bool http_answer_has_begun(const struct http_answer *answer)
{
	return answer->head > 0 || answer->line.len > 0;
}
