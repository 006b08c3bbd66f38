"""Getting images into the store, against docker push into Debian's registry and docker save."""

import os
import subprocess

from stage import CACHE, TOP, Failed, run, timed

BASE = "bench/debian"
TIMES = 3


def trees():
    """The two Debian systems; the first time this takes minutes."""
    if not all(os.path.exists("%s/%s.tar" % (CACHE, name)) for name in ("old", "new")):
        print("making the Debian trees in %s: some minutes, once" % CACHE, flush=True)
        run(TOP + "/tests/bench/trees.sh", CACHE)


def build(stage, tag, tree):
    """An image of one big layer, as ADD makes it."""
    folder = stage.tmp + "/context"
    os.makedirs(folder, exist_ok=True)
    os.link("%s/%s.tar" % (CACHE, tree), folder + "/tree.tar")
    with open(folder + "/Dockerfile", "w", encoding="ascii") as out:
        out.write('FROM scratch\nADD tree.tar /\nCMD ["/bin/bash"]\n')
    stage.docker("build", "-q", "-t", tag, folder)
    os.unlink(folder + "/tree.tar")


def change(stage, tag, base, number):
    folder = stage.tmp + "/change"
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/app", "wb") as out:
        out.write(os.urandom(20000))
    with open(folder + "/Dockerfile", "w", encoding="ascii") as out:
        out.write("FROM %s\nCOPY app /srv/app\nLABEL number=%d\n" % (base, number))
    stage.docker("build", "-q", "-t", tag, folder)


def push(stage, image, name):
    stage.docker("tag", image, "%s/%s" % (stage.registry, name))
    stage.docker("push", "-q", "%s/%s" % (stage.registry, name))


def imported(stage, store, image, name, known=False):
    out = stage.driver(store, "import", image, name)
    if out.rstrip().endswith("known") != known:
        raise Failed("an import of %s: %s" % (image, out))


def base_image(stage):
    if not getattr(stage, "has_base", False):
        trees()
        build(stage, BASE + ":old", "old")
        stage.has_base = True


def group_import(stage, figures):
    stage.up()
    base_image(stage)
    pushes, imports, again = [], [], []
    for i in range(TIMES):
        stage.empty_registry()
        store = stage.store("import%d" % i)
        # Who comes first pays for what is not in memory yet.
        turns = [lambda: imports.append(timed(imported, stage, store, BASE + ":old", "debian:old")),
                 lambda: pushes.append(timed(push, stage, BASE + ":old", "debian:old"))]
        for turn in turns if i % 2 else reversed(turns):
            turn()
        again.append(timed(imported, stage, store, BASE + ":old", "debian:old", known=True))
        if i:
            os.unlink(store)
    figures.begin("import")
    figures.add("200 MB Debian image", "s", imports, pushes, 0.4, note="peer: docker push, cold")
    figures.add("the same again", "s", again, None, 0.3, relative=False)
    changed(stage, figures, stage.store("import0"))


def changed(stage, figures, store):
    saves, pushes, imports = [], [], []
    for i in range(TIMES):
        image = "%s:changed%d" % (BASE, i)
        change(stage, image, BASE + ":old", i)
        imports.append(timed(imported, stage, store, image, "debian:changed%d" % i))
        pushes.append(timed(push, stage, image, "debian:changed%d" % i))
        saves.append(timed(stage.docker, "save", image, stdout=subprocess.DEVNULL))
    best = min(sorted(saves)[TIMES // 2], sorted(pushes)[TIMES // 2])
    figures.add("one changed file on top", "s", imports, pushes, round(best + 0.2, 2),
                relative=False, note="peer: docker push of the new layer (docker save: %.2f s)"
                % sorted(saves)[TIMES // 2])


def compressed_size(stage):
    """Of the new layer by gzip -6: what a registry stores of it."""
    note = CACHE + "/new.gzip-size"
    if not os.path.exists(note):
        size = run("sh", "-c", "gzip -6 -c '%s/new.tar' | wc -c" % CACHE)
        with open(note, "w", encoding="ascii") as out:
            out.write(size)
    with open(note, encoding="ascii") as text:
        return int(text.read())


def group_weekly(stage, figures):
    stage.up()
    base_image(stage)
    build(stage, BASE + ":new", "new")
    store = stage.store("weekly")
    imported(stage, store, BASE + ":old", "debian:old")
    push(stage, BASE + ":old", "weekly:old")
    before, peer_before = os.path.getsize(store), stage.registry_bytes()
    imported(stage, store, BASE + ":new", "debian:new")
    push(stage, BASE + ":new", "weekly:new")
    grown = (os.path.getsize(store) - before) / 1e6
    peer = (stage.registry_bytes() - peer_before) / 1e6
    figures.begin("weekly rebuild")
    figures.add("growth, security updates", "MB", grown, compressed_size(stage) / 1e6, 0.35,
                note="peer: the whole layer by gzip -6; docker-registry grew by %.1f MB" % peer)
    os.unlink(store)
