"""What is so on a host, asked of its engine, and what docs/formats.md says about it."""

import io
import json
import re
import tarfile

from lab import Failed

LABEL = "dev.shipit."
RELEASE = re.compile(r"^\d{8}-\d{6}-[0-9a-f]{7}$")


class Truth:
    def __init__(self, host):
        self.prefix = host.prefix
        self.name = host.prefix + ".web"
        self.all = [host.ask("/containers/%s/json" % c["Id"])
                    for c in host.ask("/containers/json?all=1")]
        self.containers = [c for c in self.all if LABEL + "service" in c["Config"]["Labels"]]
        self.tags = {tag: image["Id"] for image in host.ask("/images/json")
                     for tag in image["RepoTags"] or []}
        self.ledger = read_ledger(host)

    def running(self):
        return [c for c in self.containers if c["State"]["Running"]]

    def newest(self):
        """The newest entry: a number's outcome goes before its .pending."""
        return self.ledger[max(self.ledger)] if self.ledger else None

    def pending(self):
        return [e for e in self.ledger.values() if e["result"] == "pending"]

    def half_done(self):
        """What an interrupted rollout left that the next one has to speak of."""
        found = ["%d pending" % e["seq"] for e in self.pending()]
        found += [name_of(c) + " created" for c in self.containers
                  if c["State"]["Status"] == "created"]
        found += [name_of(c) + " has policy " + policy_of(c) for c in self.running()
                  if policy_of(c) != label(c, "restart")]
        if len(self.running()) > 1:
            found.append("two run")
        return found

    def agree(self):
        """Ledger and engine: the newest line names the release that runs."""
        running = self.running()
        if len(running) > 1:
            raise Failed("two containers run: " + ", ".join(map(name_of, running)))
        entry = self.newest()
        if not running or entry is None:
            return
        release = label(running[0], "release")
        if entry["result"] == "committed":
            names = [entry["release"]]
        elif entry["result"] == "pending":
            names = [entry["release"], entry.get("previous")]
        else:
            names = [entry.get("previous")]
        if release not in names:
            raise Failed("%s runs, but the newest ledger line is %s" % (release, brief(entry)))

    def clean(self, version, policy):
        """Everything as after an undisturbed deploy."""
        problems = []
        running = self.running()
        if len(running) != 1:
            raise Failed("%d containers run, not one" % len(running))
        current = running[0]
        release = label(current, "release")
        if name_of(current) != self.name:
            problems.append("the running one is called " + name_of(current))
        if "VERSION=" + version not in current["Config"]["Env"]:
            problems.append("another version runs")
        if policy_of(current) != policy:
            problems.append("its policy is %s, not %s" % (policy_of(current), policy))
        for c in self.containers:
            problems += self.labels(c, policy)
            if c is not current:
                problems += self.retained(c)
        others = sorted(name_of(c) for c in self.all if c not in self.containers)
        if others != [self.prefix + ".shipit"]:
            problems.append("other containers: " + ", ".join(others))
        problems += self.ledger_clean(release)
        problems += self.tags_clean(current)
        if problems:
            raise Failed("; ".join(problems))

    def labels(self, c, policy):
        want = {"project": self.prefix.split(".")[0], "environment": "prod",
                "prefix": self.prefix, "service": "web", "restart": policy}
        for key, value in want.items():
            if label(c, key) != value:
                yield "label %s of %s is %s" % (key, name_of(c), label(c, key))
        for key in "rollout", "image", "config", "by", "at":
            if not label(c, key):
                yield "%s has no label %s" % (name_of(c), key)
        if not RELEASE.match(label(c, "release")):
            yield "label release of %s is %s" % (name_of(c), label(c, "release"))

    def retained(self, c):
        if name_of(c) != self.name + "." + label(c, "release"):
            yield "a retained one is called " + name_of(c)
        if c["State"]["Status"] != "exited":
            yield "%s is %s" % (name_of(c), c["State"]["Status"])
        if policy_of(c) != "no":
            yield "policy %s of %s" % (policy_of(c), name_of(c))
        if not any(e["release"] == label(c, "release") and e["result"] == "committed"
                   for e in self.ledger.values()):
            yield "%s was never committed" % name_of(c)

    def ledger_clean(self, release):
        newest = self.newest()
        if newest is None or newest["result"] != "committed" or newest["release"] != release:
            yield "%s runs, but the newest ledger line is %s" % (release, brief(newest))
        for entry in self.pending():
            yield "ledger line still pending: " + brief(entry)

    def tags_clean(self, current):
        repository = "localhost/shipit/" + self.name
        previous = self.newest().get("previous")
        want = {"current": label(current, "release"), "previous": previous}
        for tag, release in want.items():
            got = self.tags.get(repository + ":" + tag)
            if got is None or got != self.tags.get("%s:%s" % (repository, release)):
                yield "the tag %s is not that of %s" % (tag, release)
        kept = {label(c, "release") for c in self.containers} | {"current", "previous"}
        for tag in self.tags:
            name, _, version = tag.rpartition(":")
            if name == repository and version not in kept or name.startswith("127.0.0.1:"):
                yield "image left over: " + tag


def label(c, key):
    return c["Config"]["Labels"].get(LABEL + key, "")


def name_of(c):
    return c["Name"].lstrip("/")


def policy_of(c):
    policy = c["HostConfig"]["RestartPolicy"]
    most = policy.get("MaximumRetryCount", 0)
    return policy["Name"] + (":%d" % most if most else "") or "no"


def brief(entry):
    return entry and " ".join(str(entry.get(k)) for k in ("seq", "kind", "result", "release",
                                                          "previous"))


def read_ledger(host):
    """The entries by number, from the raw files in the volume."""
    try:
        tar = host.engine("GET", "/containers/%s.shipit/archive?path=/ledger" % host.prefix)
    except Failed as failed:
        if ": 404 " in str(failed):
            return {}
        raise
    entries = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive.getmembers():
            number, dot, kind = member.name.rpartition("/")[2].partition(".")
            if not dot or (int(number) in entries and kind == "pending"):
                continue
            text = archive.extractfile(member).read()
            if text.endswith(b"\n"):
                entries[int(number)] = json.loads(text)
    return entries
