"""Speaking HTTP with a registry, and counting what it does as it should: shared by the checks here."""

import base64
import hashlib
import http.client
import json
import re
import socket
import sys
import time
import urllib.parse

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))

CODES = {"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
         "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID",
         "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED",
         "TOOMANYREQUESTS"}


class Wrong(Exception):
    pass


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = response.headers

    def __getitem__(self, header):
        return self.headers.get(header)

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Wrong("not JSON: %r" % self.body[:200]) from None

    def codes(self):
        """The error codes of the body; the form of it is checked."""
        value = self.json()
        if not isinstance(value, dict) or not isinstance(value.get("errors"), list):
            raise Wrong("not an error of the spec's form: %r" % self.body[:200])
        for error in value["errors"]:
            if not re.fullmatch("[A-Z_]+", error["code"]) or error["code"] not in CODES:
                raise Wrong("a code that the spec does not know: %r" % error["code"])
            if not isinstance(error.get("message", ""), str):
                raise Wrong("the message is no text")
        return [error["code"] for error in value["errors"]]


class Registry:
    """One registry, asked over a connection of its own each time."""

    def __init__(self, address, auth=None, timeout=60):
        """ADDRESS: HOST:PORT, or the path of a Unix socket."""
        self.address, self.auth, self.timeout = address, auth, timeout

    def connect(self):
        if self.address.startswith("/"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(self.timeout)
            sock.connect(self.address)
            return sock
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), self.timeout)

    def ask(self, method, path, body=None, headers=None, want=None, code=None, chunked=False):
        """WANT: the status, or several; CODE: the error code in the body."""
        link = http.client.HTTPConnection("registry", timeout=self.timeout)
        link.sock = self.connect()
        headers = dict(headers or {})
        if self.auth:
            headers["Authorization"] = basic(self.auth)
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        try:
            link.request(method, self.path(path), body, headers, encode_chunked=chunked)
            response = link.getresponse()
            answer = Answer(response, response.read())
        finally:
            link.close()
        if method == "HEAD" and answer.body:
            raise Wrong("HEAD has a body")
        if want is not None:
            self.check(method, path, answer, want, code)
        return answer

    @staticmethod
    def check(method, path, answer, want, code):
        wants = want if isinstance(want, tuple) else (want,)
        if answer.status not in wants:
            raise Wrong("%s %s: %d instead of %s: %r" % (
                method, path, answer.status, " or ".join(map(str, wants)), answer.body[:300]))
        if code and method != "HEAD":
            codes = code if isinstance(code, tuple) else (code,)
            if not set(answer.codes()) & set(codes):
                raise Wrong("%s %s: %s instead of %s" % (
                    method, path, answer.codes(), " or ".join(codes)))

    @staticmethod
    def path(location):
        """Of an absolute or a relative Location."""
        parts = urllib.parse.urlsplit(location)
        return parts.path + ("?" + parts.query if parts.query else "")

    # --- longer talks

    def begin(self, repo):
        answer = self.ask("POST", "/v2/%s/blobs/uploads/" % repo, want=202)
        return need(answer, "Location")

    def push_blob(self, repo, data):
        location = with_query(self.begin(repo), digest=digest(data))
        self.ask("PUT", location, data, {"Content-Type": "application/octet-stream"}, want=201)
        return digest(data)

    def push_manifest(self, repo, reference, manifest, media=None, want=201, code=None):
        data = manifest if isinstance(manifest, bytes) else dump(manifest)
        media = media or json.loads(data)["mediaType"]
        return self.ask("PUT", "/v2/%s/manifests/%s" % (repo, reference), data,
                        {"Content-Type": media}, want=want, code=code)

    def push_image(self, repo, tag, text="a layer", **more):
        """An image of one layer; its manifest's bytes."""
        config = dump({"architecture": "amd64", "os": "linux", "config": {"Labels": {"t": text}},
                       "rootfs": {"type": "layers", "diff_ids": [digest(text.encode())]}})
        layer = text.encode()
        self.push_blob(repo, config)
        self.push_blob(repo, layer)
        data = dump({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                     "config": descriptor(OCI_CONFIG, config),
                     "layers": [descriptor(OCI_LAYER, layer)], **more})
        self.push_manifest(repo, tag or digest(data), data)
        return data

    def tags(self, repo, query=""):
        answer = self.ask("GET", "/v2/%s/tags/list%s" % (repo, query), want=200)
        return answer.json()["tags"] or []


def basic(auth):
    return "Basic " + base64.b64encode(auth.encode()).decode()


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


def descriptor(media, data, **more):
    return {"mediaType": media, "digest": digest(data), "size": len(data), **more}


def with_query(location, **query):
    return location + ("&" if "?" in location else "?") + urllib.parse.urlencode(query)


def need(answer, header):
    if answer[header] is None:
        raise Wrong("there is no header %s" % header)
    return answer[header]


def same(what, expected, actual):
    if expected != actual:
        raise Wrong("%s: expected %r, is %r" % (what, expected, actual))


# --- checks

class Checks:
    def __init__(self):
        self.all = []

    def __call__(self, name, **marks):
        """Decorates a function that is a check."""
        def add(function):
            self.all.append((name, function, marks))
            return function
        return add

    def run(self, *arguments, without=(), only=None):
        """Runs all but those that have a mark of WITHOUT; says what comes of each."""
        passed = failed = 0
        for name, function, marks in self.all:
            if any(marks.get(mark) for mark in without) or (only and only not in name):
                continue
            begun = time.monotonic()
            try:
                function(*arguments)
                passed += 1
                print("ok %s (%.1f s)" % (name, time.monotonic() - begun))
            except Exception as wrong:  # the server may end a connection in any way it likes
                failed += 1
                kind = "" if isinstance(wrong, Wrong) else type(wrong).__name__ + ": "
                print("FAIL %s\n    %s%s" % (name, kind, wrong))
            sys.stdout.flush()
        print("%d passed, %d failed" % (passed, failed))
        return 1 if failed or not passed else 0
