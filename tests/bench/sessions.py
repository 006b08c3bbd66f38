"""Sessions beside the system's ssh: how long until a command has run, and what a tunnel carries."""

import os
import subprocess
import time

from serving import GB, Tunnel, digest_of, fetch, noise, push_blob
from stage import CACHE, DRIVER, LAB, SHIPIT, TOP, Failed, run, timed

SESSION = os.path.dirname(DRIVER) + "/session/driver"
DELAY = TOP + "/tests/lab/delay"
TRANSPORTS = ("libssh2", "openssh")


class Forward:
    """A remote forward by a session of ours."""

    def __init__(self, stage, transport, target):
        self.process = subprocess.Popen(
            [SESSION, "h1", "forward", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=session_env(stage, transport))
        port = self.process.stdout.readline().strip()
        if not port.isdigit():
            raise Failed("no forward by " + transport)
        self.address = "127.0.0.1:" + port

    def stop(self):
        """CPU seconds."""
        out, _ = self.process.communicate("", 30)
        return float(out)


def session_env(stage, transport, config=None):
    return {**stage.env, "SSH_CONFIG": config or stage.env["LAB_SSH_CONFIG"],
            "TRANSPORT": transport}


def far_config(stage, port):
    """The lab's, with h1 behind a proxy."""
    path = stage.tmp + "/far_config"
    with open(stage.env["LAB_SSH_CONFIG"], encoding="utf-8") as config:
        text = config.read()
    with open(path, "w", encoding="utf-8") as out:
        out.write("Host h1\n\tHostName 127.0.0.1\n\tPort %s\n\tHostKeyAlias %s\n\n%s"
                  % (port, address_of(stage), text))
    return path


def address_of(stage):
    config = stage.env["LAB_SSH_CONFIG"]
    return run("ssh", "-F", config, "-G", "h1").split("\nhostname ")[1].split("\n")[0]


def trips_of(counter, *argv, **more):
    """How often the client spoke in answer."""
    before = count(counter)
    run(*argv, **more)
    return count(counter) - before


def count(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


def reach(stage, figures, config, what, times, counter=None):
    ssh = ["ssh", "-F", config, "-o", "ControlPath=none", "h1", "true"]
    ours = {transport: [] for transport in TRANSPORTS}
    theirs = []
    for _ in range(times):
        theirs.append(timed(run, *ssh, env=stage.env))
        for transport in TRANSPORTS:
            begun = time.monotonic()
            ours[transport].append(float(run(SESSION, "h1", "run", "true",
                                             env=session_env(stage, transport, config))) - begun)
    for transport in TRANSPORTS:
        note = "peer: ssh h1 true"
        if counter:
            note += "; round trips: %d, ssh %d" % (
                trips_of(counter, SESSION, "h1", "run", "true",
                         env=session_env(stage, transport, config)),
                trips_of(counter, *ssh, env=stage.env))
        figures.add("true, %s, %s" % (what, transport), "s", ours[transport], theirs, 1.1,
                    note=note)


def unchanged(stage, figures, config, counter):
    """A whole deploy where all is as it should be."""
    run("/bin/sh", "-c", "tar -C /bin -c busybox | docker import -c 'CMD [\"/busybox\", \"sleep\", "
        "\"100000\"]' - trips:1", env=stage.env)
    inventory = stage.tmp + "/trips.yml"
    env = {**stage.env, "SHIPIT_STORE": stage.store("trips")}
    for transport in TRANSPORTS:
        with open(inventory, "w", encoding="utf-8") as out:
            out.write("project: trips\nssh: {config: %s, transport: %s}\n"
                      "services: {idle: {image: 'trips:1', ready: {running: 1s}, "
                      "stop_grace_period: 1s}}\n"
                      "hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n" % (config, transport))
        deploy = [SHIPIT, "-f", inventory, "deploy", "prod"]
        run(*deploy, env=env)
        figures.add("unchanged deploy, %s" % transport, "trips",
                    trips_of(counter, *deploy, env=env), None, 16, relative=False)


def group_reach(stage, figures):
    stage.up()
    figures.begin("from start to true")
    reach(stage, figures, stage.env["LAB_SSH_CONFIG"], "0 ms", 9)
    counter = stage.tmp + "/trips"
    proxy = subprocess.Popen([DELAY, "127.0.0.1:0", address_of(stage) + ":22", "50", "--count", counter],
                             stdout=subprocess.PIPE, text=True)
    try:
        port = proxy.stdout.readline().strip()
        config = far_config(stage, port)
        reach(stage, figures, config, "100 ms", 5, counter)
        unchanged(stage, figures, config, counter)
    finally:
        proxy.kill()
        proxy.wait()


def group_many(stage, figures):
    stage.up()
    run(LAB, "sshd", "h1", "MaxStartups 10:30:100", env=stage.env)
    figures.begin("200 sessions at once to one machine, MaxStartups 10:30:100")
    for transport in TRANSPORTS:
        words = run(SESSION, "h1", "many", "200", env=session_env(stage, transport)).split()
        figures.add(transport, "s", float(words[0]), None, 30, relative=False)
        figures.add(transport + ", resident", "MB", float(words[1]), None, 60, relative=False)
    run(LAB, "sshd", "h1", env=stage.env)


def libcrypto(name, piece):
    """Seconds for a GB that is given to libcrypto in pieces of so many bytes."""
    words = run("openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(piece), "-evp", name)
    return 1e9 / float(words.split("+F:")[1].split("\n")[0].split(":")[-1])


def group_tunnel(stage, figures):
    stage.up()
    blob = CACHE + "/1gb"
    noise(blob, GB)
    digest = digest_of(blob)
    server = stage.serve(stage.store("tunnel"))
    push_blob(server.address, "bench", blob, digest)
    path = "/v2/bench/blobs/" + digest
    on_host = [LAB, "exec", "h1"]
    figures.begin("1 GB through a tunnel")
    for transport, bound in ("libssh2", 0.6), ("openssh", 0.95):
        ours, theirs, cpu, their_cpu = [], [], [], []
        for _ in range(3):
            tunnel = Tunnel(stage, server.address)
            theirs.append(fetch("http://%s%s" % (tunnel.address, path), 1, GB, on_host, stage.env))
            their_cpu.append(tunnel.stop())
            forward = Forward(stage, transport, server.address)
            ours.append(fetch("http://%s%s" % (forward.address, path), 1, GB, on_host, stage.env))
            cpu.append(forward.stop())
        figures.add(transport, "MB/s", ours, theirs, bound, least=True, note="peer: ssh -R")
        # Where the bound was set ssh -R took 1.8 s.
        figures.add(transport + ", CPU a GB", "s", cpu, their_cpu,
                    3.0 if transport == "libssh2" else None, relative=False, note="peer: ssh -R")
    # Before 1.11 libssh2 knows no GCM, and enciphers a packet by 16 bytes a call: no less is possible.
    figures.add("of it libcrypto: by 16 bytes a call", "s",
                libcrypto("aes-128-ctr", 16) + libcrypto("sha256", 16384))
    server.stop()
    os.unlink(stage.store("tunnel"))
