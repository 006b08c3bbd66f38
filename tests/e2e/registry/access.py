#!/usr/bin/env python3
"""access.py ADDRESS [--only TEXT]: who may do what, on a server with these accounts:

    writer:w-secret:rw:*            everything
    one:1-secret:r:mine/app         reads one repository
    both:2-secret:rw:mine/app       reads and writes it

Without or with wrong credentials everything is 401, and the answer says nothing else.
"""

import os
import socket
import sys

sys.dont_write_bytecode = True

from talk import (ACCEPT, Checks, Registry, Wrong, digest, json, need, same,  # noqa: E402
                  with_query)

check = Checks()
OCTETS = {"Content-Type": "application/octet-stream"}
NOBODY = digest(b"nobody has this")


class Accounts:
    def __init__(self, address):
        self.address = address
        self.writer, self.one, self.both = (Registry(address, auth) for auth in (
            "writer:w-secret", "one:1-secret", "both:2-secret"))
        self.mine = self.writer.push_image("mine/app", "v1", text="mine")
        self.other = self.writer.push_image("other/app", "v1", text="of another")

    def requests(self):
        """Each endpoint of the spec, for what is there and what is not."""
        for repo in "mine/app", "other/app", "none/app", "UPPER":
            for what in "v1", digest(self.mine), NOBODY, "bad:ref":
                yield from ((m, "/v2/%s/manifests/%s" % (repo, what))
                            for m in ("GET", "HEAD", "PUT", "DELETE"))
            for what in digest(b"mine"), NOBODY:
                yield from ((m, "/v2/%s/blobs/%s" % (repo, what)) for m in ("GET", "HEAD", "DELETE"))
                yield "GET", "/v2/%s/referrers/%s" % (repo, what)
            yield from (("POST", "/v2/%s/blobs/uploads/%s" % (repo, query)) for query in (
                "", "?digest=" + NOBODY, "?mount=%s&from=mine/app" % digest(b"mine")))
            yield from ((m, "/v2/%s/blobs/uploads/6e9b8f0e-6f9c-4a9e-9d51-64d2d6a4f111" % repo)
                        for m in ("GET", "PATCH", "PUT", "DELETE"))
            yield "GET", "/v2/%s/tags/list" % repo
        yield from ((m, path) for path in ("/v2/", "/v2/_catalog", "/", "/v2", "/x")
                    for m in ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "BREW"))


@check("the right credentials are let in")
def _(a):
    for registry in a.writer, a.one, a.both:
        registry.ask("GET", "/v2/", want=200)
        got = registry.ask("GET", "/v2/mine/app/manifests/v1", None, {"Accept": ACCEPT}, want=200)
        same("the manifest", a.mine, got.body)


def bare(a, headers):
    registry = Registry(a.address)
    seen = set()
    for method, path in a.requests():
        answer = registry.ask(method, path, b"body" if method in ("PUT", "PATCH") else None,
                              headers)
        if answer.status != 401:
            raise Wrong("%s %s: %d" % (method, path, answer.status))
        if not need(answer, "WWW-Authenticate").startswith("Basic "):
            raise Wrong("WWW-Authenticate: %s" % answer["WWW-Authenticate"])
        for leak in "Docker-Content-Digest", "Location", "Range", "OCI-Subject", "Link":
            same("%s of %s %s" % (leak, method, path), None, answer[leak])
        if method != "HEAD":
            same("the code", ["UNAUTHORIZED"], answer.codes())
            seen.add(answer.body)
    if len(seen) != 1:
        raise Wrong("%d different bodies: the answer depends on what is asked for" % len(seen))


def wrong_credentials():
    def encoded(text):
        import base64
        return base64.b64encode(text).decode()

    return {
        "none": {},
        "a wrong password": {"Authorization": "Basic " + encoded(b"writer:secret")},
        "the password cut short": {"Authorization": "Basic " + encoded(b"writer:w-secre")},
        "the password and more": {"Authorization": "Basic " + encoded(b"writer:w-secretx")},
        "the password and a NUL": {"Authorization": "Basic " + encoded(b"writer:w-secret\0")},
        "another's password": {"Authorization": "Basic " + encoded(b"writer:1-secret")},
        "no such user": {"Authorization": "Basic " + encoded(b"nobody:w-secret")},
        "an empty user": {"Authorization": "Basic " + encoded(b":")},
        "no colon": {"Authorization": "Basic " + encoded(b"writer")},
        "no base64": {"Authorization": "Basic *not base64*"},
        "nothing after Basic": {"Authorization": "Basic"},
        "an empty header": {"Authorization": ""},
        "a bearer": {"Authorization": "Bearer abc"},
        "10,000 bytes": {"Authorization": "Basic " + encoded(b"writer:" + b"x" * 7000)},
    }


for _what, _headers in wrong_credentials().items():
    def _one(a, headers=_headers):
        bare(a, headers)
    check("401 and nothing else for every request with %s" % _what)(_one)


@check("401 comes before the body is asked for")
def _(a):
    registry = Registry(a.address)
    sock = registry.connect()
    sock.sendall(b"PUT /v2/mine/app/manifests/v9 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
                 b"Expect: 100-continue\r\n\r\n")
    got = sock.recv(4096)
    if not got.startswith(b"HTTP/1.1 401"):
        raise Wrong("%r" % got[:60])
    sock.close()


@check("401 on a connection that was let in before")
def _(a):
    sock = Registry(a.address).connect()
    for auth, want in ("d3JpdGVyOnctc2VjcmV0", b"200"), ("d3JpdGVyOnctc2VjcmV1", b"401"):
        sock.sendall(("GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n\r\n" %
                      auth).encode())
        got = sock.recv(65536)
        same("the status", want, got.split(b" ")[1])
    sock.close()


def hidden(answer, what):
    if answer.status not in (401, 403, 404):
        raise Wrong("%s: %d" % (what, answer.status))
    if answer.status != 401 or answer.body:
        for secret in b"of another", digest(b"of another").encode():
            if secret in answer.body:
                raise Wrong("%s: it tells" % what)


@check("an account sees no other repository, by no request")
def _(a):
    for method, path in a.requests():
        if "/other/app/" in path:
            body = b"body" if method in ("PUT", "PATCH") else None
            for registry in a.one, a.both:
                hidden(registry.ask(method, path, body, OCTETS), method + " " + path)


@check("what is there and what is not look the same to an account that may not see it")
def _(a):
    for path in "/v2/%s/manifests/v1", "/v2/%s/tags/list", "/v2/%s/blobs/" + digest(b"of another"):
        there, not_there = (a.one.ask("GET", path % repo) for repo in ("other/app", "none/app"))
        same("the status of " + path, not_there.status, there.status)
        same("the body of " + path, not_there.body.replace(b"none/app", b""),
             there.body.replace(b"other/app", b""))


@check("the catalog of an account has its own repositories alone")
def _(a):
    for registry in a.one, a.both:
        answer = registry.ask("GET", "/v2/_catalog", want=(200, 401, 403))
        if answer.status == 200:
            same("repositories", ["mine/app"], answer.json()["repositories"])
    found = a.writer.ask("GET", "/v2/_catalog", want=200).json()["repositories"]
    same("the writer's", ["mine/app", "other/app"], found)


@check("no blob of another repository can be mounted")
def _(a):
    secret = digest(b"of another")
    for source in "&from=other/app", "":
        answer = a.both.ask("POST", "/v2/mine/app/blobs/uploads/?mount=%s%s" % (secret, source))
        if answer.status not in (202, 401, 403, 404):
            raise Wrong("%d" % answer.status)
    a.both.ask("GET", "/v2/mine/app/blobs/" + secret, want=404)


@check("an account that reads cannot write")
def _(a):
    for method, path in a.requests():
        if "/mine/app/" not in path or method in ("GET", "HEAD"):
            continue
        answer = a.one.ask(method, path, b"body" if method in ("PUT", "PATCH") else None, OCTETS)
        if answer.status not in (401, 403, 405):
            raise Wrong("%s %s: %d" % (method, path, answer.status))
        if not set(answer.codes()) & {"DENIED", "UNAUTHORIZED", "UNSUPPORTED"}:
            raise Wrong("%s %s: %s" % (method, path, answer.codes()))
    same("tags", ["v1"], a.one.tags("mine/app"))


@check("an account that writes, writes in its repository")
def _(a):
    data = os.urandom(5000)
    location = a.both.begin("mine/app")
    a.one.ask("GET", location, want=(401, 403, 404))
    a.both.ask("PUT", with_query(location, digest=digest(data)), data, OCTETS, want=201)
    a.one.ask("GET", "/v2/mine/app/blobs/" + digest(data), want=200)
    a.both.push_image("mine/app", "v2", text="second")
    same("tags", ["v1", "v2"], a.one.tags("mine/app"))


@check("after all of that the repositories are as they were")
def _(a):
    for repo, data in ("mine/app", a.mine), ("other/app", a.other):
        got = a.writer.ask("GET", "/v2/%s/manifests/v1" % repo, None, {"Accept": ACCEPT}, want=200)
        same("the manifest of " + repo, data, got.body)
    same("tags", ["v1"], a.writer.tags("other/app"))


def main():
    words = sys.argv[1:]
    only = None
    if "--only" in words:
        at = words.index("--only")
        only = words[at + 1]
        del words[at:at + 2]
    if len(words) != 1:
        sys.exit(__doc__)
    return check.run(Accounts(words[0]), only=only)


if __name__ == "__main__":
    sys.exit(main())
