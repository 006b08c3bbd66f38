"""Many hosts: what looking at them takes, an upgrade of all, and an uplink that they share."""

import json
import os
import pty
import shlex
import subprocess
import sys
import threading
import time

from serving import noise
from stage import LAB, RSS, SHIPIT, Failed, run, timed

LISTENERS = 300
UPLINK_MBIT = 100
LAYER = 16 * 1000 * 1000


class Fleet:
    """A lab of its own with so many hosts, and an engine of this side."""

    def __init__(self, stage, hosts):
        self.dir = stage.tmp + "/fleet%d" % hosts
        self.env = {**stage.env, "SHIPIT_LAB": self.dir,
                    "SHIPIT_STORE": stage.store("fleet%d" % hosts),
                    "XDG_STATE_HOME": stage.tmp + "/state"}
        self.names = ["h%d" % (i + 1) for i in range(hosts)]
        self.inventory = self.dir + ".yml"
        self.lab("up", str(hosts), "--dir", self.dir, "--owner", str(os.getpid()))
        self.lab("engine", "up")
        for line in self.lab("env").splitlines():
            for word in shlex.split(line):
                name, equals, value = word.partition("=")
                if equals and name.isidentifier():
                    self.env[name] = value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([LAB, "down", "--dir", self.dir], check=False, stdout=subprocess.DEVNULL)

    def lab(self, *words):
        return run(LAB, *words, env=self.env)

    def write(self, image, hosts=None, config=None, more=""):
        with open(self.inventory, "w", encoding="utf-8") as out:
            out.write("project: many\nssh: {config: %s}\n"
                      "services: {web: {image: '%s', ready: {running: 1s}, stop_grace_period: 1s%s}}\n"
                      "hosts: {%s}\nenvironments: {prod: {hosts: ['*']}}\n"
                      % (config or self.env["LAB_SSH_CONFIG"], image, more,
                         ", ".join(name + ": {}" for name in hosts or self.names)))

    def shipit(self, *words, **more):
        return run(SHIPIT, "-f", self.inventory, *words, env=self.env, **more)

    def image(self, tag, layer):
        """Busybox, and a file of noise."""
        folder = self.dir + ".image"
        os.makedirs(folder, exist_ok=True)
        run("cp", "/bin/busybox", folder)
        noise(folder + "/noise", layer)
        with open(folder + "/Dockerfile", "w", encoding="utf-8") as out:
            out.write('FROM scratch\nCOPY . /\nCMD ["/busybox", "sleep", "100000"]\n')
        run("docker", "build", "-q", "-t", tag, folder, env=self.env)


def listeners(fleet, count):
    """SSH servers on so many ports of the hosts; their names, and a configuration that has them."""
    path = fleet.dir + ".ssh"
    names = []
    each = count // len(fleet.names)
    with open(fleet.env["LAB_SSH_CONFIG"], encoding="utf-8") as config:
        text = config.read()
    with open(path, "w", encoding="utf-8") as out:
        for host in fleet.names:
            address = run("ssh", "-F", fleet.env["LAB_SSH_CONFIG"], "-G", host)
            address = address.split("\nhostname ")[1].split("\n")[0]
            for port in range(2201, 2201 + each):
                names.append("%s-%d" % (host, port))
                out.write("Host %s\n\tHostName %s\n\tPort %d\n\tHostKeyAlias %s\n\n"
                          % (names[-1], address, port, address))
            # One sshd listens on 16 sockets at most.
            fleet.lab("exec", host, "sh", "-c", "for port in $(seq 2201 %d); do /usr/sbin/sshd -p $port "
                      "-o ListenAddress=0.0.0.0 -o PidFile=none || exit; done" % (2200 + each))
        out.write(text)
    return names, path


def look(stage, figures):
    with Fleet(stage, 6) as fleet:
        fleet.image("many:v1", 1000)
        fleet.write("many:v1")
        fleet.shipit("deploy", "prod")
        names, config = listeners(fleet, LISTENERS)
        fleet.write("many:v1", names, config)
        figures.begin("%d SSH servers before six engines" % LISTENERS)
        for command in "status", "check":
            peak = stage.tmp + "/peak"
            took = timed(run, sys.executable, RSS, peak, SHIPIT, "-f", fleet.inventory, command, "prod",
                         "--json", env=fleet.env, into=stage.tmp + "/said")
            with open(stage.tmp + "/said", encoding="utf-8") as said:
                text = said.read()
            answers = [json.loads(line) for line in text.splitlines()]
            seen = {answer.get("host") for answer in answers
                    if answer["event"] == ("service" if command == "status" else "check")}
            if not seen >= set(names):
                raise Failed("%s knows %d hosts of %d" % (command, len(seen), len(names)))
            with open(peak, encoding="ascii") as file:
                figures.add(command, "s", took, bound=30, relative=False)
                figures.add(command + ", resident", "MB", int(file.read()) / 1000, bound=150,
                            relative=False)


class Screen:
    """shipit on a terminal, and what its main thread, which does nothing but show, takes of a CPU."""

    def __init__(self, argv, env):
        self.ticks = 0
        began = time.monotonic()
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(env)
            os.environ["TERM"] = "xterm"
            os.execv(argv[0], argv)
        watcher = threading.Thread(target=self.watch, args=(pid,), daemon=True)
        watcher.start()
        self.said = b""
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            self.said += data
        self.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.took = time.monotonic() - began

    def watch(self, pid):
        try:
            while True:
                with open("/proc/%d/task/%d/stat" % (pid, pid), encoding="ascii") as stat:
                    words = stat.read().rpartition(") ")[2].split()
                self.ticks = int(words[11]) + int(words[12])
                time.sleep(0.05)
        except (OSError, ValueError):
            return

    def share(self):
        return 100 * self.ticks / os.sysconf("SC_CLK_TCK") / self.took


def upgrade(stage, figures):
    with Fleet(stage, 24) as fleet:
        fleet.image("many:v1", 1000)
        fleet.write("many:v1")
        fleet.shipit("deploy", "prod")
        fleet.write("many:v1", more=", environment: {A: b}")
        screen = Screen([SHIPIT, "-f", fleet.inventory, "deploy", "prod"], fleet.env)
        if screen.code != 0 or b"24 done" not in screen.said:
            raise Failed("exit %d\n%s" % (screen.code, screen.said.decode(errors="replace")))
        figures.begin("24 hosts, the image is there")
        figures.add("an upgrade of all", "s", screen.took, bound=40, relative=False)
        figures.add("the screen, of one CPU", "%", screen.share(), bound=2, relative=False)


def uplink(stage, figures):
    with Fleet(stage, 12) as fleet:
        fleet.image("many:v2", LAYER)
        fleet.write("many:v2")
        fleet.shipit("build")
        fleet.lab("limit", "laptop", "%dmbit" % UPLINK_MBIT)
        events = [json.loads(line) for line in fleet.shipit("--json", "deploy", "prod").splitlines()]
        steps = [event for event in events if event.get("step") == "deliver" and event.get("host")]
        begun = min(seconds(event["time"]) for event in steps if event["state"] == "start")
        ended = max(seconds(event["time"]) for event in steps if event["state"] == "ok")
        moved = sum(event.get("bytes", 0) for event in events if event["event"] == "host")
        if moved < len(fleet.names) * LAYER:
            raise Failed("only %d bytes were moved" % moved)
        figures.begin("12 hosts through %d Mbit/s" % UPLINK_MBIT)
        figures.add("%d MB delivered" % (moved / 1e6), "s", ended - begun, moved * 8 / UPLINK_MBIT / 1e6,
                    1.25, note="peer: what these bytes need on that link")


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


def group_fleet(stage, figures):
    look(stage, figures)
    upgrade(stage, figures)
    uplink(stage, figures)
