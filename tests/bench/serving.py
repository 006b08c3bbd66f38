"""Serving and taking large layers: how fast, against Debian's registry and ssh -R; how much memory."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
import time

from stage import CACHE, LAB, Failed, run

GB = 1_000_000_000
MEMORY_MIB = 96


def noise(path, size):
    """Bytes that nothing compresses."""
    if not os.path.exists(path) or os.path.getsize(path) != size:
        run("head", "-c", str(size), "/dev/urandom", into=path + ".part")
        os.replace(path + ".part", path)


def digest_of(path):
    """Kept beside it: hashing takes seconds."""
    note = path + ".sha256"
    if not os.path.exists(note) or os.path.getmtime(note) < os.path.getmtime(path):
        text = run("sha256sum", path).split()[0]
        with open(note, "w", encoding="ascii") as out:
            out.write(text)
    with open(note, encoding="ascii") as text:
        return "sha256:" + text.read().strip()


def push_blob(address, repo, path, digest):
    """As docker does it: POST, a streamed PATCH, PUT."""
    base = "http://%s/v2/%s/blobs/uploads/" % (address, repo)
    location = header(run("curl", "-sS", "-f", "-i", "-X", "POST", base), "location")
    answer = run("curl", "-sS", "-f", "-i", "-X", "PATCH", "-H", "Transfer-Encoding: chunked",
                 "-H", "Content-Type: application/octet-stream", "-H", "Expect:", "-T", path,
                 absolute(address, location))
    location = absolute(address, header(answer, "location"))
    run("curl", "-sS", "-f", "-X", "PUT", location + ("&" if "?" in location else "?") +
        "digest=" + digest)


def header(text, name):
    found = re.search(r"(?im)^%s: *(\S+)" % name, text)
    if not found:
        raise Failed("no %s in %s" % (name, text))
    return found.group(1)


def absolute(address, location):
    return location if location.startswith("http") else "http://%s%s" % (address, location)


def fetch(url, clients, size, prefix=(), env=None):
    """MB/s of all clients together, each of which takes the first SIZE bytes."""
    begun = time.monotonic()
    readers = [subprocess.Popen([*prefix, "curl", "-sS", "-f", "-o", "/dev/null", "-r",
                                 "0-%d" % (size - 1), "-w", "%{size_download}", url],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env)
               for _ in range(clients)]
    said = [reader.communicate()[0].decode() for reader in readers]
    seconds = time.monotonic() - begun
    if any(text != str(size) for text in said):
        raise Failed("%s: %s of %d bytes" % (url, said, size))
    return clients * size / 1e6 / seconds


class Tunnel:
    """ssh -R from the lab's host to an address here."""

    def __init__(self, stage, address):
        self.process = subprocess.Popen(
            ["ssh", "-F", stage.env["LAB_SSH_CONFIG"], "-o", "ExitOnForwardFailure=yes", "-N", "-R",
             "127.0.0.1:0:" + address, "h1"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=stage.env)
        for line in self.process.stderr:
            found = re.search(r"Allocated port (\d+)", line)
            if found:
                self.address = "127.0.0.1:" + found.group(1)
                return
        raise Failed("ssh -R did not work")

    def stop(self):
        """CPU seconds."""
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as stat:
            ticks = stat.read().rsplit(")", 1)[1].split()[11:13]
        self.process.kill()
        self.process.wait()
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def group_serve(stage, figures):
    stage.up()
    blob = CACHE + "/1gb"
    noise(blob, GB)
    digest = digest_of(blob)
    server = stage.serve(stage.store("serve"))
    for address in server.address, stage.registry:
        push_blob(address, "bench", blob, digest)
    urls = ["http://%s/v2/bench/blobs/%s" % (address, digest)
            for address in (server.address, stage.registry)]
    tunnel = Tunnel(stage, server.address)
    far = "http://%s/v2/bench/blobs/%s" % (tunnel.address, digest)
    on_host = [LAB, "exec", "h1"]
    figures.begin("serving 1 GB")
    # The first time its digest is computed as it goes out, once in the life of a server.
    figures.add("to one client, the first time", "MB/s", fetch(urls[0], 1, GB),
                fetch(urls[1], 1, GB), note="peer: docker-registry, which computes none")
    for clients, text, times in (1, "one client", 11), (8, "eight clients", 3):
        ours, registry, ssh = [], [], []
        for i in range(times):
            ours.append(fetch(urls[0], clients, GB))
            registry.append(fetch(urls[1], clients, GB))
            if i < 3:
                ssh.append(fetch(far, clients, GB // clients, on_host, stage.env))
        figures.add("to %s" % text, "MB/s", ours, registry, 1, least=True,
                    note="peer: docker-registry")
        figures.add("to %s" % text, "MB/s", ours, ssh, 2, least=True, note="peer: ssh -R")
    tunnel.stop()
    server.stop()
    os.unlink(stage.store("serve"))


def archive(path, size):
    """What docker save would write of an image of one layer that holds one file of noise."""
    if os.path.exists(path):
        return
    layer = path + ".layer"
    noise(layer + ".noise", size)
    with tarfile.open(layer, "w") as tar:
        tar.add(layer + ".noise", "noise")
    os.unlink(layer + ".noise")
    with open(layer, "rb") as data:
        diff_id = hashlib.file_digest(data, "sha256").hexdigest()
    files = {"config.json": {"os": "linux", "architecture": "amd64", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff_id]}},
             "manifest.json": [{"Config": "config.json", "RepoTags": ["big:1"],
                                "Layers": ["layer.tar"]}]}
    with tarfile.open(path + ".part", "w") as tar:
        for name, value in files.items():
            with open(layer + ".json", "w", encoding="ascii") as out:
                json.dump(value, out)
            tar.add(layer + ".json", name)
        tar.add(layer, "layer.tar")
    os.unlink(layer)
    os.unlink(layer + ".json")
    os.replace(path + ".part", path)


def group_memory(stage, figures):
    size = 2 << 30
    tar = CACHE + "/2gib.tar"
    archive(tar, size)
    store = stage.store("memory")
    figures.begin("resident memory, 2 GiB layer")
    begun = time.monotonic()
    peak = stage.driver_rss(store, "import", "docker-archive:" + tar, "big:1")
    rate = size / 1e6 / (time.monotonic() - begun)
    figures.add("importing", "MiB", peak, None, MEMORY_MIB, relative=False,
                note="%.0f MB/s of incompressible bytes" % rate)
    server = stage.serve(store)
    begun = time.monotonic()
    push_blob(server.address, "pushed", tar, digest_of(tar))
    rate = size / 1e6 / (time.monotonic() - begun)
    figures.add("receiving", "MiB", server.peak_mib(), None, MEMORY_MIB, relative=False,
                note="%.0f MB/s" % rate)
    server.stop()
    server = stage.serve(store)
    manifest = json.loads(run("curl", "-sS", "-f", "http://%s/v2/big/manifests/1" % server.address))
    layer = manifest["layers"][0]
    url = "http://%s/v2/big/blobs/%s" % (server.address, layer["digest"])
    rate = fetch(url, 1, layer["size"])
    rates = fetch(url, 8, layer["size"] // 4)
    figures.add("serving, to one and eight", "MiB", server.peak_mib(), None, MEMORY_MIB,
                relative=False, note="%.0f MB/s to one, %.0f MB/s to eight, of a layer that the "
                "store packed" % (rate, rates))
    server.stop()
    os.unlink(store)
