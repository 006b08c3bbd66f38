/* Readers of single values, for the tables of inventory/schema.h. `field` is the type named beside
 * each; strings already there are freed. Returns as schema.h says. */
#ifndef SHIPIT_INVENTORY_VALUES_H
#define SHIPIT_INVENTORY_VALUES_H

#include "inventory/schema.h"

read_fn read_string; /* char *: any text */
read_fn read_text;   /* char *: any text that is not empty */
read_fn
    read_path; /* char *: a file, made absolute: meant from the inventory's folder, "~/" the home */
read_fn read_bool;     /* bool: true, false and YAML 1.1's yes, no, on, off */
read_fn read_duration; /* int64_t, milliseconds: "1m30s"; more than 0 */
read_fn read_delay;    /* the same, 0 allowed */
read_fn read_age;      /* int64_t, seconds: "36h", "14d", "2w" */
read_fn read_count;    /* int; `arg`: const struct range * */
read_fn read_choice;   /* unsigned (an enum); `arg`: const struct choices * */
read_fn read_list;     /* struct strv: a list of texts, or one text */
read_fn read_words;    /* struct strv: a command, as a list or one text (inventory/words.h) */
read_fn read_pairs; /* struct pairs: a mapping or a list of KEY=VALUE; `arg`: struct pairs_rule */

struct range {
	int least, most;
};

struct choices {
	const char *expected; /* "auto, libssh2 or openssh" */
	const char *const *names;
	size_t n;
};

struct pairs_rule {
	const char *what;     /* "a variable" */
	bool inherits;	      /* a key without a value takes the caller's; otherwise it is empty */
	const char *reserved; /* keys must not begin so; NULL */
	bool secrets;	      /* `KEY: {secret: NAME}` stands for the value of a secret */
};

int set_string(char **field, const char *text);
int parse_duration(const char *text, int64_t *ret_ms);
/* A decimal number in [least, most]; -1 when `text` is none. */
int parse_int(const char *text, int least, int most, int *ret);
bool parse_bool(const char *text, bool *ret);

/* Complain when `node`'s text is no name (base/text.h); `what`: "a service". */
int check_name(struct reader *r, const struct node *node, const char *what);

/* Call `item` for each text of a list, or for the one text. */
typedef int item_fn(struct reader *r, const struct node *item, const char *text, void *context);
int each_text(
    struct reader *r, const struct node *value, const char *expected, item_fn *item, void *context);

/* Call `text` or `map` for each item of a list, which has a short form and a long one. `expected`
 * is what the list has to be, `item` what an item. */
typedef int form_fn(struct reader *r, const struct node *item, void *context);
struct forms {
	const char *expected, *item;
	form_fn *text, *map;
};
int each_form(struct reader *r, const struct node *value, const struct forms *forms, void *context);

#endif
