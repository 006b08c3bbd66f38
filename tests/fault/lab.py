"""The lab's hosts, each with a watch that tells what serves there and what sessions left behind."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LAB = os.path.join(TOP, "tests/lab/lab")
WATCHER = "/usr/local/bin/fault-app"
STORE = "/var/lib/docker"
DISK_MB = 96


class Failed(Exception):
    """What did not hold, in words."""


def until(what, seconds, condition, every=0.1):
    """The first true value of condition(), or Failed after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("waited %g s for %s" % (seconds, what))
        time.sleep(every)


def call(*argv, stdin=None, env=None, cwd=None):
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env, cwd=cwd, check=False,
                          **({"stdin": subprocess.DEVNULL} if stdin is None else {}))
    if done.returncode != 0:
        raise Failed("%s: exit %d: %s" % (" ".join(argv), done.returncode,
                                          done.stderr.decode(errors="replace").strip()))
    return done.stdout


class Lab:
    def __init__(self, hosts):
        # Short, for the sockets in it; and the private folders of shipit are to be seen in it.
        self.dir = tempfile.mkdtemp(prefix="shipit-fault.")
        self.env = {**os.environ, "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"}
        lab = os.path.join(self.dir, "lab")
        try:
            call(LAB, "up", str(hosts), "--dir", lab, "--owner", str(os.getpid()),
                 "--timeout", "180")
            self.env["SHIPIT_LAB"] = lab
            self.make_app()
            self("engine", "up")
            for line in self("env").decode().splitlines():
                name, _, value = line.partition(" ")[2].partition("=")
                self.env[name] = value.strip("'")
            self.make_images()
            self.hosts = [Host(self, "h%d" % (n + 1)) for n in range(hosts)]
        except BaseException:
            self.down()
            raise

    def __call__(self, *words, stdin=None):
        return call(LAB, *words, stdin=stdin, env=self.env)

    def make_app(self):
        call(os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-static", "-Os", "-Wall",
             "-Wextra", "-s", "-o", self.dir + "/app", HERE + "/app.c")

    def make_images(self):
        context = self.dir + "/image"
        os.mkdir(context)
        os.link(self.dir + "/app", context + "/app")
        for version in "v1", "v2":
            with open(context + "/pad", "wb") as pad:
                pad.write(os.urandom(6 << 20))
            call("docker", "build", "-q", "-f", HERE + "/run.docker", "--build-arg",
                 "VERSION=" + version, "-t", "fault-app:" + version, context, env=self.env)

    def down(self):
        subprocess.run([LAB, "down", "--dir", os.path.join(self.dir, "lab")],
                       stdin=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", self.dir], check=False)


class Sample:
    """One line of a watch: what was so from then on."""

    def __init__(self, line):
        at, self.serves, locked, processes, sshds, ports = line.split()
        self.at = float(at)
        self.left = {}  # what a session leaves on a host
        for name, value in (("lock", locked), ("processes", processes), ("sshd", sshds)):
            if value != "0":
                self.left[name] = int(value)
        if ports != "-":
            self.left["listeners"] = ports

    def __str__(self):
        return "%.2f %s %s" % (self.at, self.serves, self.left or "")


class Host:
    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.prefix = "fault-%s.prod" % name
        self.dir = os.path.join(lab.dir, name)
        os.makedirs(self.dir + "/run", mode=0o700)
        self.env = {**lab.env, "XDG_RUNTIME_DIR": self.dir + "/run",
                    "XDG_STATE_HOME": self.dir + "/state",
                    "SHIPIT_STORE": lab.dir + "/store/store.db"}
        self.samples = []
        self.watcher = None
        self.is_small = False
        self.beside = False
        with open(lab.dir + "/app", "rb") as app:
            self("sh", "-c", 'cat >"$1" && chmod 755 "$1"', "-", WATCHER, stdin=app.read())

    def __call__(self, *words, stdin=None):
        """A program on the host, as root."""
        return self.lab("exec", self.name, *words, stdin=stdin)

    def engine(self, method, path):
        """A call to the host's engine; the body of the answer. No program to be started for it."""
        with open(os.path.join(self.lab.env["SHIPIT_LAB"], self.name, "pid")) as file:
            root = "/proc/%s/root" % file.read().split()[0]
        link = http.client.HTTPConnection("engine", timeout=60)
        link.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.sock.settimeout(60)
        try:
            link.sock.connect(root + "/run/docker.sock")
            link.request(method, path)
            answer = link.getresponse()
            body = answer.read()
        finally:
            link.close()
        if answer.status >= 400:
            raise Failed("%s %s: %d %s" % (method, path, answer.status, body.decode()))
        return body

    def ask(self, path):
        return json.loads(self.engine("GET", path))

    def fault(self, *words):
        self.lab(words[0], self.name, *words[1:])

    def small_disk(self):
        """An engine on a disk of its own, which can be filled. Until the next wipe."""
        self.change_disk("mount", "-t", "tmpfs", "-o", "size=%dm" % DISK_MB, "engine", STORE)
        self.is_small = True

    def change_disk(self, *command):
        self.lab("stop", self.name, "dockerd")
        self(*command)
        self.lab("start", self.name, "dockerd")
        self.lab("wait", self.name, "engine")

    def fill(self):
        """To the last byte."""
        self("sh", "-c", "for size in 1M 4k 1; do dd if=/dev/zero bs=$size >>%s/fill; done 2>&1; true" % STORE)

    def unfill(self):
        self("rm", "-f", STORE + "/fill")

    def watch(self):
        """Begin to watch; samples of before a loss of power are kept."""
        self.unwatch()
        seen = len(self.samples)
        self.watcher = subprocess.Popen(
            [LAB, "exec", self.name, WATCHER, "--watch-inside" if self.beside else "--watch", "/run/lock/shipit." + self.prefix],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.env)
        threading.Thread(target=self.read, args=(self.watcher.stdout,), daemon=True).start()
        until("the watch on " + self.name, 90, lambda: len(self.samples) > seen)

    def read(self, lines):
        for line in lines:
            self.samples.append(Sample(line))
        lines.close()

    def unwatch(self):
        if self.watcher is not None:
            self.watcher.stdin.close()
            self.watcher.wait()
            self.watcher = None

    def wipe(self, beside=False):
        """As if nothing had ever been deployed, with power and a whole link. `beside`: the new one is
        started beside the old one."""
        self.beside = beside
        with open(self.dir + "/shipit.yml", "w") as file:
            file.write(INVENTORY % {"host": self.name, "how": "order: start-first" if beside else
                                    'ports: ["8080:80"]'})
        for undo in ("undrop",), ("unlimit",):
            self.fault(*undo)
        try:
            self("true")
        except Failed:
            self.fault("power", "on")
        self.lab("wait", self.name)
        if self.is_small:
            self.unfill()
        for c in self.ask("/containers/json?all=1"):
            self.engine("DELETE", "/containers/%s?force=1&v=1" % c["Id"])
        for v in self.ask("/volumes")["Volumes"] or []:
            self.engine("DELETE", "/volumes/" + v["Name"])
        self.engine("POST", "/networks/prune")
        for image in self.ask("/images/json"):
            self.engine("DELETE", "/images/%s?force=1" % image["Id"])
        if self.is_small:
            # What an engine leaves takes a moment to let go of its mounts.
            self.change_disk("sh", "-c", "for try in $(seq 100); do umount %s && exit; sleep 0.2; done; exit 1"
                             % STORE)
            self.is_small = False
        subprocess.run(["rm", "-rf", self.dir + "/run", self.dir + "/state"], check=False)
        os.makedirs(self.dir + "/run", mode=0o700)
        self.samples.clear()
        self.watch()


INVENTORY = """
project: fault-%(host)s
ssh: {config: "${LAB_SSH_CONFIG}", transport: "${FAULT_TRANSPORT:-auto}"}
services:
  web:
    image: fault-app:${VERSION}
    %(how)s
    restart: "${POLICY}"
    environment: {STOP: "2", SLOW: "${SLOW}"}
    healthcheck: {test: [CMD, /app, --check], interval: 3s, timeout: 2s, retries: 10}
    ready: {running: 1s, timeout: 60s}
hosts: {%(host)s: {}}
environments:
  prod: {hosts: [%(host)s]}
"""
