/* A JSON value as YAML, for people to read. Every text that could be taken for something else is
 * quoted, so what is printed can be read back. */
#ifndef SHIPIT_CMD_YAML_OUT_H
#define SHIPIT_CMD_YAML_OUT_H

#include <jansson.h>
#include <stdio.h>

void yaml_print(json_t *value, FILE *out);

#endif
