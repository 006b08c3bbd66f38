"""stranger.py PORT REPOSITORY TAG: what somebody gets who finds the tunnel: every way into a registry,
without credentials and with wrong ones, all at once. Prints what is not as it should be, and how many
requests were refused as they should."""

import base64
import concurrent.futures
import http.client
import re
import sys

NOTHING = "sha256:" + "0" * 64
TELLING = re.compile(r'sha256:|layers|manifest\.v|"repositories"|"tags"')


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


WORDS = [None, basic("host1:" + "0" * 64), basic("host1:"), basic("host1"), basic(":"), basic("root:root"),
         "Basic", "Basic !!!", "Bearer host1"]


def paths(repository, tag):
    at = "/v2/" + repository
    yield from (("GET", "/"), ("GET", "/v2/"), ("GET", "/v2/_catalog"), ("GET", at + "/tags/list"))
    for method in "GET", "HEAD", "PUT", "DELETE":
        yield method, "%s/manifests/%s" % (at, tag)
    for method in "GET", "HEAD", "DELETE":
        yield method, "%s/blobs/%s" % (at, NOTHING)
    yield "GET", "%s/referrers/%s" % (at, NOTHING)
    yield "POST", at + "/blobs/uploads/"
    yield "POST", "%s/blobs/uploads/?mount=%s&from=%s" % (at, NOTHING, repository)
    yield "PATCH", at + "/blobs/uploads/1"
    yield "PUT", "%s/blobs/uploads/1?digest=%s" % (at, NOTHING)


def ask(port, method, path, words):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={"Authorization": words} if words else {})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        if answer.status != 401:
            return "%s %s with %s: %d" % (method, path, words, answer.status)
        told = str(answer.getheaders()) + body
        return "%s %s with %s tells: %s" % (method, path, words, told) if TELLING.search(told) else None
    except OSError as failed:
        return "%s %s with %s: %s" % (method, path, words, failed)
    finally:
        connection.close()


def main():
    port, repository, tag = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(ask, port, method, path, words)
                 for words in WORDS for method, path in paths(repository, tag)]
        wrong = [each.result() for each in asked if each.result()]
    print("\n".join(wrong + ["%d refused" % (len(asked) - len(wrong))]))


main()
