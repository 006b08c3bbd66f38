"""Uploaded files that are kept in the database, as BLOBs: no container that runs this has a file of its own.

  GET  /           a form to upload with, and what there is
  POST /           an upload: a form (multipart/form-data) with one file, as the page and `curl -F file=@F` send it
  GET  /files/ID   that file; with `Range: bytes=N-` from there on
  GET  /healthz    200 when the database answers

A file is a row of `file`, and its bytes are rows of `piece`. SQLite has one writer at a time, so no transaction may
last as long as an upload: each piece is one of its own, of some milliseconds. The digest comes last. A file that has
it is complete; one that has none is being uploaded, or was when its container ended.
"""

import contextlib
import hashlib
import html
import http.client
import http.server
import os
import re
import signal
import socketserver
import sqlite3
import sys
import threading
import time
import urllib.parse

DATABASE = os.environ.get("DATABASE", "/data/attachments.db")
PORT = int(os.environ.get("PORT", "8080"))
RELEASE = os.environ.get("RELEASE", "one")
FILE_MAX = int(os.environ.get("FILE_MAX", str(2 << 30)))  # bytes
PIECE = 1 << 20  # bytes of one BLOB, and what an upload has in memory
CHUNK = 1 << 18  # bytes that are read and sent at once
TRANSFERS = 8  # at a time; others wait
CONNECTIONS = 64  # at a time; others wait in the kernel
SILENCE = int(os.environ.get("SILENCE", "30"))  # seconds after which a client that neither sends nor takes is given up
BROKEN_OFF = 4 * SILENCE  # after so long without a new piece an upload is not going on any more
PAGE = 100  # files that are shown at once

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    time INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE TABLE IF NOT EXISTS piece (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (file, start)
);
"""


class Refused(Exception):
    def __init__(self, status, text, **headers):
        super().__init__(text)
        self.status, self.headers = status, headers


# --- the database


class Database:
    """One connection, of one thread at a time, which holds it for a moment and never while it waits for a client.
    Containers that run side by side wait for each other: IMMEDIATE takes the lock before anything was read."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(path, timeout=60, isolation_level="IMMEDIATE", check_same_thread=False)
        self.write_ahead()
        # FULL: what was committed survives a loss of power, not only kill -9.
        self.connection.executescript(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;" + SCHEMA
        )

    def write_ahead(self):
        """SQLite does not wait here when another container is at the same point with a new database."""
        for tries in range(100, 0, -1):
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if tries == 1:
                    raise
                time.sleep(0.1)

    @contextlib.contextmanager
    def use(self):
        """What is changed within is committed at its end, or taken back when it fails."""
        with self.lock, self.connection:
            yield self.connection


def store(database, name, pieces):
    """Keep a file; its id and its digest, once all of it is on the disk."""
    with database.use() as db:
        file = db.execute("INSERT INTO file (name) VALUES (?)", (name,)).lastrowid
    try:
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            with database.use() as db:
                append(db, file, size, piece)
            size += len(piece)
        with database.use() as db:
            update(db, file, size, digest.hexdigest())
    except BaseException:
        with database.use() as db:
            db.execute("DELETE FROM file WHERE id = ?", (file,))
        raise
    return file, digest.hexdigest()


def append(db, file, start, data):
    """The row has room for the BLOB, and the bytes go straight into it: as a parameter of the INSERT they would be
    copied twice."""
    row = db.execute("INSERT INTO piece (file, start, data) VALUES (?, ?, zeroblob(?))", (file, start, len(data)))
    with db.blobopen("piece", "data", row.lastrowid) as blob:
        blob.write(data)
    update(db, file, start + len(data), None)


def update(db, file, size, digest):
    done = db.execute(
        "UPDATE file SET size = ?, sha256 = ?, time = unixepoch() WHERE id = ? AND sha256 IS NULL", (size, digest, file)
    )
    if done.rowcount != 1:
        raise Refused(408, "The upload stood still for too long, and was given up.")


def load(database, file, start, size):
    """The bytes of a file from `start` on. No transaction is open while a chunk is sent: as long as one is, the
    write-ahead log grows."""
    while start < size:
        with database.use() as db:
            piece, first = db.execute(
                "SELECT id, start FROM piece WHERE file = ? AND start <= ? ORDER BY start DESC LIMIT 1", (file, start)
            ).fetchone()
            with db.blobopen("piece", "data", piece, readonly=True) as blob:
                blob.seek(start - first)
                chunk = blob.read(CHUNK)
        yield chunk
        start += len(chunk)


def tidy(database):
    """Remove what a container left that was killed, told by its age, since another one may be at work; and empty the
    log, which grows as long as two containers write without a pause."""
    with database.use() as db:
        db.execute("DELETE FROM file WHERE sha256 IS NULL AND time < unixepoch() - ?", (BROKEN_OFF,))
    with database.use() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# --- forms (RFC 7578)


class Body:
    """Of a request: no more bytes than it announced, and an error where fewer come."""

    def __init__(self, stream, length):
        self.stream, self.left = stream, length

    def readline(self, limit):
        line = self.stream.readline(min(limit, self.left))
        self.took(len(line))
        return line

    def readinto(self, view):
        return self.took(self.stream.readinto1(view[: self.left]))

    def took(self, count):
        if self.left == 0:
            raise Refused(400, "The form has no end.")
        if count == 0:
            raise ConnectionError("the client went away")
        self.left -= count
        return count


def file_of_form(body, boundary):
    """The name of its one file, and the pieces of that as they come."""
    if body.readline(256).rstrip() != b"--" + boundary:
        raise Refused(400, "This is not a form.")
    name = http.client.parse_headers(body).get_filename()
    if not name:
        raise Refused(400, "There is no file in the form.")
    name = name.encode("latin-1", "replace").decode(errors="replace")
    return re.split(r"[/\\]", name)[-1][:255], pieces_until(body, b"\r\n--" + boundary)


def pieces_until(body, end):
    """All of it are views of one buffer, each good until the next one is asked for."""
    buffer = bytearray(PIECE)
    view, filled, since = memoryview(buffer), 0, time.monotonic()
    while True:
        old, filled = filled, filled + body.readinto(view[filled:])
        at = buffer.find(end, max(0, old - len(end)), filled)
        if at >= 0:
            break
        sure = filled - len(end)  # what follows may be the beginning of the end
        if filled == PIECE or (sure > 0 and time.monotonic() - since > SILENCE):
            yield view[:sure]
            view[: len(end)] = view[sure:filled]
            filled, since = len(end), time.monotonic()
    if at > 0:
        yield view[:at]
    rest = bytes(view[at + len(end) : filled])
    while len(rest) < 2:
        rest += body.readline(2)
    if not rest.startswith(b"--"):
        raise Refused(400, "One file at a time, and nothing else in the form.")
    while body.left > 0:
        body.readline(CHUNK)


# --- HTTP


class Handler(http.server.BaseHTTPRequestHandler):
    """One request for each connection: none is idle, and ending is a matter of finishing what was begun."""

    protocol_version = "HTTP/1.1"
    timeout = SILENCE
    database = None
    transfers = threading.BoundedSemaphore(TRANSFERS)
    begun = False

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        with self.told():
            if url.path == "/":
                self.page(urllib.parse.parse_qs(url.query).get("before", [""])[0])
            elif file := re.fullmatch(r"/files/([0-9]{1,18})", url.path):
                with self.transfer():
                    self.download(int(file[1]))
            elif url.path == "/healthz":
                self.health()
            else:
                raise Refused(404, "There is nothing here.")

    def do_POST(self):
        with self.told(), self.transfer():
            self.upload()

    @contextlib.contextmanager
    def told(self):
        """What goes wrong, as the answer, unless one was begun: then the client sees that it is too short."""
        try:
            yield
        except Refused as error:
            self.answer(error.status, f"{error}\n", error.headers)
        except http.client.HTTPException as error:
            self.answer(400, f"{error}\n")
        except sqlite3.Error as error:
            self.log_error("%s", error)
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            self.answer(507 if full else 503, f"{error}\n")

    @contextlib.contextmanager
    def transfer(self):
        """As many at a time as there is memory for."""
        if not self.transfers.acquire(timeout=SILENCE):
            raise Refused(503, "Too many at a time: try again.", **{"Retry-After": "10"})
        try:
            yield
        finally:
            self.transfers.release()

    def upload(self):
        length = self.headers.get("Content-Length", "")
        boundary = self.headers.get_boundary("").encode("latin-1", "replace")
        if self.path != "/":
            raise Refused(404, "There is nothing here.")
        if self.headers.get_content_type() != "multipart/form-data" or not 0 < len(boundary) <= 70:
            raise Refused(415, "Send a form: curl -F file=@FILE")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise Refused(411, "Say how long it is: Content-Length")
        if int(length) > FILE_MAX:
            raise Refused(413, f"That is more than {FILE_MAX} bytes.")
        file, digest = store(self.database, *file_of_form(Body(self.rfile, int(length)), boundary))
        if "text/html" in self.headers.get("Accept", ""):
            self.answer(303, "", {"Location": "/"})
        else:
            self.answer(201, f"{file} {digest}\n", {"Location": f"/files/{file}"})

    def download(self, file):
        with self.database.use() as db:
            row = db.execute("SELECT name, size, sha256 FROM file WHERE id = ? AND sha256 NOT NULL", (file,)).fetchone()
        if row is None:
            raise Refused(404, "There is no such file.")
        name, size, digest = row
        status, start = 200, 0
        headers = {
            "ETag": f'"{digest}"',
            "Accept-Ranges": "bytes",
            "Content-Disposition": "attachment; filename*=UTF-8''" + urllib.parse.quote(name, safe=""),
        }
        if part := re.fullmatch(r"bytes=([0-9]{1,18})-", self.headers.get("Range", "")):
            status, start = 206, int(part[1])
            if start >= size:
                raise Refused(416, "It is not that long.", **{"Content-Range": f"bytes */{size}"})
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.begin(status, "application/octet-stream", size - start, headers)
        for chunk in load(self.database, file, start, size):
            self.wfile.write(chunk)

    def page(self, before):
        with self.database.use() as db:
            rows = db.execute(
                "SELECT id, name, size, datetime(time, 'unixepoch'), sha256 FROM file"
                " WHERE sha256 NOT NULL AND id < ? ORDER BY id DESC LIMIT ?",
                (int(before) if re.fullmatch(r"[0-9]{1,18}", before) else 1 << 62, PAGE),
            ).fetchall()
        lines = "".join(
            f'<tr><td><a href="/files/{file}">{html.escape(name)}</a><td>{size:,}<td>{when}<td><code>{digest}</code>\n'
            for file, name, size, when, digest in rows
        )
        older = f'<p><a href="/?before={rows[-1][0]}">Older ones</a>\n' if len(rows) == PAGE else ""
        self.answer(200, HTML.replace("LINES", lines + "</table>\n" + older), kind="text/html")

    def health(self):
        with self.database.use() as db:
            db.execute("SELECT id FROM file LIMIT 1").fetchall()
        self.answer(200, f"release {RELEASE} is well\n")

    def answer(self, status, text, headers=(), kind="text/plain"):
        if not self.begun:
            body = text.encode()
            self.begin(status, f"{kind}; charset=utf-8", len(body), headers)
            self.wfile.write(body)

    def begin(self, status, kind, length, headers):
        self.begun = True
        self.send_response(status)
        for key, value in {
            **dict(headers),
            "Content-Type": kind,
            "Content-Length": length,
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }.items():
            self.send_header(key, value)
        self.end_headers()

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            super().log_request(code, size)


HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Attachments</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin-top: 2rem }
td, th { padding: .25rem 1rem .25rem 0; text-align: left; vertical-align: top; white-space: nowrap }
td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 8rem }
td:nth-child(2), th:nth-child(2) { text-align: right }
code { white-space: normal; overflow-wrap: anywhere }
</style>
<h1>Attachments</h1>
<form method="post" enctype="multipart/form-data">
<label>A file: <input type="file" name="file" required></label> <button>Upload</button>
</form>
<table>
<tr><th>Name<th>Bytes<th>Uploaded (UTC)<th>SHA-256
LINES"""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread for each connection, of which there are so many. server_close waits for those that are at work."""

    request_queue_size = 128
    slots = threading.BoundedSemaphore(CONNECTIONS)

    def process_request(self, request, client_address):
        self.slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request, client_address):
        print(client_address[0], repr(sys.exc_info()[1]), file=sys.stderr)


def main():
    ending = threading.Event()
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda *_: ending.set())
    try:
        Handler.database = Database(DATABASE)
    except sqlite3.Error as error:
        sys.exit(f"{DATABASE}: {error}")
    server = Server(("", PORT), Handler)
    threading.Thread(target=server.serve_forever).start()
    while True:
        try:
            tidy(Handler.database)
        except sqlite3.Error as error:  # a disk that is full is no reason not to serve what is there
            print(error, file=sys.stderr)
        if ending.wait(60):
            break
    server.shutdown()
    server.server_close()
    Handler.database.connection.close()


if __name__ == "__main__":
    main()
