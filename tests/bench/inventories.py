"""A large inventory: what reading and checking all of it takes."""

import json
import os
import subprocess
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


def many(before, after, n):
    return "".join("%s%d%s\n" % (before, i, after) for i in range(n))


def hostile():
    """Files in which something done anew for each of all would take minutes; tests/unit/inventory_large_test.c says what
    is said of them."""
    head = "project: shop\nhosts: {a: {}}\n"
    web = head + "services: {web: {image: shop}}\n"
    return {
        "unknown keys": web + "environments: {prod: {hosts: [a]}}\n" + many("strange", ": 1", 50000),
        "unknown names": head + "services:\n" + many("  service", ": {image: shop}", 1000)
        + "environments:\n  prod:\n    hosts: [a]\n    services:\n" + many("    - nothing", "", 30000),
        "unknown networks": head + "services:\n  web:\n    image: shop\n    networks:\n" + many("    - nothing", "", 3000)
        + "environments: {prod: {hosts: [a]}}\nnetworks:\n" + many("  network", ":", 20000),
        "inherited keys": web + "environments:\n  one:\n    hosts: [a]\n" + many("    x-one", ": 1", 40000)
        + "  two:\n    extends: one\n" + many("    x-two", ": 1", 40000),
        "environments": web + "environments:\n" + many("  e", ": {extends: last}", 30000) + "  last: {hosts: [a]}\n",
        "inherited variables": web + "environments:\n  first:\n    hosts: [a]\n    environment:\n" + many("      VARIABLE", ": 1", 50000)
        + many("  e", ": {extends: first}", 900),
    }


def check_hostile(path):
    ran = subprocess.run([SHIPIT, "-f", path, "-q", "check", "--offline"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if ran.returncode not in (0, 2):
        sys.exit("shipit ended with %d on %s" % (ran.returncode, path))


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
    figures.begin("an inventory that means ill")
    for name, text in hostile().items():
        path = stage.tmp + "/hostile.yml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        figures.add(name, "s", [timed(check_hostile, path) for _ in range(TIMES)], bound=2, relative=False)
