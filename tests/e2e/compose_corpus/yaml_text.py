"""YAML as different people write it, from values: plain, in quotes, in blocks, in one line."""

import json
import re

PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9_/.=+$-]*(:[A-Za-z0-9_/.=+$-]+)*$")
NOT_TEXT = re.compile(r"(y|n|yes|no|on|off|true|false|null|~|=|<<|\.|[-+]?\.?[0-9].*)$", re.I)


class Raw(str):
    """Written as it is."""


class Tag:
    """A value with a tag before it."""

    def __init__(self, tag, value):
        self.tag, self.value = tag, value


class Either:
    """Written so for us, and so for docker-compose where that refuses the other."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs


ABSENT = object()


def resolve(value, ours):
    """Without Either; what is ABSENT is left out."""
    if isinstance(value, Either):
        return resolve(value.ours if ours else value.theirs, ours)
    if isinstance(value, Tag):
        return Tag(value.tag, resolve(value.value, ours))
    if isinstance(value, dict):
        inner = {key: resolve(item, ours) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not ABSENT}
    if isinstance(value, list):
        return [item for item in (resolve(item, ours) for item in value) if item is not ABSENT]
    return value


def scalar(rng, value, flow):
    if isinstance(value, Raw):
        return str(value)
    if value is None:
        return rng.choice(["null", "~"] if flow else ["", "null", "~"])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    plain = PLAIN.match(value) and not NOT_TEXT.match(value) and not (flow and re.search(r"[{}\[\],]", value))
    style = rng.randrange(3)
    if plain and style == 0:
        return value
    if style == 1 and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def in_line(rng, value):
    if isinstance(value, Tag):
        return value.tag + " " + in_line(rng, value.value)
    if isinstance(value, dict):
        return "{" + ", ".join("%s: %s" % (key_text(rng, key), in_line(rng, item)) for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_line(rng, item) for item in value) + "]"
    return scalar(rng, value, True)


def key_text(rng, key):
    if isinstance(key, Raw) or (PLAIN.match(key) and not NOT_TEXT.match(key) and ":" not in key and "$" not in key):
        return str(key) if rng.randrange(8) else '"%s"' % key if not isinstance(key, Raw) else str(key)
    return json.dumps(key)


def lines(rng, value, indent):
    """Of a mapping or a list that has something in it."""
    pad = "  " * indent
    for item in value.items() if isinstance(value, dict) else value:
        head, inner = (key_text(rng, item[0]) + ":", item[1]) if isinstance(value, dict) else ("-", item)
        tag = ""
        if isinstance(inner, Tag):
            tag, inner = " " + inner.tag, inner.value
        long = isinstance(inner, (dict, list)) and inner
        if long and rng.randrange(3) and not (head == "-"):
            yield pad + head + tag
            yield from lines(rng, inner, indent + 1)
        else:
            yield (pad + head + tag + " " + in_line(rng, inner)).rstrip()


def dump(rng, value):
    return "\n".join(lines(rng, value, 0)) + "\n"
