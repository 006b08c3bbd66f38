/* Splitting a command given as one text. */
#ifndef SHIPIT_INVENTORY_WORDS_H
#define SHIPIT_INVENTORY_WORDS_H

#include "base/strv.h"

enum words_result {
	WORDS_OK,
	WORDS_NO_MEMORY,
	WORDS_QUOTE,	 /* a quote is not closed */
	WORDS_BACKSLASH, /* ends with a backslash */
	WORDS_OPERATOR,	 /* ; & | < > outside of quotes: it wants a shell */
};

/* Split as Compose does (go-shellwords): at white space; '...' is literal; elsewhere a backslash
 * takes the next character as it is, but \n and \t, which are newline and tab. `list` keeps what it
 * has; on a failure it may have grown. Compose drops what follows an operator without a word;
 * here it is a mistake. */
enum words_result words_split(const char *text, struct strv *list);

#endif
