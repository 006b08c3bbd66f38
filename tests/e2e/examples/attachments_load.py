#!/usr/bin/env python3
"""Uploads to examples/attachments, at any of several ports, until its input ends; each takes a good part of a
second, so that what happens meanwhile happens in the middle of some. Or downloads what was acknowledged.

    attachments_load.py upload HOST PORT... OUT    OUT: a line for each, "acknowledged ID SHA256"; "broken WHY", in
                                                   the middle of one; or "failed WHY", before or by an answer
    attachments_load.py check HOST PORT OUT        prints what is not as it was acknowledged
"""

import hashlib
import http.client
import random
import sys
import threading
import time

UPLOADERS = 6
END = b"\r\n--end--\r\n"
BEGIN = b'--end\r\nContent-Disposition: form-data; name="file"; filename="%d"\r\n\r\n'


def upload(host, port, data):
    """In ten parts with a pause between them."""
    begin = BEGIN % len(data)
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.connect()
    except OSError as error:
        time.sleep(0.05)
        return "failed %r" % error
    try:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Type", "multipart/form-data; boundary=end")
        connection.putheader("Content-Length", len(begin) + len(data) + len(END))
        connection.endheaders(begin)
        part = len(data) // 10 + 1
        for at in range(0, len(data), part):
            connection.send(data[at : at + part])
            time.sleep(0.05)
        connection.send(END)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return "broken %r" % error
    finally:
        connection.close()
    if answer.status != 201:
        return "failed %d %s" % (answer.status, text.strip())
    file, digest = text.split()
    if digest != hashlib.sha256(data).hexdigest():
        return "wrong %s: the digest is not that of what was sent" % file
    return "acknowledged %s %s" % (file, digest)


def keep_uploading(host, ports, out, ended):
    while not ended.is_set():
        out.write(upload(host, random.choice(ports), random.randbytes(random.randrange(3 << 20))) + "\n")


def check(host, port, lines):
    for line in lines:
        word, *rest = line.split()
        if word == "acknowledged":
            connection = http.client.HTTPConnection(host, port, timeout=60)
            connection.request("GET", "/files/" + rest[0])
            answer = connection.getresponse()
            if answer.status != 200 or hashlib.sha256(answer.read()).hexdigest() != rest[1]:
                print(answer.status, line, end="")
            connection.close()
        elif word == "wrong":
            print(line, end="")


if sys.argv[1] == "upload":
    ended = threading.Event()
    with open(sys.argv[-1], "w", buffering=1) as out:
        arguments = sys.argv[2], [int(port) for port in sys.argv[3:-1]], out, ended
        threads = [threading.Thread(target=keep_uploading, args=arguments) for _ in range(UPLOADERS)]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        ended.set()
        for thread in threads:
            thread.join()
else:
    with open(sys.argv[4]) as lines:
        check(sys.argv[2], int(sys.argv[3]), lines)
