/* A JSON value as YAML, for people to read. Every text that could be taken for something else is
 * quoted, so what is printed can be read back. `comments` is NULL, or has the same shape with a
 * text for each value and list, which is put behind it. */
#ifndef SHIPIT_CMD_YAML_OUT_H
#define SHIPIT_CMD_YAML_OUT_H

#include <jansson.h>
#include <stdio.h>

void yaml_print(json_t *value, const json_t *comments, FILE *out);

#endif
