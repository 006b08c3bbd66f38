#!/usr/bin/python3
"""Do the JSON Schema and shipit agree about what a shipit.yml is?

agree.py SHIPIT SCHEMA N FILE...

Each FILE is one that shipit takes: the schema has to take it, too. Then N times one of them is changed at
random and given to both. Whatever the schema refuses shipit has to refuse, or an editor would mark
as wrong what works. What shipit refuses the schema has to refuse as well, but for what only all of the
file, or the world, can tell: KNOWN_BY_SHIPIT_ALONE has the messages of that.

A scalar is what editors take it for, that is YAML 1.2; what is changed is written as JSON, which is YAML.
"""
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

# What a message has to match when the schema takes what shipit refuses. All of them are about more than
# the form of one value.
KNOWN_BY_SHIPIT_ALONE = [
    # names that have to be known, and what is there twice
    r'no (host|service|environment|host\'s name|tag|secret) ', r'there is no (service|secret|file)', r'no host has the tag',
    r'is here twice', r'(two|more than) ', r'published twice', r'is taken on', r'circle', r'both leave names',
    # what a variable that is not set leaves
    r'a variable without a name', r'found ""', r'this is empty',
    # files on this machine
    r'cannot read ', r'is not a folder on this computer',
    # what does not go with something else
    r'a secret comes from one of', r'has either it or `build`', r'cannot be had with published ports', r'has to be longer than',
    r'its healthcheck is disabled', r'cannot have a `test` and be disabled', r'has `network_mode` or `networks`', r'there are no `ports`',
    r'the address says', r'takes the embedded registry', r'`soft` is more than `hard`', r'goes only through the embedded registry',
    r'would be written into the volume', r'both sides have to have', r'cannot all have the address', r'a bind mount needs', r'a fixed address takes a network', r'is no path of a file',
    r'`depends_on` is the same in all',
    # an override of a mapping that the service does not have any more
    r'the key `context` is missing in `build`',
    # steps of building: what they are made of together
    r'no step is called', r'is for an image that is built', r'of its own; ', r'so its build has no', r'says which step makes the image',
    r'is for a build with a `context`', r'makes no image', r'fills that folder already', r'is neither a name', r'would be called as that of the service',
    r'`steps` are the same in all', r'the step ".*" is there already', r'is neither a folder nor an image', r'cannot be read-only', r'a build\'s secret is called',
    # languages of their own: commands, addresses, ranges, paths, images in files
    r'a quote in the command', r'ends with a backslash', r'no shell runs this command', r'cannot be used', r'that is no host name',
    r'cannot be the name of a host', r'is not an absolute path', r'is no volume name', r'is no network name', r'is shipit\'s own',
    r'a host\'s public key', r'an IP address', r'a URL', r'a user\'s name', r'a port such as', r'/tcp, /udp or /sctp', r'a port, or HOST:PORT', r'`embedded`, or HOST',
    r'there are images of the kinds', r'expected oci:', r'a status such as', r'mount option', r'expected a command', r'a program and its words',
    r'docker, podman, or an absolute path', r'a device|/dev/HOST', r'a range of ports is supported in the short form',
    # numbers written as texts, and those beyond what a pattern can say
    r'a whole number from .* found "-?[0-9]+"', r'a duration', r'a size such as', r'a number of processors', r'a number of hosts',
    r'permissions in octal', r'more than \d+', r'TIMES or no',
]
# A Compose file has the rest of it.
KNOWN_WITH_COMPOSE = re.compile('a service needs `image` or `build`')
KNOWN = re.compile('|'.join(KNOWN_BY_SHIPIT_ALONE))


class Loader(yaml.SafeLoader):
    """Scalars as YAML 1.2's core schema has them."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ('bool', r'^(?:true|True|TRUE|false|False|FALSE)$', 'tTfF'),
    ('int', r'^(?:[-+]?(?:0|[1-9][0-9]*))$', '-+0123456789'),
    ('float', r'^(?:[-+]?(?:[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?)$', '-+0123456789'),
    ('null', r'^(?:~|null|Null|NULL|)$', ['~', 'n', 'N', '']),
    ('merge', r'^(?:<<)$', '<'),
]:
    Loader.add_implicit_resolver('tag:yaml.org,2002:' + tag, re.compile(pattern), list(first))


def texts_as_keys(value):
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k): texts_as_keys(v) for k, v in value.items()}
    return [texts_as_keys(v) for v in value] if isinstance(value, list) else value


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


KEYS = ['hosts', 'image', 'ports', 'build', 'environment', 'services', 'prots', 'x-mine', 'nonsense', 'timeout', 'url', 'command', 'name', 'extends',
        'network', 'test', 'target', 'source', 'driver', 'overrides', 'tags', 'rollout', 'secret', 'file', 'env', 'Image', '', 'a=b']
VALUES = [None, True, False, 0, 1, -1, 5, 80, 65536, 1.5, -0.5, '', 'text', 'a b', '5', '5s', '0', 'true', 'no', '64m', '/path', 'a:b', 'a=b', '=', 'http://:80/',
          '25%', '0440', '$$', [], {}, [None], ['a'], [1], [[]], [{}], {'a': 'b'}, {'a': None}, {'a': []}, {'secret': 'db_url'}, {'x-a': 1}, ['a', 'a'],
          'tag:web', 'web', 'db', 'running', 'healthy', 'confirm', 'docker', 'https://x/', 'CMD', ['CMD'], ['CMD', 'x'], ['NONE'], 'service_healthy']


def change(random, document, seen):
    """Another document, and what was done."""
    document = copy.deepcopy(document)
    path = random.choice([p for p in places(document) if p])
    holder, key = at(document, path[:-1]), path[-1]
    what = random.choice(['value', 'value', 'value', 'remove', 'rename', 'add', 'wrap', 'copy'])
    if what == 'remove':
        del holder[key]
    elif what == 'rename' and isinstance(holder, dict):
        holder[random.choice(KEYS)] = holder.pop(key)
    elif what == 'add' and isinstance(holder[key], dict):
        holder[key][random.choice(KEYS)] = random.choice(VALUES)
    elif what == 'wrap':
        holder[key] = random.choice([[holder[key]], {'a': holder[key]}])
    elif what == 'copy':
        holder[key] = copy.deepcopy(at(document, random.choice(seen)))
    else:
        what = 'value'
        holder[key] = random.choice(VALUES)
    return document, what + ' at ' + '.'.join(map(str, path))


def main():
    shipit, schema, count, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    with open(schema, encoding='utf-8') as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    wrong = 0

    def ask(folder, document):
        """What shipit says: its mistakes, [] for none."""
        name = os.path.join(folder, 'changed.yml')
        with open(name, 'w', encoding='utf-8') as file:
            json.dump(document, file, ensure_ascii=False)
        ran = subprocess.run([shipit, '-f', name, '--json', 'check', '--offline'], capture_output=True, text=True, timeout=60, check=False)
        if ran.returncode not in (0, 2):
            sys.exit(f'shipit ended with {ran.returncode}: {ran.stderr}')
        said = [json.loads(line) for line in ran.stdout.splitlines()]
        mistakes = [f"{p['error']}" for p in said if p['event'] == 'problem']
        if ran.returncode == 2 and not mistakes:
            mistakes = [ran.stderr]
        return mistakes

    documents = []
    for name in files:
        with open(name, encoding='utf-8') as file:
            document = texts_as_keys(yaml.load(file, Loader))
        folder = os.path.dirname(os.path.abspath(name))
        documents.append((name, folder, document))

    def copy_of(folder):
        there = tempfile.mkdtemp(dir=os.environ['TMP_HERE'])
        subprocess.run(['cp', '-rT', folder, there], check=True)
        return there

    folders = {folder: copy_of(folder) for _, folder, _ in documents}
    for name, folder, document in documents:
        mistakes = ask(folders[folder], document)
        errors = [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(document)]
        if mistakes or errors:
            wrong += 1
            print(f'{name}: shipit says {mistakes}, the schema {errors}')
    print(f'{len(documents)} files that both have to take, {wrong} are refused by one')

    chance = random.Random(20261122)
    both = neither = alone = 0
    for i in range(count):
        name, folder, document = documents[i % len(documents)]
        changed, what = change(chance, document, list(places(document)))
        refused = not validator.is_valid(changed)
        mistakes = ask(folders[folder], changed)
        unknown = [m for m in mistakes if not KNOWN.search(m)]
        if isinstance(changed, dict) and 'compose' in changed:
            unknown = [m for m in unknown if not KNOWN_WITH_COMPOSE.search(m)]
        if refused and not mistakes:
            wrong += 1
            best = jsonschema.exceptions.best_match(validator.iter_errors(changed))
            print(f"{name}, {what}: the schema alone refuses {'.'.join(map(str, best.absolute_path))}: {best.message[:200]}")
        elif mistakes and not refused and unknown:
            wrong += 1
            print(f'{name}, {what}: shipit alone refuses: {unknown}')
        elif mistakes and refused:
            both += 1
        elif mistakes:
            alone += 1
        else:
            neither += 1
    print(f'{count} changed files: {both} refused by both, {neither} by neither, {alone} by shipit for what only it can know')
    if count and (both < count / 10 or neither < count / 50):
        wrong += 1
        print('that is no test: too few were refused, or taken')
    sys.exit(wrong > 0)


main()
