"""Where the figures are measured: a lab with a host and an engine, Debian's registry, our own."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
LAB = TOP + "/tests/lab/lab"
DRIVER = os.environ.get("BUILD", TOP + "/.build") + "/tests/e2e/registry_driver"
SHIPIT = os.environ.get("SHIPIT", TOP + "/shipit")
RSS = TOP + "/tests/e2e/rss.py"
CACHE = os.environ.get("BENCH_CACHE", TOP + "/.build/bench")


class Failed(Exception):
    pass


def run(*argv, env=None, stdout=subprocess.PIPE, into=None, code=0, **more):
    """Its output; Failed with what it said when its exit is not CODE. INTO: a file for the output."""
    if into:
        with open(into, "wb") as file:
            return run(*argv, env=env, stdout=file, code=code, **more)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                          env=env, check=False, **more)
    if done.returncode != code:
        raise Failed("%s: exit %d\n%s%s" % (" ".join(argv), done.returncode,
                                            (done.stdout or b"").decode(errors="replace"),
                                            done.stderr.decode(errors="replace")))
    return (done.stdout or b"").decode()


def timed(function, *arguments, **more):
    begun = time.monotonic()
    function(*arguments, **more)
    return time.monotonic() - begun


class Stage:
    def __init__(self):
        os.environ["PATH"] = "/usr/bin:/usr/sbin:/bin:/sbin"
        os.makedirs(CACHE, exist_ok=True)
        # Beside the cache, not in /tmp: that may be memory.
        self.tmp = tempfile.mkdtemp(prefix="run.", dir=CACHE)
        self.lab_up = False
        self.servers = []
        self.env = {**os.environ, "SHIPIT_LAB": self.tmp + "/lab"}

    def lab(self, *words):
        return run(LAB, *words, env=self.env)

    def up(self):
        """The lab, once; most groups need it."""
        if self.lab_up:
            return
        self.lab_up = True
        self.lab("up", "1", "--dir", self.env["SHIPIT_LAB"], "--owner", str(os.getpid()))
        self.lab("engine", "up")
        self.lab("registry", "up")
        for line in self.lab("env").splitlines():
            for word in shlex.split(line):
                name, equals, value = word.partition("=")
                if equals and name.isidentifier():
                    self.env[name] = value
        self.registry = self.env["LAB_REGISTRY"]

    def down(self):
        for server in self.servers:
            server.stop()
        if self.lab_up:
            subprocess.run([LAB, "down"], env=self.env, check=False, stdout=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", self.tmp], check=False)

    def docker(self, *words, **more):
        return run("docker", *words, env=self.env, **more)

    def empty_registry(self):
        """Debian's registry with nothing in it, on the port it had."""
        self.lab("registry", "stop")
        run("rm", "-rf", self.env["SHIPIT_LAB"] + "/registry/data")
        os.makedirs(self.env["SHIPIT_LAB"] + "/registry/data")
        self.lab("registry", "start")

    def registry_bytes(self):
        return int(run("du", "-sb", self.env["SHIPIT_LAB"] + "/registry/data").split()[0])

    # --- ours

    def store(self, name):
        return os.path.join(self.tmp, name + ".db")

    def driver(self, store, *words):
        return run(DRIVER, *words, env={**self.env, "SHIPIT_STORE": store})

    def driver_rss(self, store, *words):
        """MiB at most resident."""
        out = self.tmp + "/rss"
        run(sys.executable, RSS, out, DRIVER, *words, env={**self.env, "SHIPIT_STORE": store})
        with open(out, encoding="ascii") as file:
            return int(file.read()) / 1024

    def serve(self, store):
        server = Server(store, self.env, self.tmp + "/server.log")
        self.servers.append(server)
        return server


class Server:
    """`shipit registry serve` over a store."""

    def __init__(self, store, env, log):
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [SHIPIT, "registry", "serve", "--listen", "127.0.0.1:0", "--json"],
                env={**env, "SHIPIT_STORE": store}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT)
        self.address = self.await_address(log)

    def await_address(self, log):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            with open(log, encoding="utf-8") as text:
                line = text.readline()
            if line.endswith("\n"):
                return json.loads(line)["address"]
            time.sleep(0.05)
        with open(log, encoding="utf-8") as text:
            raise Failed("the registry does not start\n" + text.read())

    def peak_mib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        raise Failed("no VmHWM")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
