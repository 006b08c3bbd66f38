#!/usr/bin/env python3
"""hostile.py ADDRESS PID [--soak] [--only TEXT]: clients that mean no good, or are just slow.

Each is refused or bounded, an honest client is served meanwhile, and the server (PID) stays below
96 MiB. --soak: also those that take minutes: one byte a second until it is dropped.
"""

import os
import re
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

from talk import (ACCEPT, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Checks,  # noqa: E402
                  Registry, Wrong, descriptor, digest, dump, need, same, with_query)

check = Checks()
MEMORY_MAX_KB = 96 * 1024
BIG = 64 * 1024 * 1024
OCTETS = {"Content-Type": "application/octet-stream"}


class Server(Registry):
    def __init__(self, address, pid):
        super().__init__(address, timeout=120)
        self.pid = pid

    def peak_kb(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))

    def well(self):
        """An honest client is served, at once; memory is bounded."""
        begun = time.monotonic()
        data = self.push_image("hostile/honest", "v1", text="honest %d" % time.monotonic_ns())
        got = self.ask("GET", "/v2/hostile/honest/manifests/v1", None, {"Accept": ACCEPT}, want=200)
        same("the honest client's manifest", data, got.body)
        if time.monotonic() - begun > 10:
            raise Wrong("an honest client waited %.0f s" % (time.monotonic() - begun))
        # An address sanitizer's own memory is no measure.
        if self.peak_kb() > MEMORY_MAX_KB and "SANITIZED" not in os.environ:
            raise Wrong("the server took %d MiB" % (self.peak_kb() // 1024))

    def big_blob(self):
        """64 MiB of noise in the repository `hostile/big`; its digest and the bytes."""
        if not hasattr(self, "big"):
            self.big = os.urandom(1 << 20) * (BIG >> 20)
            self.push_blob("hostile/big", self.big)
        return digest(self.big), self.big


def send(sock, data):
    """All of it, or until the other side has had enough; how much went."""
    sent, view = 0, memoryview(data)
    try:
        while sent < len(data):
            sent += sock.send(view[sent:sent + 65536])
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def reply(sock, wait=60):
    """The status of what comes; 0 when the connection ends without an answer."""
    sock.settimeout(wait)
    got = b""
    try:
        while b"\r\n" not in got:
            more = sock.recv(4096)
            if not more:
                break
            got += more
    except ConnectionResetError:
        pass
    except socket.timeout:
        raise Wrong("no answer after %d s" % wait) from None
    found = re.match(rb"HTTP/1\.[01] (\d+)", got)
    return int(found.group(1)) if found else 0


def head(method, path, **headers):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: registry"]
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def refused(status, *more):
    """0: the connection was ended."""
    if status not in (0, 400, 413) + more:
        raise Wrong("%d" % status)


# --- manifests

@check("a manifest that says it has 100 MB is refused before they are sent")
def _(r):
    sock = r.connect()
    send(sock, head("PUT", "/v2/hostile/m/manifests/v1", Content_Type=OCI_MANIFEST,
                    Content_Length=100_000_000, Expect="100-continue"))
    same("the answer", 413, reply(sock))
    sock.close()
    r.well()


@check("a manifest of 100 MB that is sent all the same is refused; nothing is kept of it")
def _(r):
    for extra in {"Content_Length": 100_000_000}, {"Transfer_Encoding": "chunked"}:
        sock = r.connect()
        send(sock, head("PUT", "/v2/hostile/m/manifests/v1", Content_Type=OCI_MANIFEST, **extra))
        if "Content_Length" in extra:
            send(sock, b" " * 100_000_000)
        else:
            piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            for _ in range(100):
                if send(sock, piece) < len(piece):
                    break
            send(sock, b"0\r\n\r\n")
        refused(reply(sock))
        sock.close()
    r.ask("GET", "/v2/hostile/m/manifests/v1", want=404)
    r.well()


@check("a manifest of just under 4 MB is taken (the spec: registries should), one above is 413")
def _(r):
    config = b"{}"
    r.push_blob("hostile/four", config)
    value = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
             "config": descriptor(OCI_CONFIG, config), "layers": [], "annotations": {"a": ""}}
    value["annotations"]["a"] = "x" * (4_000_000 - len(dump(value)))
    r.push_manifest("hostile/four", "v1", value)
    got = r.ask("GET", "/v2/hostile/four/manifests/v1", None, {"Accept": ACCEPT}, want=200)
    same("its length", 4_000_000, len(got.body))
    value["annotations"]["a"] = "x" * (5 << 20)
    r.push_manifest("hostile/four", "v2", value, want=413)


DEEP = {
    "lists": b"[" * 2_000_000,
    "closed lists": b"[" * 500_000 + b"]" * 500_000,
    "objects": b'{"a":' * 400_000,
    "a manifest's annotations": b'{"schemaVersion":2,"mediaType":"%s","config":'
                                b'{"mediaType":"%s","digest":"sha256:%s","size":2},"layers":[],'
                                b'"annotations":%s}' % (
                                    OCI_MANIFEST.encode(), OCI_CONFIG.encode(), b"a" * 64,
                                    b'{"a":' * 300_000 + b"1" + b"}" * 300_000),
}


@check("deep JSON is refused, and nobody's stack runs over")
def _(r):
    for what, data in DEEP.items():
        answer = r.ask("PUT", "/v2/hostile/deep/manifests/v1", data, {"Content-Type": OCI_MANIFEST})
        if answer.status != 400 or "MANIFEST_INVALID" not in answer.codes():
            raise Wrong("%s: %d" % (what, answer.status))
    r.well()


@check("manifests with a million entries, doubled keys, NULs, huge and negative numbers")
def _(r):
    entry = dump(descriptor(OCI_LAYER, b"none"))
    start = b'{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[' % (
        OCI_MANIFEST.encode(), entry)
    bad = [start + b",".join([entry] * 25000) + b"]}",
           start + entry.replace(b'"size":4', b'"size":-4') + b"]}",
           start + entry.replace(b'"size":4', b'"size":1e400') + b"]}",
           start + entry.replace(b'"size":4', b'"size":99999999999999999999999') + b"]}",
           start + b'{"digest":"sha256:\\u0000"}]}',
           start.replace(b"2,", b"2,\"config\":1,", 1) + b"]}"]
    for data in bad:
        answer = r.ask("PUT", "/v2/hostile/odd/manifests/v1", data, {"Content-Type": OCI_MANIFEST})
        if answer.status not in (400, 404, 413):
            raise Wrong("%r...: %d" % (data[:60], answer.status))
        answer.codes()
    r.ask("GET", "/v2/hostile/odd/manifests/v1", want=404)
    r.well()


@check("an index that contains itself, or a loop of subjects, ends nobody")
def _(r):
    data = r.push_image("hostile/loop", "v1")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX,
             "manifests": [descriptor(OCI_MANIFEST, data)] * 2}
    for _ in range(30):  # each holds the one before twice
        r.push_manifest("hostile/loop", "v1", index)
        index = {**index, "manifests": [descriptor(OCI_INDEX, dump(index))] * 2}
    r.ask("GET", "/v2/hostile/loop/manifests/v1", None, {"Accept": ACCEPT}, want=200)
    r.well()


# --- requests

@check("a header without end is refused")
def _(r):
    sock = r.connect()
    send(sock, b"GET /v2/ HTTP/1.1\r\nHost: registry\r\n")
    line = b"X-Filler: " + b"y" * 1000 + b"\r\n"
    for _ in range(20000):
        if send(sock, line) < len(line):
            break
    refused(reply(sock), 431)
    sock.close()
    sock = r.connect()
    send(sock, b"GET /v2/" + b"a" * 10_000_000)
    refused(reply(sock), 404, 414, 431)
    sock.close()
    r.well()


@check("what is no HTTP is refused")
def _(r):
    for text in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), b"\0" * 1000, \
            b"GET\r\n\r\n", b"PUT /v2/ HTTP/9.9\r\n\r\n", b"\r\n" * 5000, os.urandom(100000):
        sock = r.connect()
        send(sock, text)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        status = reply(sock)
        if status and status < 400:
            raise Wrong("%r: %d" % (text[:20], status))
        sock.close()
    r.well()


@check("a body that is longer than it says does not become part of the blob")
def _(r):
    location = r.path(with_query(r.begin("hostile/long"), digest=digest(b"12345")))
    sock = r.connect()
    send(sock, head("PUT", location, Content_Length=5) + b"12345" + b"6" * 100000)
    status = reply(sock)
    same("the answer", 201, status)
    sock.close()
    got = r.ask("GET", "/v2/hostile/long/blobs/" + digest(b"12345"), want=200)
    same("the blob", b"12345", got.body)
    r.well()


@check("a body that is shorter than it says makes no blob")
def _(r):
    location = r.path(with_query(r.begin("hostile/short"), digest=digest(b"12345")))
    sock = r.connect()
    send(sock, head("PUT", location, Content_Length=500) + b"12345")
    sock.shutdown(socket.SHUT_WR)
    refused(reply(sock))
    sock.close()
    r.ask("HEAD", "/v2/hostile/short/blobs/" + digest(b"12345"), want=404)
    r.well()


@check("two lengths, a length and chunks, odd chunk sizes: refused, or read as one request")
def _(r):
    path = "/v2/hostile/smuggle/blobs/uploads/"
    for headers in ("Content-Length: 5\r\nContent-Length: 6\r\n",
                    "Content-Length: -1\r\n", "Content-Length: 99999999999999999999999\r\n",
                    "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc",
                    "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n"):
        sock = r.connect()
        send(sock, ("POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, headers)).encode())
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        status = reply(sock)
        if status >= 500:
            raise Wrong("%r: %d" % (headers, status))
        sock.close()
    r.well()


@check("a thousand uploads that are begun and left, and an honest one")
def _(r):
    seen = set()
    for _ in range(1000):
        answer = r.ask("POST", "/v2/hostile/left/blobs/uploads/")
        seen.add(answer.status)
        if answer.status not in (202, 429, 503):
            raise Wrong("%d" % answer.status)
    if 202 not in seen:
        raise Wrong("none was taken")
    deadline = time.monotonic() + 30
    while True:  # where their number is bounded, room has to come back
        try:
            r.well()
            return
        except Wrong:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


# --- time

def slow_sender(sock, text, stop, every=1):
    try:
        for byte in text:
            sock.send(bytes((byte,)))
            if stop.wait(every):
                break
    except OSError:
        pass


def patiently(ask, *words, seconds=30):
    """Uploads that were left make room one by one, as they grow old."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask(*words)
        except Wrong as wrong:
            if " 429 " not in str(wrong) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@check("forty clients that send one byte a second, in headers and bodies: others are served")
def _(r):
    stop, socks, threads = threading.Event(), [], []
    for i in range(40):
        sock = r.connect()
        text = b"GET /v2/ HTTP/1.1\r\nX: " + b"y" * 1000
        if i % 2:
            location = r.path(with_query(patiently(r.begin, "hostile/slow"),
                                         digest=digest(b"")))
            send(sock, head("PUT", location, Content_Length=100000))
            text = b"z" * 1000
        socks.append(sock)
        threads.append(threading.Thread(target=slow_sender, args=(sock, text, stop)))
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            r.well()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for sock in socks:
            sock.close()


@check("twenty clients that ask for 64 MB and never read: others are served")
def _(r):
    name, _ = r.big_blob()
    socks = []
    for _ in range(20):
        sock = r.connect()
        send(sock, head("GET", "/v2/hostile/big/blobs/" + name))
        socks.append(sock)
    try:
        for sock in socks:  # each is being answered
            sock.settimeout(30)
            sock.recv(1, socket.MSG_PEEK)
        r.well()
    finally:
        for sock in socks:
            sock.close()


@check("more connections than there is room for: refused or waiting, and served again afterwards")
def _(r):
    socks = []
    try:
        for _ in range(400):
            sock = r.connect()
            sock.settimeout(2)
            socks.append(sock)
    except OSError:
        pass
    for sock in socks:
        sock.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            r.well()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@check("an honest reader that stalls for 20 s is served to the end")
def _(r):
    name, data = r.big_blob()
    sock = r.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    send(sock, head("GET", "/v2/hostile/big/blobs/" + name, Connection="close"))
    got = bytearray(sock.recv(100000))
    time.sleep(20)
    while True:
        more = sock.recv(1 << 20)
        if not more:
            break
        got += more
    sock.close()
    same("the digest", name, digest(bytes(got[got.index(b"\r\n\r\n") + 4:])))
    same("the length", len(data), len(got) - got.index(b"\r\n\r\n") - 4)


@check("an honest sender that stalls for 20 s is taken to the end")
def _(r):
    data = os.urandom(3_000_000)
    location = r.path(with_query(r.begin("hostile/stall"), digest=digest(data)))
    sock = r.connect()
    send(sock, head("PUT", location, Content_Length=len(data)) + data[:1_000_000])
    time.sleep(20)
    send(sock, data[1_000_000:])
    same("the answer", 201, reply(sock))
    sock.close()
    r.ask("HEAD", "/v2/hostile/stall/blobs/" + digest(data), want=200)


@check("a client that sends one byte a second is dropped after a few minutes", soak=True)
def _(r):
    location = r.path(with_query(r.begin("hostile/dropped"), digest=digest(b"")))
    ends = {}
    for what, start in ("header", b"GET /v2/ HTTP/1.1\r\nX: "), \
            ("body", head("PUT", location, Content_Length=100000)):
        sock = r.connect()
        send(sock, start)
        ends[what] = sock
    begun = time.monotonic()
    while ends and time.monotonic() - begun < 12 * 60:
        for what, sock in list(ends.items()):
            sock.settimeout(0.5)
            try:
                sock.send(b"y")
                if not sock.recv(100):
                    raise ConnectionResetError
            except socket.timeout:
                pass
            except OSError:
                print("    %s: dropped after %.0f s" % (what, time.monotonic() - begun))
                del ends[what]
    if ends:
        raise Wrong("still connected after 12 minutes: %s" % ", ".join(ends))


@check("the server took no more than 96 MiB for all of that")
def _(r):
    r.well()
    print("    VmHWM %.1f MiB" % (r.peak_kb() / 1024))


def main():
    words = sys.argv[1:]
    only = None
    if "--only" in words:
        at = words.index("--only")
        only = words[at + 1]
        del words[at:at + 2]
    without = () if "--soak" in words else ("soak",)
    words = [word for word in words if word != "--soak"]
    if len(words) != 2:
        sys.exit(__doc__)
    return check.run(Server(words[0], int(words[1])), without=without, only=only)


if __name__ == "__main__":
    sys.exit(main())
