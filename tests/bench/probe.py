#!/usr/bin/env python3
"""Asks 127.0.0.1:PORT every 20 ms by HTTP, and writes the time of each answer, in seconds, until its
input ends."""

import select
import socket
import sys
import time

port = int(sys.argv[1])


def ask():
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.25) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1")
    except OSError:
        return False


due = time.monotonic()
while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
    if ask():
        print("%.4f" % time.monotonic(), flush=True)
    due = max(due + 0.02, time.monotonic())
