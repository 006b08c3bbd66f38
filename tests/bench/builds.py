"""Building in steps: what the Python example takes again, against the same by hand."""

import shutil

from stage import SHIPIT, TOP, run, timed

TIMES = 5
EXAMPLE = TOP + "/examples/python-wheels"


def by_hand(stage, folder):
    """The commands that its steps stand for; the engine's cache has what it can have."""
    for name, recipe in ("base", "base.docker"), ("builder", "build.docker"):
        stage.docker("build", "-q", "-t", "python-wheels-" + name, "-f", recipe, ".", cwd=folder)
    for name in "fnv", "app":
        stage.docker("run", "--rm", "-v", "%s/%s:/application:ro" % (folder, name),
                     "-v", "%s/wheels-%s:/wheelhouse" % (folder, name), "python-wheels-builder", cwd=folder)
    stage.docker("build", "-q", "-t", "python-wheels-run", "-f", "run.docker", ".", cwd=folder)


def build(stage, folder):
    run(SHIPIT, "-f", folder + "/shipit.yml", "build", env=stage.env)


def group_build(stage, figures):
    stage.up()
    stage.env["XDG_STATE_HOME"] = stage.tmp + "/state"
    folder = stage.tmp + "/python-wheels"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("debian", "wheels-*"))
    run(folder + "/debian.sh", TOP + "/.build/examples/python-wheels", env=stage.env)
    build(stage, folder)
    figures.begin("the Python example, built again")
    by_hand(stage, folder)
    hand = timed(by_hand, stage, folder)
    build(stage, folder)
    figures.add("nothing changed", "s", [timed(build, stage, folder) for _ in range(TIMES)], peer=hand,
                bound=1, relative=False)
    changed = []
    for number in range(2):
        with open(folder + "/app/deployme/__init__.py", "a", encoding="ascii") as out:
            out.write("# %d\n" % number)
        changed.append(timed(build, stage, folder))
    figures.add("a line changed in one package", "s", changed, peer=hand)
