#!/usr/bin/env python3
"""Makes docs/keys.md, every key of shipit.yml on one page, of the JSON Schema that the program prints.

    docs/keys.py docs/shipit.schema.json >docs/keys.md
"""

import json
import sys

SECTIONS = ["ssh", "engine", "hooks", "notify", "secret", "network", "volume_of_the_file", "host", "environment", "rollout", "service"]


def ref_of(shape):
    """The definition that a shape is, where it is one."""
    if "allOf" in shape:
        shape = shape["allOf"][0]
    return shape["$ref"].rsplit("/", 1)[1] if "$ref" in shape else None


def refs_in(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rsplit("/", 1)[1]
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from refs_in(item)


def is_table(definition):
    return "properties" in definition


def anchor(title):
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def heading(definition):
    return definition["title"].replace("`", "")


def value_of(shape, definitions):
    name = ref_of(shape)
    if name and is_table(definitions[name]):
        text = "a mapping"
    else:
        text = definitions[name].get("title", "") if name else shape.get("title", "anything")
    tables = []
    for ref in refs_in(shape):
        if is_table(definitions[ref]) and ref not in tables and not ref.startswith("override_of_"):
            tables.append(ref)
    if name and not is_table(definitions[name]):
        for ref in refs_in(definitions[name]):
            if is_table(definitions[ref]) and ref not in tables:
                tables.append(ref)
    links = ", ".join("[%s](#%s)" % (heading(definitions[t]), anchor(heading(definitions[t]))) for t in tables)
    return text.replace("|", "\\|") + (": " + links if links else "")


def table(definition, definitions):
    required = definition.get("required", [])
    print("| key | value | meaning |\n|---|---|---|")
    for key, shape in definition["properties"].items():
        mark = ", required" if key in required else ""
        print("| `%s` | %s%s | %s |" % (key, value_of(shape, definitions), mark, shape["description"].replace("|", "\\|")))
    print()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    definitions = schema["definitions"]
    definitions["shipit.yml"] = schema
    names = [n for n, d in definitions.items() if is_table(d) and not n.startswith("override_of_") and n != "shipit.yml"]
    names.sort(key=lambda n: (SECTIONS.index(n) if n in SECTIONS else len(SECTIONS), n))
    print("# The keys of shipit.yml\n")
    print("Made by `docs/keys.py` of the tables that the program reads the file by; do not edit it.")
    print("[inventory.md](inventory.md) explains them, with defaults and examples; [shipit.schema.json](shipit.schema.json) is the same for editors.\n")
    print("Keys that begin with `x-` are yours: they are left alone everywhere.\n")
    print("## The file\n")
    schema["properties"]["services"].setdefault("anyOf", [{"$ref": "#/definitions/service"}])
    schema["required"] = schema["required"] + ["services"]
    table(schema, definitions)
    for name in names:
        print("## %s\n" % heading(definitions[name]))
        table(definitions[name], definitions)


main()
