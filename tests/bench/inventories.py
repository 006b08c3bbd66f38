"""A large inventory: what reading and checking all of it takes."""

import json
import os
import sys

from stage import RSS, SHIPIT, run, timed

HOSTS = 10000
TIMES = 5


def write(path, hosts):
    with open(path, "w", encoding="utf-8") as out:
        out.write("project: many\nservices: {web: {image: web}}\nhosts:\n")
        out.writelines(hosts)
        out.write("environments: {prod: {hosts: ['*']}}\n")


def program(path, printed):
    """A program that prints it at once: what is measured is ours."""
    with open(path + ".json", "w", encoding="utf-8") as out:
        json.dump(printed, out)
    with open(path, "w", encoding="utf-8") as out:
        out.write("#!/bin/sh\nexec cat '%s.json'\n" % path)
    os.chmod(path, 0o755)


def group_inventory(stage, figures):
    each, ranges = stage.tmp + "/each.yml", stage.tmp + "/ranges.yml"
    write(each, ("  host%05d.example.com: {address: 10.0.%d.%d, tags: [web, eu], environment: {ID: '%d'}}\n"
                 % (i, i // 256, i % 256, i) for i in range(HOSTS)))
    write(ranges, ["  'web[0000:9999].example.com': {tags: [web, eu]}\n"])
    bare, ansible, own = (stage.tmp + "/" + name for name in ("bare.yml", "ansible-hosts", "own-hosts"))
    with open(bare, "w", encoding="utf-8") as out:
        out.write("project: many\nservices: {web: {image: web}}\nenvironments: {prod: {hosts: ['*']}}\n")
    names = ["host%05d.example.com" % i for i in range(HOSTS)]
    program(ansible, {
        "_meta": {"hostvars": {name: {"ansible_host": "10.0.%d.%d" % (i // 256, i % 256), "ansible_user": "deploy",
                                      "id": i, "facts": {"cpu": 4, "os": "debian"}} for i, name in enumerate(names)}},
        "web": {"hosts": names}, "eu": {"children": ["web"]}})
    program(own, {"hosts": {name: {"address": "10.0.%d.%d" % (i // 256, i % 256), "tags": ["web", "eu"],
                                   "environment": {"ID": str(i)}} for i, name in enumerate(names)}})
    figures.begin("an inventory of %d hosts" % HOSTS)
    for name, *paths in (("a line each", each), ("as a range", ranges), ("printed by a program", bare, own),
                         ("printed for Ansible", bare, ansible)):
        peak = stage.tmp + "/peak"
        check = [SHIPIT, *(word for path in paths for word in ("-f", path)), "check", "prod", "--offline"]
        figures.add(name, "s", [timed(run, *check) for _ in range(TIMES)], bound=0.3, relative=False)
        run(sys.executable, RSS, peak, *check)
        with open(peak, encoding="ascii") as file:
            figures.add(name + ", resident", "MB", int(file.read()) / 1000, bound=60, relative=False)
