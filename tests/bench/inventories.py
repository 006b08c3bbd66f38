"""A large inventory: what reading and checking all of it takes."""

import sys

from stage import RSS, SHIPIT, run, timed

HOSTS = 10000
TIMES = 5


def write(path, hosts):
    with open(path, "w", encoding="utf-8") as out:
        out.write("project: many\nservices: {web: {image: web}}\nhosts:\n")
        out.writelines(hosts)
        out.write("environments: {prod: {hosts: ['*']}}\n")


def group_inventory(stage, figures):
    each, ranges = stage.tmp + "/each.yml", stage.tmp + "/ranges.yml"
    write(each, ("  host%05d.example.com: {address: 10.0.%d.%d, tags: [web, eu], environment: {ID: '%d'}}\n"
                 % (i, i // 256, i % 256, i) for i in range(HOSTS)))
    write(ranges, ["  'web[0000:9999].example.com': {tags: [web, eu]}\n"])
    figures.begin("an inventory of %d hosts" % HOSTS)
    for name, path in ("a line each", each), ("as a range", ranges):
        peak = stage.tmp + "/peak"
        check = [SHIPIT, "-f", path, "check", "prod", "--offline"]
        figures.add(name, "s", [timed(run, *check) for _ in range(TIMES)], bound=0.3, relative=False)
        run(sys.executable, RSS, peak, *check)
        with open(peak, encoding="ascii") as file:
            figures.add(name + ", resident", "MB", int(file.read()) / 1000, bound=60, relative=False)
