"""Says hello over HTTP, with a hash that a module in C has made of it."""
import http.server
import signal
import sys

import fnv

HELLO = "Hello, world!"


class Home(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{HELLO} {fnv.hash(HELLO.encode()):016x}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("", 8081), Home).serve_forever()
