"""How long nobody answers while a container is replaced, beside `docker stop` and `docker start` of the
same container by hand: asked every 20 ms on the host itself."""

import os
import subprocess
import threading
import time

from sessions import DELAY, address_of, far_config
from stage import LAB, SHIPIT, TOP, Failed, run, timed

PROBE = TOP + "/tests/bench/probe.py"
HELLO = TOP + "/examples/hello"
PORT = 8086


class Probe:
    """Asks until told to stop, and then says how long the longest silence was."""

    def __init__(self, stage):
        with open(stage.env["SHIPIT_LAB"] + "/h1/pid", encoding="ascii") as file:
            pid = file.read().split()[0]
        self.process = subprocess.Popen(
            ["nsenter", "-t", pid, "-n", "python3", PROBE, str(PORT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.wait_for_answers()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.answers.append(float(line))
                self.news.notify_all()

    def wait_for_answers(self):
        """Some more: the silence that matters has an end."""
        with self.news:
            wanted = len(self.answers) + 5
            if not self.news.wait_for(lambda: len(self.answers) >= wanted, 30):
                raise Failed("nobody answers on port %d of h1" % PORT)

    def longest(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.reader.join()
        return max(b - a for a, b in zip(self.answers, self.answers[1:]))


def gap(stage, function, *arguments):
    probe = Probe(stage)
    try:
        function(stage, *arguments)
        probe.wait_for_answers()
    finally:
        longest = probe.longest()
    return longest


def by_hand(stage):
    run(LAB, "exec", "h1", "sh", "-c", "docker stop gap.prod.web && docker start gap.prod.web",
        env=stage.env)


def deploy(stage, config, image, ready="running: 1s", fails=False):
    """What it printed."""
    inventory = stage.tmp + "/gap.yml"
    with open(inventory, "w", encoding="utf-8") as out:
        out.write("project: gap\nssh: {config: %s}\n"
                  "services: {web: {image: '%s', ports: ['%d:80'], ready: {%s}, "
                  "stop_grace_period: 2s}}\n"
                  "hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n"
                  % (config, image, PORT, ready))
    return run(SHIPIT, "-f", inventory, "deploy", "prod", code=1 if fails else 0,
               env={**stage.env, "SHIPIT_STORE": stage.store("gap"),
                    "XDG_STATE_HOME": stage.tmp + "/state"})


def compare(stage, figures, config, what, times):
    ours, theirs = [], []
    for i in range(times):
        theirs.append(gap(stage, by_hand))
        ours.append(gap(stage, deploy, config, "hello:v%d" % (2 - i % 2)))
    figures.add("upgrade, laptop at " + what, "s", ours, theirs, 1.2,
                note="peer: docker stop and docker start of the same container")


def taken_back(stage, config):
    """Seconds from the end of the time that a release had until the one before runs again."""
    since = "%.6f" % time.time()
    deploy(stage, config, "hello:v2", "http: {url: 'http://:%d/', status: 418}, running: 0s, timeout: 3s"
           % PORT, fails=True)
    started = [line.split() for line in run(
        LAB, "exec", "h1", "docker", "events", "--since", since, "--until", "%.6f" % time.time(),
        "--filter", "event=start", "--format", "{{.TimeNano}} {{.Actor.Attributes.name}}",
        env=stage.env).splitlines()]
    new, old = started
    if new[1] == "gap.prod.web" or old[1] != "gap.prod.web":
        raise Failed("not the new one and then the old one: %s" % started)
    return (int(old[0]) - int(new[0])) / 1e9 - 3


def group_gap(stage, figures):
    stage.up()
    run(HELLO + "/build.sh")
    for tag in "v1", "v2":
        run("docker", "build", "-q", "-t", "hello:" + tag, "-f", HELLO + "/run.docker", "--build-arg",
            "REV=" + tag, HELLO, env=stage.env)
    near = stage.env["LAB_SSH_CONFIG"]
    deploy(stage, near, "hello:v1")
    figures.begin("nobody answers while replaced")
    compare(stage, figures, near, "0 ms", 7)
    deploy(stage, near, "hello:v1")
    figures.add("not ready: from the verdict on", "s", [taken_back(stage, near) for _ in range(3)],
                bound=2, relative=False, note="until the old one runs again")
    figures.add("deploy without a change", "s", [timed(deploy, stage, near, "hello:v1") for _ in range(5)],
                bound=1.5, relative=False)
    proxy = subprocess.Popen([DELAY, "127.0.0.1:0", address_of(stage) + ":22", "100"],
                             stdout=subprocess.PIPE, text=True)
    try:
        compare(stage, figures, far_config(stage, proxy.stdout.readline().strip()), "200 ms", 5)
    finally:
        proxy.kill()
        proxy.wait()
    os.unlink(stage.store("gap"))
