#!/usr/bin/env python3
"""Are two containers the same but for their names? One was made by docker-compose, one by shipit.

    same.py COMPOSE.json SHIPIT.json [IGNORED...]   what `docker inspect` says of each; says what differs
    same.py --kind network|volume COMPOSE.json SHIPIT.json    the same of networks or volumes
    same.py --want SHIPIT.json   is it as lines of stdin say, HostConfig/CgroupnsMode "host"?
"""

import json
import re
import sys

# What is each one's own, or a documented default of shipit's (restart, rotation of logs).
OWN = {"Config.Image", "Config.Labels", "Config.OnBuild", "HostConfig.NetworkMode", "HostConfig.VolumesFrom",
       "HostConfig.ContainerIDFile", "HostConfig.ConsoleSize"}
# What shipit says and Compose leaves to the engine, at the value that the engine has.
DEFAULTS = {"Config.StopTimeout": 10, "HostConfig.ShmSize": 67108864, "Config.StopSignal": "SIGTERM"}
# Labels that the tools put on things.
OUR_LABELS = re.compile(r"^(dev\.shipit|com\.docker\.compose)\.")


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
    if path.endswith(("CapAdd", "CapDrop", "Env", "GroupAdd", "ExtraHosts")) and value:
        return sorted(value)
    if path == "HostConfig.Ulimits" and value:
        return sorted(json.dumps(limit, sort_keys=True) for limit in value)
    if path in DEFAULTS and value == DEFAULTS[path]:
        return None
    return None if empty(value) else value


def of_bind(text):
    """A volume has another name with each tool: what counts is where it is and how."""
    target, _, modes = text.partition(":")[2].partition(":")
    return [target] + sorted(mode for mode in modes.split(",") if mode not in ("", "rw"))


def of_mount(mount):
    """A mount says with more words what a bind says with modes."""
    found = ["ro"] if mount.get("ReadOnly") else []
    bind, volume, tmpfs = (mount.get(key) or {} for key in ("BindOptions", "VolumeOptions", "TmpfsOptions"))
    found += [bind["Propagation"]] if bind.get("Propagation") else []
    found += ["nocopy"] if volume.get("NoCopy") else []
    found += ["size=%s" % tmpfs["SizeBytes"]] if tmpfs.get("SizeBytes") else []
    found += ["mode=%o" % tmpfs["Mode"]] if tmpfs.get("Mode") else []
    return [mount["Target"]] + sorted(found)


def suffix(name):
    """front of case_front and case.prod.front"""
    return re.split(r"[._]", name)[-1]


def of_network(name, network, container):
    ids = {container["Id"][:12], "web"}
    ipam = {key: value for key, value in (network.get("IPAMConfig") or {}).items() if not empty(value)}
    return [suffix(name), sorted(set(network["Aliases"] or []) - ids), ipam, network.get("DriverOpts") or {}]


def facts(container, ignored):
    host = dict(container["HostConfig"])
    mounts = [of_bind(bind) for bind in host.pop("Binds") or []] + [of_mount(m) for m in host.pop("Mounts", None) or []]
    picked = {"Config": container["Config"], "HostConfig": host, "HostConfig.Mounts": sorted(mounts),
              "Mounts": sorted((m["Type"], m["Destination"], m["RW"], m["Propagation"]) for m in container["Mounts"]),
              "Networks": sorted(of_network(name, network, container)
                                 for name, network in container["NetworkSettings"]["Networks"].items())}
    picked["Labels"] = own_labels(container["Config"])
    found = {}
    for path, value in flat(picked):
        if any(path == own or path.startswith(own + ".") for own in OWN | ignored):
            continue
        value = normal(path, value, container)
        if value is not None:
            found[path] = value
    return found


def own_labels(thing):
    return {key: value for key, value in (thing.get("Labels") or {}).items() if not OUR_LABELS.match(key)}


def of_thing(kind, thing):
    """How a network or volume was made. Addresses count where the file has them: a free subnet is anyone's. That 1.29
    makes every network attachable is a departure of its own (docs/compose.md)."""
    keys = ("Driver", "Options", "Internal", "EnableIPv6") if kind == "network" else ("Driver", "Options")
    found = {key: thing.get(key) or None for key in keys}
    found["Labels"] = own_labels(thing)
    if kind == "network":
        found["IPAM"] = [thing["IPAM"]["Driver"], [pool for pool in thing["IPAM"]["Config"]
                                                   if not re.match(r"172\.|192\.168\.", pool.get("Subnet", ""))]]
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.loads(file.read() or "[]")


def compare(one, other):
    wrong = [path for path in sorted(set(one) | set(other)) if one.get(path) != other.get(path)]
    for path in wrong:
        print("%s: docker-compose %s, shipit %s" % (path, json.dumps(one.get(path)), json.dumps(other.get(path))))
    sys.exit(1 if wrong else 0)


def things(kind, path):
    return {suffix(thing["Name"]): of_thing(kind, thing) for thing in read(path) if suffix(thing["Name"]) != "shipit"}


def want(container):
    """At least one line, or the case would say nothing."""
    lines = [line for line in sys.stdin.read().splitlines() if line]
    wrong = not lines
    for line in lines:
        path, _, text = line.partition(" ")
        value = container
        for key in path.split("/"):
            value = value[int(key)] if isinstance(value, list) else (value or {}).get(key)
        if value != json.loads(text):
            print("%s is %s, and not %s" % (path, json.dumps(value), text))
            wrong = True
    sys.exit(1 if wrong else 0)


def main():
    if sys.argv[1] == "--want":
        want(read(sys.argv[2])[0])
    if sys.argv[1] == "--kind":
        compare(things(sys.argv[2], sys.argv[3]), things(sys.argv[2], sys.argv[4]))
    ignored = set(sys.argv[3:])
    compare(facts(read(sys.argv[1])[0], ignored), facts(read(sys.argv[2])[0], ignored))


main()
