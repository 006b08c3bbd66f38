#include <string.h>

#include "base/attr.h"
#include "inventory/yaml_internal.h"

bool yaml_is_null(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
		if (strcmp(text, nulls[i]) == 0)
			return true;
	return false;
}

bool yaml_is_known_tag(const char *tag)
{
	static const char core[] = "tag:yaml.org,2002:";
	static const char *const known[] = {"str", "int", "bool", "float", "null", "map", "seq"};

	if (strcmp(tag, "!") == 0)
		return true;
	if (strncmp(tag, core, strlen(core)) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(tag + strlen(core), known[i]) == 0)
			return true;
	return false;
}

enum node_tag yaml_merge_tag(const char *tag)
{
	if (strcmp(tag, "!reset") == 0)
		return TAG_RESET;
	return strcmp(tag, "!override") == 0 ? TAG_OVERRIDE : TAG_NONE;
}
