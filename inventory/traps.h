/* Values without quotes that shipit takes as they are written, and other readers of YAML (1.1 as
 * docker-compose has it, or 1.2 as Compose has it today) for something else. */
#ifndef SHIPIT_INVENTORY_TRAPS_H
#define SHIPIT_INVENTORY_TRAPS_H

#include "inventory/schema.h"

enum { TRAP_SIZE = 48 };

/* What others take it for: "true", "the number 3.1", "a date". False: for the same. */
bool yaml_trap(const char *text, char out[TRAP_SIZE]);

/* A warning when `node`'s text, which is used as a text, is a trap. */
int warn_trap(struct reader *r, const struct node *node);
/* The same of a variable's value, which may be a password: neither it nor its line is shown. */
int warn_value_trap(struct reader *r, const struct node *key, const struct node *value);
/* When it is used as the number that it has in decimal. */
int warn_number_trap(struct reader *r, const struct node *node, long number);

#endif
