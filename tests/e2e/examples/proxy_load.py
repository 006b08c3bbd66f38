#!/usr/bin/env python3
"""RATE requests a second to http://HOST:PORT until its input ends, each on a connection of its own; every
third is a POST of a number that is used once.

    load.py HOST PORT RATE OUT      OUT: a line for each, "GET|POST NUMBER STATUS-OR-ERROR RELEASE"
"""

import asyncio
import sys
import time

HOST, PORT, RATE, OUT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


async def ask(number):
    method, path = ("POST", "/%d" % number) if number % 3 == 0 else ("GET", "/")
    try:
        reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.write(("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                      % (method, path, HOST, 4 if method == "POST" else 0,
                         "body" if method == "POST" else "")).encode())
        answer = (await asyncio.wait_for(reader.read(), 30)).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return "%s %d %s %s" % (method, number, (head.split() + ["-", "nothing"])[1], body.strip() or "-")
    except (OSError, asyncio.TimeoutError) as wrong:
        return "%s %d %s -" % (method, number, type(wrong).__name__)


async def main():
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_reader(sys.stdin, stopped.set)
    running, number, due = set(), 0, time.monotonic()
    with open(OUT, "w", encoding="ascii", buffering=1) as out:
        while not stopped.is_set():
            number += 1
            task = asyncio.create_task(ask(number))
            task.add_done_callback(lambda done: (running.discard(done), out.write(done.result() + "\n")))
            running.add(task)
            due += 1 / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        loop.remove_reader(sys.stdin)
        while running:
            await asyncio.wait(running)
            await asyncio.sleep(0)


asyncio.run(main())
