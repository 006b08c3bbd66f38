#!/usr/bin/env python3
"""Do the lines of files hold to docs/events.schema.json?

    json_check.py FILE...      what was said with --json, lines of several runs after each other
    json_check.py --self       is the schema one, and does it refuse what it should?

Each line is an object. The schema is strict, so a member that nobody wrote down is found.
"""

import json
import os
import sys

import jsonschema

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/events.schema.json")
SHOWN = 10


def validators():
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    named = {}
    for branch in schema["oneOf"]:
        name = branch["$ref"].rpartition("/")[2]
        named[name] = jsonschema.Draft202012Validator({**branch, "$defs": schema["$defs"]})
    return named, jsonschema.Draft202012Validator(schema)


def problem_of(line, named):
    try:
        event = json.loads(line)
    except ValueError as why:
        return "no JSON: %s" % why
    if not isinstance(event, dict) or event.get("event") not in named:
        return "no event of the schema"
    if not line.isascii():
        return "not ASCII"
    errors = [e.message for e in named[event["event"]].iter_errors(event)]
    return "; ".join(errors)


def check(names, named):
    lines, bad = 0, {}
    for name in names:
        with open(name, encoding="utf-8") as file:
            for line in file:
                lines += 1
                problem = problem_of(line, named)
                if problem:
                    bad.setdefault(problem, line.rstrip())
    for problem, line in list(bad.items())[:SHOWN]:
        print("%s\n    %s" % (problem, line[:500]))
    print("%d lines of JSON, %d kinds of mistakes" % (lines, len(bad)))
    return not bad


GOOD = '{"time":"2026-11-22T17:54:32.123Z","event":"note","text":"x"}'
WRONG = ('{"event":"note","text":"x"}', GOOD.replace("note", "gossip"), GOOD.replace("text", "txt"),
         GOOD.replace('"x"', "7"), GOOD.replace(".123", ""), GOOD.replace("x", "\u00e4"), GOOD[:-1],
         GOOD.replace('"note"', '"step"'), "[]", '{"time":"2026-11-22T17:54:32.123Z","event":"summary"}')


def check_self(named, whole):
    good = not problem_of(GOOD, named) and whole.is_valid(json.loads(GOOD))
    return good and all(problem_of(line, named) for line in WRONG)


def main():
    named, whole = validators()
    if sys.argv[1:] == ["--self"]:
        return 0 if check_self(named, whole) else 1
    return 0 if check(sys.argv[1:], named) else 1


if __name__ == "__main__":
    sys.exit(main())
