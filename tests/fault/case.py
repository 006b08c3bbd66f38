"""One case: a deploy of v2 over v1, stopped at a point, a fault there, and what comes of it."""

import os
import re
import signal
import subprocess
import time

from lab import LAB, TOP, Failed, until
from truth import Truth, label

SHIPIT = os.environ.get("SHIPIT", TOP + "/shipit")

STEPS = "connect", "lock", "facts", "deliver", "create", "swap", "ready", "commit", "prune"
IN_THE_MIDDLE = "deliver", "swap", "ready", "commit"
POINTS = [step + ":" + state for step in STEPS
          for state in (("start", "progress", "ok") if step in IN_THE_MIDDLE else ("start", "ok"))]
WINDOW = POINTS.index("swap:start"), POINTS.index("commit:start")  # swapped, not committed

# What a fault does is in Case.do_NAME. "cut" is never mended while shipit runs, "back" is as soon
# as the host has let go, "hiccup" before that; "both" is "kill" and "power".
# "sshd" and "engine" are killed and come back at once; "crash" is the end of the container that serves;
# "full" is the disk of the engine, until the next deploy.
FAULTS = ("kill", "cut", "back", "power", "both", "hiccup", "deaf", "sleep", "keeper", "sshd", "engine",
          "crash", "full")
POLICIES = "always", "unless-stopped", "on-failure", "no"
BESIDE = "start-first"  # in a policy's place: always, and started beside the old one

CLEAR_S = 30  # lock, listener and processes are gone
GAP_S = 30    # without an answer
BOOT_S = 15   # from the engine's return to an answer
END_S = 240   # of shipit, after a fault

# The oldest of those that hold the lock.
KILL_KEEPER = """
for fd in /proc/[0-9]*/fd/9; do
	[ "$(readlink "$fd")" = "$1" ] || continue
	pid=${fd#/proc/}
	pid=${pid%%/*}
	[ "${first:=$pid}" -lt "$pid" ] || first=$pid
done
kill -KILL "$first"
"""


class Case:
    def __init__(self, point, fault, policy):
        self.point, self.fault, self.column = point, fault, policy
        self.policy = "always" if policy == BESIDE else policy
        self.outcome = None
        self.problem = ""
        self.log = []
        self.events = []
        self.at = POINTS.index(point)

    def __str__(self):
        return "%s %s %s" % (self.point, self.fault, self.column)

    def say(self, text):
        self.log.append("%.2f %s" % (time.monotonic(), text))

    def run(self, host):
        self.host = host
        self.shipit = None
        self.exit = None
        self.outages = []  # (from, to): no power, or down as the policy says
        begun = time.monotonic()
        try:
            self.go()
        except Exception as failed:  # a broken host must not end the suite
            self.problem = "%s%s" % ("" if isinstance(failed, Failed) else
                                     type(failed).__name__ + ": ", failed)
            self.outcome = "FAIL"
            self.explain()
        finally:
            self.end_shipit()
        self.seconds = time.monotonic() - begun

    def go(self):
        host = self.host
        host.wipe(beside=self.column == BESIDE)
        if self.fault == "full":
            host.small_disk()
        code = self.deploy("v1")
        if code != 0:
            raise Failed("the first deploy: exit %d" % code)
        # On a busy machine the watch may not have said a word yet.
        until("v1 to serve", 10, lambda: host.samples and host.samples[-1].serves == "v1")
        if self.point.startswith("deliver:"):
            self.leave_pulled()
            host.fault("limit", "10mbit")
        self.start()
        self.began = time.monotonic()
        self.say("fault")
        getattr(self, "do_" + self.fault)()
        host.fault("unlimit")
        self.judge()
        if self.fault == "full":
            host.unfill()
        self.finish()
        self.no_gap()

    def leave_pulled(self):
        """As if an earlier pull had been killed between its end and the removal of this name."""
        for tag in Truth(self.host).tags:
            if tag.endswith(".web:current"):
                self.host.engine("POST", "/images/%s/tag?repo=127.0.0.1:41234/%s.web&tag=r1" %
                                 (tag, self.host.prefix))

    # --- shipit

    def spawn(self, version, **more):
        env = {**self.host.env, "VERSION": version, "POLICY": self.policy,
               "SLOW": "0" if version == "v1" else "2", **more}
        self.output = os.path.join(self.host.dir, "output")
        self.say("$ shipit deploy prod  # %s %s" % (version, more or ""))
        with open(self.output, "w") as out:
            return subprocess.Popen([SHIPIT, "deploy", "prod", "--json"], cwd=self.host.dir,
                                    env=env, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT)

    def deploy(self, version):
        self.shipit = self.spawn(version)
        return self.wait_shipit(180)

    def start(self):
        """v2, until it stops at the point."""
        middle = self.point == "commit:progress"  # it has no such event
        self.shipit = self.spawn("v2", SHIPIT_STOP_AT="commit:start" if middle else self.point)
        until("shipit to stop at " + self.point, 90, self.stopped)
        if middle:
            old = self.holder()
            self.resume()
            until("the renames of the commit", 10, lambda: self.holder() != old, every=0.005)
            self.shipit.send_signal(signal.SIGSTOP)

    def holder(self):
        """Which container has the name of the service."""
        try:
            return self.host.ask("/containers/%s.web/json" % self.host.prefix)["Id"]
        except Failed:
            return None

    def stopped(self):
        if self.shipit.poll() is not None:
            self.said()
            raise Failed("shipit ended with %d before %s" % (self.shipit.returncode, self.point))
        return self.is_stopped()

    def is_stopped(self):
        with open("/proc/%d/stat" % self.shipit.pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"

    def resume(self):
        self.shipit.send_signal(signal.SIGCONT)

    def ended(self):
        """An event that was on its way may stop it again: it is sent on."""
        if self.shipit.poll() is not None:
            return True
        if self.is_stopped():
            self.resume()
        return False

    def wait_shipit(self, seconds):
        until("shipit to end", seconds, self.ended)
        code = self.shipit.returncode
        self.said()
        self.say("exit %d" % code)
        left = os.listdir(self.host.dir + "/run")
        if left and self.fault not in ("kill", "both"):
            raise Failed("shipit left %s" % ", ".join(left))
        return code

    def said(self):
        with open(self.output) as text:
            self.text = text.read()
        self.events += [line for line in self.text.splitlines(True) if line.endswith("}\n")]
        for line in self.text.splitlines():
            self.say("  " + line)

    def end_shipit(self):
        if self.shipit is not None and self.shipit.poll() is None:
            self.shipit.kill()
            self.shipit.wait()
            self.said()

    # --- faults

    def do_kill(self):
        self.shipit.kill()
        self.shipit.wait()
        self.said()
        self.await_clear()

    def do_cut(self):
        self.host.fault("drop")
        self.resume()
        self.await_clear()
        self.exit = self.wait_shipit(END_S)
        self.host.fault("undrop")

    def do_back(self):
        self.host.fault("drop")
        self.resume()
        self.await_clear()
        self.host.fault("undrop")
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_hiccup(self):
        self.host.fault("drop")
        self.resume()
        back = time.monotonic() + 6
        until("shipit to go on", 7, lambda: self.ended() or time.monotonic() > back)
        self.host.fault("undrop")
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_deaf(self):
        """What the host says is lost, what it is told is not: an acknowledgement that is lost."""
        with open(os.path.join(self.host.lab.env["SHIPIT_LAB"], "pid")) as file:
            router = file.read().split()[0]
        subprocess.run(["nsenter", "--target", router, "--net", "iptables", "-w", "-I", "FORWARD",
                        "-i", self.host.name, "-j", "DROP"], check=True)
        self.resume()
        self.await_clear()
        self.host.fault("undrop")
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_sleep(self):
        """The laptop's lid is closed until the host has given up."""
        self.await_clear()
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_power(self):
        self.lose_power()
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_both(self):
        self.lose_power(kill=True)
        self.await_clear()

    def lose_power(self, kill=False):
        host = self.host
        off = time.monotonic()
        host.fault("power", "off")
        host.unwatch()
        if kill:
            self.shipit.kill()
            self.shipit.wait()
            self.said()
        else:
            self.resume()
        host.fault("power", "on")
        host.lab("wait", host.name, "engine")
        on = time.monotonic()
        self.outages.append((off, on))
        self.say("the engine is back")
        host.watch()
        self.await_answer(on)

    def await_answer(self, since):
        try:
            until("an answer", BOOT_S, lambda: self.host.samples[-1].serves != "-")
        except Failed:
            if not self.may_be_down():
                raise
            self.outages.append((since, None))

    def do_sshd(self):
        self.host.fault("kill", "sshd")
        self.host.fault("start", "sshd")
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_engine(self):
        off = time.monotonic()
        self.host.fault("kill", "dockerd")
        self.host.fault("start", "dockerd")
        self.host.lab("wait", self.host.name, "engine")
        on = time.monotonic()
        self.outages.append((off, on))
        self.say("the engine is back")
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_answer(on)
        self.await_clear()

    def do_crash(self):
        """Of its own, not by the engine, which would take it for the user's wish."""
        crashed = time.monotonic()
        pid = max(((c["Created"], self.host.ask("/containers/%s/json" % c["Id"])["State"]["Pid"])
                   for c in self.host.ask("/containers/json")))[1]
        self.host("kill", "-KILL", str(pid))
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_answer(crashed)
        self.await_clear()

    def do_full(self):
        self.host.fill()
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    def do_keeper(self):
        """Somebody kills the keeper's first process."""
        self.host("sh", "-c", KILL_KEEPER, "-", "/run/lock/shipit." + self.host.prefix)
        self.resume()
        self.exit = self.wait_shipit(END_S)
        self.await_clear()

    # --- what must hold

    def may_be_down(self):
        """A policy says whether a container comes back with the power; during a swap all do."""
        if WINDOW[0] < self.at <= WINDOW[1]:
            return False
        # An engine that finds its containers running stops them first, which is no failure, and may take
        # that for the user's wish.
        if self.policy != "no" and (self.fault, self.policy) not in (
                ("engine", "on-failure"), ("engine", "unless-stopped")):
            return False
        return (self.fault in ("power", "both", "engine") or
                (self.fault == "crash" and self.at > WINDOW[1]))

    def await_clear(self):
        """Lock, listener, processes, SSH server."""
        begun = time.monotonic()
        try:
            until("", CLEAR_S, lambda: not self.host.samples[-1].left)
        except Failed:
            raise Failed("%d s later the host still has %s" %
                         (CLEAR_S, self.host.samples[-1].left)) from None
        self.host("flock", "-n", "/run/lock/shipit." + self.host.prefix, "true")
        self.say("clear after %.1f s" % (time.monotonic() - begun))

    def judge(self):
        """Old or new serves, ledger and engine agree, and the exit code says what is so."""
        host = self.host
        serves = host.samples[-1].serves
        if serves == "-" and not (self.may_be_down() and self.outages[-1][1] is None):
            until("an answer", GAP_S, lambda: host.samples[-1].serves != "-")
            serves = host.samples[-1].serves
        if ".sock" in self.text.replace("docker.sock", "") or "/run/shipit-" in self.text:
            raise Failed("shipit speaks of its own sockets")
        self.truth = Truth(host)
        self.truth.agree()
        self.outcome = {"v1": "old", "v2": "new", "-": "down"}[serves]
        self.say("outcome %s, exit %s" % (self.outcome, self.exit))
        allowed = self.expected()
        if (self.outcome, self.exit) not in allowed:
            raise Failed("%s serves and shipit's exit code is %s; allowed: %s" %
                         (self.outcome, self.exit, allowed))

    def expected(self):
        """What may serve, and with what exit code of shipit."""
        committed = self.at > WINDOW[1]
        if self.point == "commit:progress":
            code = {"kill": None, "both": None, "cut": 3}.get(self.fault, 1)
            # Down is only what was committed: before, the old one comes back whatever its policy.
            down = ("down", None if self.fault == "both" else 0)
            return [("old", code), ("new", 0), ("new", code)] + [down] * self.may_be_down()
        if self.fault in ("kill", "both"):
            return [("new" if committed else "old", None)] + [("down", None)] * self.may_be_down()
        if self.fault == "crash" and self.at <= WINDOW[0]:
            return [("new", 0)]  # what crashed was going to be replaced
        if self.fault == "crash" and self.column == BESIDE and self.at < POINTS.index("ready:start"):
            return [("old", 1), ("new", 0)]  # the old one, or the new one if that runs already
        if committed:
            return [("new", 0)] + [("down", 0)] * self.may_be_down()
        # While an image travels the link is made again, for as long as nothing is swapped; it may be on
        # its way already when shipit says so.
        if self.fault == "hiccup" or self.point in (
                "connect:start", "facts:ok", "deliver:start", "deliver:progress") or (
                self.fault in ("sshd", "engine") and self.at < WINDOW[0]):
            return [("old", 1), ("new", 0)] + [("down", 1)] * self.may_be_down()
        if self.fault == "engine" and self.at == WINDOW[0]:  # it is back before anything is asked of it
            return [("old", 1), ("new", 0)]
        if self.at < WINDOW[0]:
            return [("old", 1)] + [("down", 1)] * self.may_be_down()
        if self.fault == "cut":
            return [("old", 3)]
        if self.fault == "deaf":
            return [("old", 1), ("new", 0)]
        return [("old", 1)]

    def finish(self):
        """The next deploy of the same: clean, and it says what it found."""
        found = self.truth.half_done()
        if self.outages and self.outages[-1][1] is None:
            self.outages[-1] = self.outages[-1][0], time.monotonic() + 30
        code = self.deploy("v2")
        if code != 0:
            raise Failed("the next deploy: exit %d" % code)
        if found and not re.search(r'"event":"note"| note ', self.text):
            raise Failed("the next deploy says nothing of: " + ", ".join(found))
        if os.listdir(self.host.dir + "/run"):
            raise Failed("left on the laptop: " + ", ".join(os.listdir(self.host.dir + "/run")))
        until("v2 to serve", 10, lambda: self.host.samples[-1].serves == "v2")
        self.await_clear()
        self.truth = Truth(self.host)
        self.truth.clean("v2", self.policy)
        if self.outcome == "new" and not self.outages and \
                label(self.truth.running()[0], "rollout") != self.truth.newest()["rollout"]:
            raise Failed("the ledger names another rollout")

    def no_gap(self):
        """From the fault on, never longer than GAP_S without an answer, but for outages."""
        samples = self.host.samples
        for i, sample in enumerate(samples):
            if sample.serves != "-":
                continue
            end = next((s.at for s in samples[i:] if s.serves != "-"), time.monotonic())
            gap = end - sample.at
            for off, on in self.outages:
                gap -= max(0.0, min(end, on) - max(sample.at, off))
            if end > self.began and gap > GAP_S:
                raise Failed("no answer for %.1f s" % gap)

    # --- for people

    def explain(self):
        """What there is to know, after a failure."""
        host = self.host
        self.end_shipit()
        for sample in list(host.samples)[-40:]:
            self.say("host: %s" % sample)
        for command in ("docker ps -a --no-trunc --format "
                        "'{{.ID}} {{.Names}} {{.Status}} {{.CreatedAt}}'",
                        "docker ps -aq | xargs -r docker inspect -f '{{.Name}} {{json .State}} "
                        "{{json .HostConfig.RestartPolicy}} {{json .Config.Labels}}'",
                        "docker cp %s.shipit:/ledger - | tar -xOf -" % host.prefix,
                        "docker images -a", "ps -ef",
                        "timeout 3 docker events --since 5m --until 0s --filter type=container "
                        "| grep -v exec_ | cut -c 1-300"):
            self.show(command, [LAB, "exec", host.name, "sh", "-c", command])
        log = os.path.join(host.lab.env["SHIPIT_LAB"], host.name, "sshd.log")
        self.show("sshd log", ["tail", "-n", "20", log])

    def show(self, title, argv):
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=self.host.env, timeout=30,
                                  check=False)
            text = done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired:
            text = "(no answer)"
        self.say("# " + title)
        for line in text.splitlines():
            self.say("  " + line)
