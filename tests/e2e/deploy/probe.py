#!/usr/bin/env python3
"""Asks 127.0.0.1:PORT every 20 ms, and writes "MILLISECONDS ok|no" lines until FILE.stop is there."""
import os
import socket
import sys
import time

port, path = int(sys.argv[1]), sys.argv[2]


def ask():
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.25) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1")
    except OSError:
        return False


end = time.monotonic() + 120
with open(path, "w", buffering=1) as out:
    due = time.monotonic()
    while not os.path.exists(path + ".stop") and time.monotonic() < end:
        out.write(f"{int(time.monotonic() * 1000)} {'ok' if ask() else 'no'}\n")
        due += 0.02
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - 0.02)
