/* shipit.yml as a JSON Schema (draft-07, which editors know best), for completion and checks while
 * one writes. Made of the tables that the file is read by; what a value may look like stands in
 * shapes.json, by its reader or, where that belongs to one key, by the key. */
#ifndef SHIPIT_INVENTORY_JSON_SCHEMA_H
#define SHIPIT_INVENTORY_JSON_SCHEMA_H

#include <jansson.h>

#include "base/error.h"

/* A new reference; NULL: out of memory, or a key whose shape is not known, which is a mistake in
 * shipit and tested. */
json_t *inventory_json_schema(struct error *err);

#endif
