#include "inventory/words.h"

#include <string.h>

#include "base/buf.h"

struct splitter {
	const char *at;
	struct strv *list;
	struct buf word;
	bool in_word; /* "" is a word too */
};

static int put(struct splitter *s, char c)
{
	s->in_word = true;
	return buf_addc(&s->word, c);
}

static int end_word(struct splitter *s)
{
	if (!s->in_word)
		return 0;
	s->in_word = false;
	int result = strv_add(s->list, s->word.data);
	buf_clear(&s->word);
	return result;
}

static int put_escaped(struct splitter *s)
{
	char c = *s->at;

	return put(s, c == 'n' ? '\n' : c == 't' ? '\t' : c);
}

static enum words_result quoted(struct splitter *s, char quote)
{
	s->in_word = true;
	for (s->at++; *s->at != quote; s->at++) {
		bool escaped = *s->at == '\\' && quote == '"';

		if (escaped)
			s->at++;
		if (*s->at == '\0')
			return WORDS_QUOTE;
		if ((escaped ? put_escaped(s) : put(s, *s->at)) < 0)
			return WORDS_NO_MEMORY;
	}
	return WORDS_OK;
}

static enum words_result step(struct splitter *s)
{
	int result = 0;

	if (*s->at == '\'' || *s->at == '"')
		return quoted(s, *s->at);
	if (strchr(";&|<>", *s->at))
		return WORDS_OPERATOR;
	if (strchr(" \t\r\n", *s->at)) {
		result = end_word(s);
	} else if (*s->at != '\\') {
		result = put(s, *s->at);
	} else {
		if (*++s->at == '\0')
			return WORDS_BACKSLASH;
		result = put_escaped(s);
	}
	return result < 0 ? WORDS_NO_MEMORY : WORDS_OK;
}

enum words_result words_split(const char *text, struct strv *list)
{
	struct splitter s = {.at = text, .list = list, .word = BUF_INIT(strlen(text))};
	enum words_result result = WORDS_OK;

	for (; result == WORDS_OK && *s.at; s.at++)
		result = step(&s);
	if (result == WORDS_OK && end_word(&s) < 0)
		result = WORDS_NO_MEMORY;
	buf_release(&s.word);
	return result;
}
