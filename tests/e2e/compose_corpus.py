#!/usr/bin/python3
"""Small Compose projects beside docker-compose 1.29: `shipit config` and `docker-compose config` read the same files,
and whatever they understand differently has to have a reason that is named here.

    compose_corpus.py [N [FIRST]]    N projects (default 540)
    compose_corpus.py --show NUMBER  one project, and what both make of it

The second tool is imported, as starting it takes half a second; the code is the one that its program runs."""

import json
import logging
import os
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "compose_corpus"))
sys.dont_write_bytecode = True

import projects  # noqa: E402
from forms import differences, hosts, of_ours, of_theirs, once, secret  # noqa: E402
from compose import config  # noqa: E402
from compose.config.environment import Environment  # noqa: E402
from compose.config.errors import ConfigurationError  # noqa: E402
from compose.config.types import ServiceSecret  # noqa: E402

SHIPIT = os.path.abspath(os.environ.get("SHIPIT", os.path.join(HERE, "../../shipit")))

# Where 1.29 departs from the specification, or we do on purpose: what, and the rule. Each has to be met.
REASONS = {
    "alternative": "${VAR:+x} and ${VAR+x} (12-interpolation) are not known to 1.29, which refuses them",
    "nested": "a variable within another (12-interpolation) ends for 1.29 at the first brace",
    "lone dollar": "what makes no variable is preserved (12-interpolation); 1.29 refuses it",
    "scalars": "a text without quotes is taken as it is written (docs/inventory.md, YAML); 1.29 has YAML 1.1's types",
    "nothing in a later file": "a key with nothing behind it changes nothing; 1.29 refuses it",
    "!reset": "13-merge, Reset value; 1.29 does not know the tag",
    "!override": "13-merge, Replace value; 1.29 does not know the tag",
    ".env, single quotes": "values between single quotes are literal (05-services, Env_file format)",
    ".env, $NAME": "1.29 fills in ${NAME} only",
    ".env, the process first": "variables of the process go before those of the file",
    ".env, KEY: VALUE": "1.29 does not know the form",
    ".env, $$": "a dollar sign (12-interpolation); 1.29 leaves both",
    ".env, forms": "1.29 knows ${VAR:-x} only",
    "list replaced": "13-merge, Sequence: lists are appended; 1.29 replaces those that it has no rule for",
    "hosts by name": "13-merge, Sequence: lists are appended; 1.29 has one address for each name",
    "secrets by source": "13-merge, Unique resources: by target; 1.29 goes by source",
}


def list_replaced(maker, service, path, theirs, ours):
    parts = maker.parts[service].get(path, [])
    return path in ("dns_opt", "group_add") and len(parts) > 1 and sorted(theirs) == sorted(once(parts[-1])) and \
        sorted(ours) == sorted(once(sum(parts, [])))


def hosts_by_name(maker, service, path, theirs, ours):
    parts = maker.parts[service].get(path, [])
    if path != "extra_hosts" or len(parts) < 2:
        return False
    all_of_them = [line for part in parts for line in hosts(part)]
    return theirs == sorted({line.partition(":")[0]: line for line in all_of_them}.values()) and \
        ours == sorted(once(all_of_them))


def secrets_by_source(maker, service, path, theirs, ours):
    parts = maker.parts[service].get(path, [])
    if path != "secrets" or len(parts) < 2:
        return False
    forms = [ServiceSecret.parse(item) for part in parts for item in part]
    by = {"source": {form.source: secret(form) for form in forms},
          "target": {secret(form).rpartition(":")[2]: secret(form) for form in forms}}
    return theirs == sorted(by["source"].values()) and ours == sorted(by["target"].values())


RULES = {"list replaced": list_replaced, "hosts by name": hosts_by_name, "secrets by source": secrets_by_source}


def explain(maker, service, path, theirs, ours):
    """The reason's name, or None."""
    for spot in maker.spots:
        if (spot.service, spot.path, spot.theirs, spot.ours) == (service, path, theirs, ours):
            return spot.reason
    for name, rule in RULES.items():
        if theirs is not None and ours is not None and rule(maker, service, path, theirs, ours):
            return name
    return None


def by_compose(folder, names):
    """What it says, or why it refuses."""
    try:
        environment = Environment.from_env_file(folder)
        return of_theirs(config.load(config.find(folder, names, environment))), None
    except ConfigurationError as error:
        return None, str(error.msg)
    except Exception as error:  # its own traceback, as for a tag that it does not know
        return None, "".join(traceback.format_exception(error))[-600:]


def by_shipit(folder):
    done = subprocess.run([SHIPIT, "config", "prod", "--json"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, timeout=60)
    if done.returncode != 0:
        return None, (done.stdout + done.stderr).decode()
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith('{"file"')]
    return of_ours(json.loads(lines[-1])), None


def write(folder, maker, texts, ours):
    os.makedirs(os.path.join(folder, "app"), exist_ok=True)
    for name, both in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(both[0 if ours else 1])
    with open(os.path.join(folder, "shipit.yml"), "w", encoding="utf-8") as file:
        file.write("project: p\ncompose: [%s]\nhosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n" % ", ".join(maker.names))


def examine(number, met):
    """What is wrong with this project, as lines."""
    maker, texts = projects.make(number)
    with tempfile.TemporaryDirectory() as folder:
        write(folder, maker, texts, True)
        ours, our_refusal = by_shipit(folder)
        theirs, their_refusal = by_compose(folder, maker.names)
        if maker.wrong:
            return ["%s refuses %s" % (who, maker.wrong) for who, refusal in
                    (("nobody but docker-compose", our_refusal), ("nobody but shipit", their_refusal)) if refusal is None]
        if maker.refused:
            if their_refusal is None:
                return ["docker-compose takes it: %s" % maker.refused]
            met[maker.refused] = met.get(maker.refused, 0) + 1
            write(folder, maker, texts, False)
            theirs, their_refusal = by_compose(folder, maker.names)
        if our_refusal or their_refusal:
            return ["shipit refuses it: %s" % our_refusal] * bool(our_refusal) + \
                ["docker-compose refuses it: %s" % their_refusal] * bool(their_refusal)
    wrong, seen = [], set()
    for service, path, a, b in differences(theirs, ours):
        reason = explain(maker, service, path, a, b)
        if reason is None:
            wrong.append("%s %s: docker-compose %r, shipit %r" % (service, path, a, b))
        else:
            met[reason] = met.get(reason, 0) + 1
            seen.add((service, path))
    wrong += ["no difference: %s" % (spot,) for spot in maker.spots if (spot.service, spot.path) not in seen]
    return wrong


def show(number):
    maker, texts = projects.make(number)
    for name, (text, _) in texts.items():
        print("--- " + name + "\n" + text)
    print(maker.spots, maker.refused, maker.wrong)


def main(arguments):
    os.environ.clear()
    os.environ.update(projects.PROCESS, PATH="/usr/bin:/bin", LC_ALL="C.UTF-8")
    logging.disable(logging.CRITICAL)
    if arguments[:1] == ["--show"]:
        show(int(arguments[1]))
        arguments = ["1", arguments[1]]
    n, first = (int(text) for text in (arguments + ["540", "1"][len(arguments):])[:2])
    met, passed, failed = {}, 0, 0
    for number in range(first, first + n):
        try:
            wrong = examine(number, met)
        except Exception:  # pylint: disable=broad-except
            wrong = [traceback.format_exc()]
        passed, failed = passed + (not wrong), failed + bool(wrong)
        if wrong:
            print("FAIL project %d\n    %s" % (number, "\n    ".join(wrong)))
    for reason, rule in REASONS.items():
        if met.get(reason):
            print("%4d differences: %s: %s" % (met[reason], reason, rule))
        elif n >= 500:
            failed += 1
            print("FAIL the reason is never met: %s" % reason)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
