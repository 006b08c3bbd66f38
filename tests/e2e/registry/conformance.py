#!/usr/bin/env python3
"""conformance.py ADDRESS [--peer] [--only TEXT]: a registry against the OCI distribution spec 1.1.

Every MUST of the spec that binds a registry, in our words; the checks are named by them.

Pull
  P1  GET of a manifest that exists: 200, the bytes that were pushed
  P2  Docker-Content-Digest, where it is sent, is the digest of the body
  P3  GET of a manifest that does not exist: 404
  P4  GET of a blob that exists: 200, its bytes
  P5  GET of a blob that does not exist: 404
  P6  HEAD of a manifest or blob that exists: 200; of one that does not: 404
Push
  U1  POST of an upload: 202, with a Location that is unique to the session
  U2  PUT that ends an upload: 201, with a Location from which the blob can be pulled
  U3  POST with the digest and the whole blob: 201 or 202, with a Location
  U4  PATCH with a chunk: 202, with Location and Range 0-END
  U5  a chunk out of order: 416
  U6  GET of an upload's location: 204, with Location and Range
  U7  PUT that ends a chunked upload, with or without a last chunk: 201, with Location
  U8  a mount that worked: 201, with a Location from which the blob can be pulled; else 202 and an
      upload
  U9  PUT of a manifest: 201, with a Location from which it can be pulled
  U10 a manifest is kept byte for byte
  U11 a manifest that is refused for a missing blob: the code MANIFEST_BLOB_UNKNOWN
  U12 a manifest whose subject is not there is taken
  U13 the answer to a manifest with a subject: OCI-Subject with its digest
Content discovery
  D1  tags of a repository that exists: 200, JSON of name and tags
  D2  tags are in lexical order
  D3  n: no more than so many; n=0: none, and no Link
  D4  last: what comes after it, in order; Link leads on, with rel="next" (RFC 5988)
  D5  referrers: 200 with an index of the type of an OCI index; never 404; an empty one for none
  D6  its descriptors have artifactType: the manifest's, else its config's media type
  D7  its descriptors have the manifest's annotations
  D8  a filter that was applied is told of: OCI-Filters-Applied
  D9  referrers of what is no digest: 400
Content management
  M1  DELETE of a tag: 202, and it is gone
  M2  DELETE of a manifest by digest: 202, and it is gone
  M3  DELETE of a blob: 202, and it is gone; of one that is not there: 404
  M4  DELETE in a repository that does not exist: 404
All
  A1  GET /v2/: 200
  A2  a JSON body of a 4xx has the form of the spec: errors, with codes of capitals
  A3  names and references that do not match the spec's grammar are refused

--peer: only what Debian's docker-registry 2.8 does too, which shows that the checks are right.
"""

import itertools
import json
import os
import re
import socket
import sys

sys.dont_write_bytecode = True

from talk import (ACCEPT, DOCKER_MANIFEST, OCI_CONFIG, OCI_EMPTY, OCI_INDEX,  # noqa: E402
                  OCI_LAYER, OCI_MANIFEST, Checks, Registry, Wrong, descriptor, digest, dump, need,
                  same, with_query)

check = Checks()
numbers = itertools.count(1)
MISSING = digest(b"nobody has this")
OCTETS = {"Content-Type": "application/octet-stream"}


def fresh():
    """A repository that no other check uses."""
    return "conformance/t%d-%d" % (os.getpid(), next(numbers))


def blob_path(repo, what):
    return "/v2/%s/blobs/%s" % (repo, what)


def manifest_path(repo, reference):
    return "/v2/%s/manifests/%s" % (repo, reference)


# --- all

@check("A1 end-1: GET /v2/ is 200")
def _(r):
    answer = r.ask("GET", "/v2/", want=200)
    same("Docker-Distribution-API-Version", "registry/2.0",
         answer["Docker-Distribution-API-Version"])


@check("A2 errors have the form of the spec, and JSON as type")
def _(r):
    answer = r.ask("GET", manifest_path(fresh(), "latest"), want=404,
                   code=("MANIFEST_UNKNOWN", "NAME_UNKNOWN"))
    if not need(answer, "Content-Type").startswith("application/json"):
        raise Wrong("Content-Type %s" % answer["Content-Type"])


@check("A3 names outside of the grammar are refused", own=True)
def _(r):
    for name in "UPPER/case", "a..b", "-a", "a/-b", "a_-_b", "a%20b", "a/b-":
        answer = r.ask("GET", "/v2/%s/tags/list" % name)
        if answer.status not in (400, 404):
            raise Wrong("%s: %d" % (name, answer.status))
        answer = r.ask("POST", "/v2/%s/blobs/uploads/" % name)
        if answer.status not in (400, 404):
            raise Wrong("upload to %s: %d" % (name, answer.status))


@check("A3 names inside of the grammar are taken")
def _(r):
    base = fresh()
    for name in "a", "a/b/c/d/e", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "x" * 100:
        r.begin(base + "/" + name)


@check("A3 references outside of the grammar are refused", own=True)
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    for reference in "-a", ".a", "a" * 129, "a%20b", "sha256:abc", "md5:" + "0" * 32:
        answer = r.push_manifest(repo, reference, data, want=(400, 404))
        if reference in r.tags(repo):
            raise Wrong("%s is a tag now (%d)" % (reference, answer.status))
    r.push_manifest(repo, "_" + "a" * 127, data)


@check("A2 what is not part of the API is 404, other methods 405", own=True)
def _(r):
    r.ask("GET", "/v2/%s/nothing" % fresh(), want=404)
    r.ask("GET", "/", want=404)
    r.ask("GET", "/v1/_ping", want=404)
    r.ask("DELETE", "/v2/", want=405)
    r.ask("POST", manifest_path(fresh(), "a"), want=405, code="UNSUPPORTED")
    r.ask("PUT", "/v2/%s/tags/list" % fresh(), want=405)


@check("A3 paths that climb, and odd escapes, lead nowhere")
def _(r):
    for path in ("/v2/../../etc/passwd", "/v2/a/../b/tags/list", "/v2/%2e%2e/%2e%2e/etc/passwd",
                 "/v2/a%2fb/tags/list%00", "/v2//tags/list", "/v2/a//b/tags/list", "/v2/%zz/tags/list"):
        answer = r.ask("GET", path)
        if answer.status not in (301, 400, 404):
            raise Wrong("%s: %d" % (path, answer.status))


# --- pull

@check("P1 end-3: GET of a manifest by tag and by digest is 200, with the bytes that were pushed")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    for reference in "v1", digest(data):
        answer = r.ask("GET", manifest_path(repo, reference), None, {"Accept": ACCEPT}, want=200)
        same("the manifest", data, answer.body)
        same("Content-Type", OCI_MANIFEST, answer["Content-Type"])


@check("P1 a client that says nothing of types gets the manifest as it is", own=True)
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    same("the manifest", data, r.ask("GET", manifest_path(repo, "v1"), want=200).body)


@check("P2 Docker-Content-Digest is the digest of the body: manifests and blobs, GET and HEAD")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1", text="digested")
    for method in "GET", "HEAD":
        for path, what in ((manifest_path(repo, "v1"), data),
                           (blob_path(repo, digest(b"digested")), b"digested")):
            answer = r.ask(method, path, None, {"Accept": ACCEPT}, want=200)
            same("Docker-Content-Digest", digest(what), answer["Docker-Content-Digest"])
            same("Content-Length", str(len(what)), answer["Content-Length"])


@check("P3 end-3: GET of a manifest that does not exist is 404: tag, digest, repository")
def _(r):
    repo = fresh()
    r.push_image(repo, "v1")
    r.ask("GET", manifest_path(repo, "other"), want=404, code="MANIFEST_UNKNOWN")
    r.ask("GET", manifest_path(repo, MISSING), want=404, code="MANIFEST_UNKNOWN")
    r.ask("GET", manifest_path(fresh(), "v1"), want=404, code=("MANIFEST_UNKNOWN", "NAME_UNKNOWN"))


@check("P4 end-2: GET of a blob that exists is 200, with its bytes")
def _(r):
    repo = fresh()
    for data in b"some bytes", b"", os.urandom(300000):
        r.push_blob(repo, data)
        answer = r.ask("GET", blob_path(repo, digest(data)), want=200)
        same("the blob", data, answer.body)


@check("P5 end-2: GET of a blob that does not exist is 404; what is no digest is 400 or 404")
def _(r):
    repo = fresh()
    r.push_blob(repo, b"x")
    r.ask("GET", blob_path(repo, MISSING), want=404, code="BLOB_UNKNOWN")
    r.ask("GET", blob_path(repo, "sha256:12"), want=(400, 404))
    r.ask("GET", blob_path(repo, "x"), want=(400, 404))


@check("P5 a blob of another repository cannot be had under this name")
def _(r):
    mine, other = fresh(), fresh()
    r.push_blob(mine, b"private to mine")
    r.push_blob(other, b"y")
    r.ask("GET", blob_path(other, digest(b"private to mine")), want=404, code="BLOB_UNKNOWN")
    r.ask("HEAD", blob_path(other, digest(b"private to mine")), want=404)


@check("P5 a manifest of another repository cannot be had under this name")
def _(r):
    mine, other = fresh(), fresh()
    data = r.push_image(mine, "v1", text="private")
    r.push_image(other, "v1", text="public")
    r.ask("GET", manifest_path(other, digest(data)), want=404)


@check("P6 HEAD is 200 for what exists and 404 for what does not, always without a body")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1", text="head")
    r.ask("HEAD", manifest_path(repo, "v1"), None, {"Accept": ACCEPT}, want=200)
    r.ask("HEAD", manifest_path(repo, digest(data)), None, {"Accept": ACCEPT}, want=200)
    r.ask("HEAD", blob_path(repo, digest(b"head")), want=200)
    r.ask("HEAD", manifest_path(repo, "v2"), want=404)
    r.ask("HEAD", manifest_path(repo, MISSING), want=404)
    r.ask("HEAD", blob_path(repo, MISSING), want=404)
    r.ask("HEAD", blob_path(fresh(), MISSING), want=404)


RANGES = (("bytes=0-0", 0, 1), ("bytes=0-99", 0, 100), ("bytes=100-", 100, None),
          ("bytes=65535-65536", 65535, 65537), ("bytes=131072-299999", 131072, 300000),
          ("bytes=-10", -10, None), ("bytes=299999-299999", 299999, 300000),
          ("bytes=299990-400000", 299990, 300000))


@check("P4 ranges of a blob (RFC 9110): 206, Content-Range, and just those bytes")
def _(r):
    repo = fresh()
    data = os.urandom(300000)
    r.push_blob(repo, data)
    path = blob_path(repo, digest(data))
    for text, start, end in RANGES:
        answer = r.ask("GET", path, None, {"Range": text}, want=206)
        same("bytes of " + text, data[start:end], answer.body)
        first = start if start >= 0 else len(data) + start
        same("Content-Range of " + text,
             "bytes %d-%d/%d" % (first, first + len(answer.body) - 1, len(data)),
             answer["Content-Range"])
    same("Accept-Ranges", "bytes", r.ask("HEAD", path, want=200)["Accept-Ranges"])


@check("P4 a range past the end is 416 with the length; what is no range is left out of account",
       own=True)
def _(r):
    repo = fresh()
    data = os.urandom(1000)
    r.push_blob(repo, data)
    path = blob_path(repo, digest(data))
    for text in "bytes=1000-", "bytes=5000-6000":
        r.ask("GET", path, None, {"Range": text}, want=416)
    for text in "lines=0-5", "bytes=5-2", "bytes=a-b":
        answer = r.ask("GET", path, None, {"Range": text}, want=(200, 416, 400))
        if answer.status == 200:
            same("the blob for " + text, data, answer.body)


@check("P4 many ranges at once are not amplified", own=True)
def _(r):
    repo = fresh()
    data = os.urandom(10000)
    r.push_blob(repo, data)
    many = "bytes=" + ",".join("0-9999" for _ in range(500))
    answer = r.ask("GET", blob_path(repo, digest(data)), None, {"Range": many})
    if len(answer.body) > 2 * len(data):
        raise Wrong("%d: %d bytes" % (answer.status, len(answer.body)))


# --- push

@check("U1 end-4a: POST of an upload is 202, with a Location of its own each time")
def _(r):
    repo = fresh()
    locations = {r.path(r.begin(repo)) for _ in range(5)}
    same("different locations", 5, len(locations))


@check("U2 end-6: PUT with the digest and all bytes is 201; the Location leads to the blob")
def _(r):
    repo, data = fresh(), os.urandom(200000)
    answer = r.ask("PUT", with_query(r.begin(repo), digest=digest(data)), data, OCTETS, want=201)
    same("Docker-Content-Digest", digest(data), answer["Docker-Content-Digest"])
    same("the blob", data, r.ask("GET", need(answer, "Location"), want=200).body)


@check("U3 end-4b: POST with digest and the whole blob is 201 or 202, with a Location")
def _(r):
    repo, data = fresh(), os.urandom(70000)
    answer = r.ask("POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest(data)), data, OCTETS,
                   want=(201, 202))
    location = need(answer, "Location")
    if answer.status == 201:
        same("the blob", data, r.ask("GET", location, want=200).body)


@check("U3 end-4b: such a POST is one request for the whole blob", own=True)
def _(r):
    repo = fresh()
    for data in b"", b"one", os.urandom(70001):
        path = "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest(data))
        location = need(r.ask("POST", path, data, OCTETS, want=201), "Location")
        same("the blob", data, r.ask("GET", location, want=200).body)
    r.ask("POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, MISSING), b"z", OCTETS, want=400,
          code="DIGEST_INVALID")
    r.ask("GET", blob_path(repo, MISSING), want=404)


@check("U2 a digest that does not match is 400 DIGEST_INVALID, and no blob is there")
def _(r):
    repo = fresh()
    r.ask("PUT", with_query(r.begin(repo), digest=MISSING), b"wrong bytes", OCTETS, want=400,
          code="DIGEST_INVALID")
    r.ask("HEAD", blob_path(repo, MISSING), want=404)
    r.ask("HEAD", blob_path(repo, digest(b"wrong bytes")), want=404)


@check("U2 a PUT without a digest, or with what is none, is 400")
def _(r):
    repo = fresh()
    r.ask("PUT", r.begin(repo), b"abc", OCTETS, want=400, code="DIGEST_INVALID")
    for bad in "sha256:xyz", "md5:00", "sha256:" + "A" * 64, "":
        r.ask("PUT", with_query(r.begin(repo), digest=bad), b"abc", OCTETS, want=400,
              code=("DIGEST_INVALID", "UNSUPPORTED"))


@check("U2 uploads that nobody began are 404 BLOB_UPLOAD_UNKNOWN: PUT, PATCH, GET, DELETE",
       own=True)
def _(r):
    repo = fresh()
    r.begin(repo)
    path = "/v2/%s/blobs/uploads/6e9b8f0e-6f9c-4a9e-9d51-64d2d6a4f111" % repo
    r.ask("GET", path, want=404, code="BLOB_UPLOAD_UNKNOWN")
    r.ask("DELETE", path, want=404, code="BLOB_UPLOAD_UNKNOWN")
    r.ask("PATCH", path, b"abc", OCTETS, want=404, code="BLOB_UPLOAD_UNKNOWN")
    r.ask("PUT", with_query(path, digest=digest(b"abc")), b"abc", OCTETS, want=404,
          code="BLOB_UPLOAD_UNKNOWN")


@check("U2 an upload of one repository is none of another", own=True)
def _(r):
    repo, other = fresh(), fresh()
    location = r.path(r.begin(repo))
    stolen = location.replace(repo, other)
    if stolen != location:
        r.ask("PUT", with_query(stolen, digest=digest(b"abc")), b"abc", OCTETS, want=404)
        r.ask("HEAD", blob_path(other, digest(b"abc")), want=404)


def chunk(r, location, data, start, want=202):
    return r.ask("PATCH", location, data,
                 {**OCTETS, "Content-Range": "%d-%d" % (start, start + len(data) - 1)}, want=want)


@check("U4 U7 end-5: chunks in order are 202 with Location and Range; the PUT is 201")
def _(r):
    repo, data = fresh(), os.urandom(250000)
    location = r.begin(repo)
    for start in range(0, len(data), 100000):
        answer = chunk(r, location, data[start:start + 100000], start)
        location = need(answer, "Location")
        same("Range", "0-%d" % (min(start + 100000, len(data)) - 1), answer["Range"])
    answer = r.ask("PUT", with_query(location, digest=digest(data)), want=201)
    same("the blob", data, r.ask("GET", need(answer, "Location"), want=200).body)


@check("U7 end-6: the last chunk may come with the PUT")
def _(r):
    repo, data = fresh(), os.urandom(100001)
    location = need(chunk(r, r.begin(repo), data[:60000], 0), "Location")
    answer = r.ask("PUT", with_query(location, digest=digest(data)), data[60000:],
                   {**OCTETS, "Content-Range": "60000-100000"}, want=201)
    same("the blob", data, r.ask("GET", need(answer, "Location"), want=200).body)


@check("U4 a streamed PATCH: chunked transfer, without Content-Range, as docker sends it")
def _(r):
    repo, data = fresh(), os.urandom(500000)
    pieces = (data[i:i + 7001] for i in range(0, len(data), 7001))
    answer = r.ask("PATCH", r.begin(repo), pieces, OCTETS, want=202, chunked=True)
    same("Range", "0-%d" % (len(data) - 1), answer["Range"])
    r.ask("PUT", with_query(need(answer, "Location"), digest=digest(data)), want=201)
    same("the blob", data, r.ask("GET", blob_path(repo, digest(data)), want=200).body)


@check("U5 a chunk out of order is 416; the upload goes on afterwards", own=True)
def _(r):
    repo, data = fresh(), os.urandom(3000)
    location = r.begin(repo)
    chunk(r, location, data[1000:2000], 1000, want=416)
    location = need(chunk(r, location, data[:1000], 0), "Location")
    chunk(r, location, data[:1000], 0, want=416)
    answer = chunk(r, location, data[2000:], 2000, want=416)
    same("Range of the refused chunk", "0-999", answer["Range"])
    location = need(chunk(r, need(answer, "Location"), data[1000:], 1000), "Location")
    r.ask("PUT", with_query(location, digest=digest(data)), want=201)
    same("the blob", data, r.ask("GET", blob_path(repo, digest(data)), want=200).body)


@check("U5 a Content-Range that says something else than the body is refused", own=True)
def _(r):
    location = r.begin(fresh())
    for text in "0-5", "5-0", "a-b", "bytes 0-9/10", "0-99999999999999999999", "-", "0":
        answer = r.ask("PATCH", location, b"0123456789", {**OCTETS, "Content-Range": text})
        if answer.status not in (400, 416):
            raise Wrong("%s: %d" % (text, answer.status))


@check("U6 end-13: GET of an upload's location is 204 with Location and Range")
def _(r):
    location = r.begin(fresh())
    answer = r.ask("GET", location, want=204)
    location = need(chunk(r, need(answer, "Location"), b"0123456789", 0), "Location")
    answer = r.ask("GET", location, want=204)
    same("Range", "0-9", answer["Range"])
    need(answer, "Location")


@check("U6 a chunk whose connection breaks: the status says where to go on, and it does", own=True)
def _(r):
    repo, data = fresh(), os.urandom(400000)
    location = need(chunk(r, r.begin(repo), data[:100000], 0), "Location")
    sock = r.connect()
    sock.sendall(("PATCH %s HTTP/1.1\r\nHost: registry\r\nContent-Length: 300000\r\n"
                  "Content-Range: 100000-399999\r\n\r\n" % r.path(location)).encode())
    sock.sendall(data[100000:230000])
    sock.shutdown(socket.SHUT_WR)
    sock.close()
    answer = r.ask("GET", location, want=204)
    end = int(need(answer, "Range").split("-")[1]) + 1
    if not 100000 <= end <= 230000:
        raise Wrong("Range %s after 230000 bytes were sent" % answer["Range"])
    location = need(chunk(r, need(answer, "Location"), data[end:], end), "Location")
    r.ask("PUT", with_query(location, digest=digest(data)), want=201)
    same("the blob", data, r.ask("GET", blob_path(repo, digest(data)), want=200).body)


@check("U6 an upload that is cancelled (DELETE) is gone")
def _(r):
    location = r.begin(fresh())
    r.ask("DELETE", location, want=204)
    r.ask("GET", location, want=404, code="BLOB_UPLOAD_UNKNOWN")


@check("U8 end-11: a mount is 201, its Location leads to the blob")
def _(r):
    mine, other, data = fresh(), fresh(), os.urandom(1000)
    r.push_blob(mine, data)
    answer = r.ask("POST", "/v2/%s/blobs/uploads/?mount=%s&from=%s" % (other, digest(data), mine),
                   want=201)
    same("the blob", data, r.ask("GET", need(answer, "Location"), want=200).body)
    r.ask("HEAD", blob_path(other, digest(data)), want=200)


@check("U8 end-11: a mount of what is not there is 202, an upload that works")
def _(r):
    repo, data = fresh(), os.urandom(1000)
    for source in fresh(), repo:
        answer = r.ask("POST", "/v2/%s/blobs/uploads/?mount=%s&from=%s" % (
            repo, digest(data), source), want=202)
    r.ask("PUT", with_query(need(answer, "Location"), digest=digest(data)), data, OCTETS, want=201)


@check("U9 end-7: PUT of a manifest is 201; its Location leads to it")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    for reference in "v2", digest(data):
        answer = r.push_manifest(repo, reference, data)
        same("Docker-Content-Digest", digest(data), answer["Docker-Content-Digest"])
        got = r.ask("GET", need(answer, "Location"), None, {"Accept": ACCEPT}, want=200)
        same("the manifest", data, got.body)


@check("U10 a manifest is kept byte for byte: odd spaces, order and unknown keys")
def _(r):
    repo = fresh()
    value = json.loads(r.push_image(repo, "v1"))
    value["annotations"] = {"z": "ä\u2028\U0001f600", "a": "\\/"}
    for data in (json.dumps(value, indent=3).encode() + b"\n\n",
                 json.dumps(dict(reversed(value.items())), ensure_ascii=False).encode()):
        r.push_manifest(repo, "odd", data, OCI_MANIFEST)
        got = r.ask("GET", manifest_path(repo, "odd"), None, {"Accept": ACCEPT}, want=200)
        same("the manifest", data, got.body)


@check("U9 a tag can be moved; the old manifest stays under its digest")
def _(r):
    repo = fresh()
    old, new = r.push_image(repo, "v", text="old"), r.push_image(repo, "v", text="new")
    get = lambda what: r.ask("GET", manifest_path(repo, what), None, {"Accept": ACCEPT}, want=200)
    same("by tag", new, get("v").body)
    same("by digest", old, get(digest(old)).body)
    same("tags", ["v"], r.tags(repo))


@check("U9 a manifest by a digest that it does not have is 400")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    r.push_manifest(repo, MISSING, data, want=400, code=("DIGEST_INVALID", "MANIFEST_INVALID"))
    r.ask("GET", manifest_path(repo, MISSING), want=404)


@check("U9 Docker's schema 2 is a manifest like any other")
def _(r):
    repo = fresh()
    value = json.loads(r.push_image(repo, "oci"))
    value["mediaType"] = DOCKER_MANIFEST
    value["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    value["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    r.push_manifest(repo, "docker", value)
    answer = r.ask("GET", manifest_path(repo, "docker"), None, {"Accept": ACCEPT}, want=200)
    same("Content-Type", DOCKER_MANIFEST, answer["Content-Type"])
    same("the manifest", dump(value), answer.body)


@check("U9 an index of two images is kept, and can be had by tag")
def _(r):
    repo = fresh()
    images = [r.push_image(repo, None, text="arch %d" % i) for i in range(2)]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        descriptor(OCI_MANIFEST, data, platform={"os": "linux", "architecture": arch})
        for data, arch in zip(images, ("amd64", "arm64"))]}
    r.push_manifest(repo, "multi", index)
    answer = r.ask("GET", manifest_path(repo, "multi"), None, {"Accept": ACCEPT}, want=200)
    same("the index", dump(index), answer.body)
    same("Content-Type", OCI_INDEX, answer["Content-Type"])


@check("U11 a manifest whose layer or config is not there is refused: MANIFEST_BLOB_UNKNOWN")
def _(r):
    repo = fresh()
    value = json.loads(r.push_image(repo, "v1"))
    for part in "layer", "config":
        broken = json.loads(dump(value))
        (broken["layers"][0] if part == "layer" else broken["config"])["digest"] = MISSING
        r.push_manifest(repo, "broken", broken, want=(400, 404), code="MANIFEST_BLOB_UNKNOWN")
    r.ask("GET", manifest_path(repo, "broken"), want=404)


@check("U11 a layer that only another repository has is not there", own=True)
def _(r):
    mine, other = fresh(), fresh()
    data = r.push_image(mine, "v1", text="secret layer")
    r.begin(other)
    r.push_manifest(other, "v1", data, want=(400, 404), code="MANIFEST_BLOB_UNKNOWN")


@check("U11 an index whose manifest is not there is refused")
def _(r):
    repo = fresh()
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": MISSING, "size": 100}]}
    r.push_manifest(repo, "broken", index, want=(400, 404),
                    code=("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN"))


@check("U9 what is no manifest is 400 MANIFEST_INVALID", own=True)
def _(r):
    repo = fresh()
    for data in b"", b"{", b"[]", b"null", b'{"schemaVersion":2}', b'{"schemaVersion":"2"}', \
            b'"text"', b"\xff\xfe{}", b'{"schemaVersion":2,"layers":"many","config":7}':
        r.push_manifest(repo, "bad", data, OCI_MANIFEST, want=400, code="MANIFEST_INVALID")
    r.ask("GET", manifest_path(repo, "bad"), want=404)


@check("U9 a Content-Type that says something else than the manifest is refused", own=True)
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    for media in OCI_INDEX, DOCKER_MANIFEST, "text/plain", "a" * 4000:
        r.push_manifest(repo, "typed", data, media, want=(400, 415), code="MANIFEST_INVALID")
    r.ask("GET", manifest_path(repo, "typed"), want=404)


@check("U12 U13 a manifest whose subject is not there is taken; OCI-Subject says which", own=True)
def _(r):
    repo = fresh()
    subject = {"mediaType": OCI_MANIFEST, "digest": MISSING, "size": 77}
    value = {**json.loads(r.push_image(repo, "v1")), "subject": subject}
    same("OCI-Subject", MISSING, need(r.push_manifest(repo, "s", value), "OCI-Subject"))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject}
    same("OCI-Subject of an index", MISSING,
         need(r.push_manifest(repo, digest(dump(index)), index), "OCI-Subject"))


# --- content discovery

@check("D1 D2 end-8a: tags are 200, name and tags, in lexical order", own=True)
def _(r):
    repo = fresh()
    names = ["b", "a", "B", "10", "9", "_x", "a.1", "a-1", "Z"]
    data = r.push_image(repo, names[0])
    for name in names[1:]:
        r.push_manifest(repo, name, data)
    answer = r.ask("GET", "/v2/%s/tags/list" % repo, want=200).json()
    same("name", repo, answer["name"])
    same("tags", sorted(names), answer["tags"])


@check("D1 tags of a repository that does not exist are 404 NAME_UNKNOWN")
def _(r):
    r.ask("GET", "/v2/%s/tags/list" % fresh(), want=404, code="NAME_UNKNOWN")


def tagged(r, count):
    repo = fresh()
    data = r.push_image(repo, "t00")
    for i in range(1, count):
        r.push_manifest(repo, "t%02d" % i, data)
    return repo


@check("D3 D4 end-8b: n and last page through the tags; n=0 is an empty list", own=True)
def _(r):
    repo = tagged(r, 7)
    same("n=3", ["t00", "t01", "t02"], r.tags(repo, "?n=3"))
    same("n=3 after t02", ["t03", "t04", "t05"], r.tags(repo, "?n=3&last=t02"))
    same("last without n", ["t05", "t06"], r.tags(repo, "?last=t04"))
    same("after a tag that is not there", ["t05"], r.tags(repo, "?n=1&last=t04x"))
    same("after the last", [], r.tags(repo, "?n=3&last=t06"))
    answer = r.ask("GET", "/v2/%s/tags/list?n=0" % repo, want=200)
    same("n=0", [], answer.json()["tags"])
    same("Link of n=0", None, answer["Link"])
    same("n=100", 7, len(r.tags(repo, "?n=100")))
    for bad in "-1", "x", "1e3":
        r.ask("GET", "/v2/%s/tags/list?n=%s" % (repo, bad), want=400)


def pages(r, path, key):
    """All of a list by its Links."""
    found, seen = [], 0
    while path:
        answer = r.ask("GET", path, want=200)
        got = answer.json()[key]
        found += got
        seen += 1
        if seen > 100:
            raise Wrong("the Links lead in a circle")
        link = re.fullmatch(r'<([^>]+)>; ?rel="?next"?', answer["Link"] or "")
        if answer["Link"] and not link:
            raise Wrong("Link: %s" % answer["Link"])
        path = link and link.group(1)
    return found, seen


@check("D4 the Link leads through all tags, to the last", own=True)
def _(r):
    repo = tagged(r, 7)
    for n, want in (3, 3), (7, 1), (1, 7):
        found, seen = pages(r, "/v2/%s/tags/list?n=%d" % (repo, n), "tags")
        same("tags", ["t%02d" % i for i in range(7)], found)
        same("pages of %d" % n, want, seen)


@check("the catalog lists the repositories that have something, with paging")
def _(r):
    repos = sorted(fresh() for _ in range(3))
    for repo in repos:
        r.push_image(repo, "v1")
    found, _ = pages(r, "/v2/_catalog?n=2", "repositories")
    same("sorted", sorted(found), found)
    same("new ones", repos, [repo for repo in found if repo in repos])


@check("an upload alone makes no repository in the catalog", own=True)
def _(r):
    repo = fresh()
    r.begin(repo)
    found, _ = pages(r, "/v2/_catalog?n=100", "repositories")
    if repo in found:
        raise Wrong("%s is in the catalog" % repo)


def referrers(r, repo, of, query=""):
    answer = r.ask("GET", "/v2/%s/referrers/%s%s" % (repo, of, query), want=200)
    same("Content-Type", OCI_INDEX, need(answer, "Content-Type"))
    value = answer.json()
    same("schemaVersion", 2, value["schemaVersion"])
    same("mediaType", OCI_INDEX, value["mediaType"])
    return answer, value["manifests"]


@check("D5 end-12a: referrers of what nothing refers to are 200 and an empty index", own=True)
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    for name, of in (repo, digest(data)), (repo, MISSING), (fresh(), MISSING):
        same("manifests", [], referrers(r, name, of)[1])


def artifacts(r):
    """An image with three that refer to it."""
    repo = fresh()
    data = r.push_image(repo, "v1")
    r.push_blob(repo, b"{}")
    subject = descriptor(OCI_MANIFEST, data)
    base = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "layers": [descriptor(OCI_EMPTY, b"{}")], "subject": subject}
    typed = {**base, "artifactType": "application/x.sbom", "config": descriptor(OCI_EMPTY, b"{}"),
             "annotations": {"who": "me"}}
    by_config = {**base, "config": descriptor("application/x.signature", b"{}")}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [subject],
             "subject": subject, "annotations": {"kind": "index"}}
    for value in typed, by_config, index:
        r.push_manifest(repo, digest(dump(value)), value)
    return repo, data, typed, by_config, index


@check("D5 D6 D7 end-12a: referrers with artifactType and annotations", own=True)
def _(r):
    repo, data, typed, by_config, index = artifacts(r)
    found = {entry["digest"]: entry for entry in referrers(r, repo, digest(data))[1]}
    same("referrers", {digest(dump(value)) for value in (typed, by_config, index)}, set(found))
    entry = found[digest(dump(typed))]
    same("artifactType", "application/x.sbom", entry["artifactType"])
    same("annotations", {"who": "me"}, entry["annotations"])
    same("mediaType", OCI_MANIFEST, entry["mediaType"])
    same("size", len(dump(typed)), entry["size"])
    same("by config", "application/x.signature", found[digest(dump(by_config))]["artifactType"])
    entry = found[digest(dump(index))]
    same("an index has no artifactType", None, entry.get("artifactType"))
    same("annotations", {"kind": "index"}, entry["annotations"])
    same("mediaType", OCI_INDEX, entry["mediaType"])


@check("D8 end-12b: the filter artifactType, and OCI-Filters-Applied", own=True)
def _(r):
    repo, data, typed, _, _ = artifacts(r)
    answer, found = referrers(r, repo, digest(data), "?artifactType=application%2Fx.sbom")
    same("filtered", [digest(dump(typed))], [entry["digest"] for entry in found])
    same("OCI-Filters-Applied", "artifactType", answer["OCI-Filters-Applied"])
    answer, found = referrers(r, repo, digest(data), "?artifactType=none")
    same("filtered by what nothing is", [], found)
    same("OCI-Filters-Applied", "artifactType", answer["OCI-Filters-Applied"])
    same("without a filter", None, referrers(r, repo, digest(data))[0]["OCI-Filters-Applied"])


@check("D9 referrers of what is no digest are 400", own=True)
def _(r):
    for bad in "latest", "sha256:12", "sha256:" + "g" * 64:
        r.ask("GET", "/v2/%s/referrers/%s" % (fresh(), bad), want=400)


@check("D5 a referrer that is deleted is listed no longer, one of another repository never",
       own=True)
def _(r):
    repo, data, typed, by_config, index = artifacts(r)
    other = fresh()
    r.push_image(other, "x")
    same("in another repository", [], referrers(r, other, digest(data))[1])
    r.ask("DELETE", manifest_path(repo, digest(dump(typed))), want=202)
    same("after DELETE", {digest(dump(by_config)), digest(dump(index))},
         {entry["digest"] for entry in referrers(r, repo, digest(data))[1]})


# --- content management

@check("M1 end-9: DELETE of a tag is 202; the manifest and its other tags stay", own=True)
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    r.push_manifest(repo, "v2", data)
    r.ask("DELETE", manifest_path(repo, "v1"), want=202)
    r.ask("GET", manifest_path(repo, "v1"), want=404, code="MANIFEST_UNKNOWN")
    r.ask("GET", manifest_path(repo, digest(data)), None, {"Accept": ACCEPT}, want=200)
    same("tags", ["v2"], r.tags(repo))
    r.ask("DELETE", manifest_path(repo, "v1"), want=404, code="MANIFEST_UNKNOWN")


@check("M2 end-9: DELETE of a manifest by digest is 202; it is gone with its tags")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1")
    r.push_manifest(repo, "v2", data)
    kept = r.push_image(repo, "v3", text="another")
    r.ask("DELETE", manifest_path(repo, digest(data)), want=202)
    for reference in "v1", "v2", digest(data):
        r.ask("GET", manifest_path(repo, reference), want=404)
    same("tags", ["v3"], r.tags(repo))
    r.ask("GET", manifest_path(repo, digest(kept)), None, {"Accept": ACCEPT}, want=200)
    r.ask("DELETE", manifest_path(repo, digest(data)), want=404, code="MANIFEST_UNKNOWN")


@check("M2 what was deleted can be pushed again")
def _(r):
    repo = fresh()
    data = r.push_image(repo, "v1", text="again")
    r.ask("DELETE", manifest_path(repo, digest(data)), want=202)
    same("the same", data, r.push_image(repo, "v1", text="again"))
    r.ask("GET", manifest_path(repo, "v1"), None, {"Accept": ACCEPT}, want=200)


@check("M3 end-10: DELETE of a blob is 202, and it is gone; of one that is not there 404")
def _(r):
    repo, other = fresh(), fresh()
    for name in repo, other:
        r.push_blob(name, b"to be deleted")
    r.ask("DELETE", blob_path(repo, digest(b"to be deleted")), want=202)
    r.ask("HEAD", blob_path(repo, digest(b"to be deleted")), want=404)
    r.ask("HEAD", blob_path(other, digest(b"to be deleted")), want=200)
    r.ask("DELETE", blob_path(repo, MISSING), want=404, code="BLOB_UNKNOWN")
    r.ask("DELETE", blob_path(repo, "x"), want=(400, 404))


@check("M4 DELETE in a repository that does not exist is 404")
def _(r):
    r.ask("DELETE", manifest_path(fresh(), MISSING), want=404)
    r.ask("DELETE", blob_path(fresh(), MISSING), want=404)


# --- HTTP

@check("one connection serves many requests, errors among them", own=True)
def _(r):
    repo = fresh()
    r.push_image(repo, "v1")
    sock = r.connect()
    head = "Host: registry\r\n" + ("Authorization: x\r\n" if r.auth else "")
    for path in ("/v2/", "/v2/%s/manifests/none" % repo, "/v2/%s/tags/list" % repo) * 20:
        sock.sendall(("GET %s HTTP/1.1\r\n%s\r\n" % (path, head)).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            more = sock.recv(65536)
            if not more:
                raise Wrong("the connection ended at %s" % path)
            got += more
        headers, _, body = got.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", headers).group(1))
        while len(body) < length:
            body += sock.recv(65536)
        same("the length", length, len(body))
    sock.close()


@check("Expect: 100-continue, as curl sends it")
def _(r):
    repo, data = fresh(), os.urandom(5000)
    location = r.path(with_query(r.begin(repo), digest=digest(data)))
    sock = r.connect()
    sock.sendall(("PUT %s HTTP/1.1\r\nHost: registry\r\nContent-Length: 5000\r\n"
                  "Expect: 100-continue\r\n\r\n" % location).encode())
    got = sock.recv(4096)
    if not got.startswith(b"HTTP/1.1 100"):
        raise Wrong("%r" % got[:100])
    sock.sendall(data)
    while b" 201 " not in got:
        more = sock.recv(4096)
        if not more:
            raise Wrong("%r" % got)
        got += more
    sock.close()


def main():
    words = sys.argv[1:]
    only = None
    if "--only" in words:
        at = words.index("--only")
        only = words[at + 1]
        del words[at:at + 2]
    without = ("own",) if "--peer" in words else ()
    words = [word for word in words if word != "--peer"]
    if len(words) != 1:
        sys.exit(__doc__)
    return check.run(Registry(words[0]), without=without, only=only)


if __name__ == "__main__":
    sys.exit(main())
