#!/usr/bin/env python3
"""Are two containers the same but for their names? One was made by docker-compose, one by shipit.

    same.py COMPOSE.json SHIPIT.json [IGNORED...]   what `docker inspect` says of each; says what differs
"""

import json
import sys

# What is each one's own, or a documented default of shipit's (restart, rotation of logs).
OWN = {"Config.Image", "Config.Labels", "Config.OnBuild", "HostConfig.NetworkMode", "HostConfig.VolumesFrom",
       "HostConfig.ContainerIDFile", "HostConfig.ConsoleSize"}
# What shipit says and Compose leaves to the engine, at the value that the engine has.
DEFAULTS = {"Config.StopTimeout": 10, "HostConfig.ShmSize": 67108864, "Config.StopSignal": "SIGTERM"}


def empty(value):
    return value in (None, "", 0, False, [], {})


def flat(value, path=""):
    """Leaves of what matters: dictionaries by their keys, lists whole and, where order is none, sorted."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, path + "." + key if path else key)
    else:
        yield path, value


def normal(path, value, container):
    if path == "Config.Hostname" and container["Id"].startswith(value):
        return None
    if path == "HostConfig.Binds" and value:  # by their targets: a volume has another name
        return sorted(bind.partition(":")[2] for bind in value)
    if path.endswith(("CapAdd", "CapDrop", "Env", "GroupAdd", "ExtraHosts")) and value:
        return sorted(value)
    if path == "HostConfig.Ulimits" and value:
        return sorted(json.dumps(limit, sort_keys=True) for limit in value)
    if path in DEFAULTS and value == DEFAULTS[path]:
        return None
    return None if empty(value) else value


def facts(container, ignored):
    picked = {"Config": container["Config"], "HostConfig": container["HostConfig"],
              "Mounts": sorted((m["Type"], m["Destination"], m["RW"]) for m in container["Mounts"]),
              "Networks": len(container["NetworkSettings"]["Networks"])}
    found = {}
    for path, value in flat(picked):
        if any(path == own or path.startswith(own + ".") for own in OWN | ignored):
            continue
        value = normal(path, value, container)
        if value is not None:
            found[path] = value
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as a, open(sys.argv[2], encoding="utf-8") as b:
        theirs, ours = json.load(a)[0], json.load(b)[0]
    ignored = set(sys.argv[3:])
    one, other = facts(theirs, ignored), facts(ours, ignored)
    wrong = [path for path in sorted(set(one) | set(other)) if one.get(path) != other.get(path)]
    for path in wrong:
        print("%s: docker-compose %s, shipit %s" % (path, json.dumps(one.get(path)), json.dumps(other.get(path))))
    sys.exit(1 if wrong else 0)


main()
