#!/usr/bin/env python3
"""Run a program on a terminal of its own, and type into it.

    typist.py [--size ROWSxCOLUMNS] [WAIT=TYPE]... -- PROGRAM ARG...

Each WAIT=TYPE: once WAIT was seen in what came since the last one, TYPE is typed; both with escapes
as in Python. A TYPE of `size:ROWSxCOLUMNS` resizes the terminal instead, `signal:NAME` sends that to
the program, `hangup` closes the terminal. What was shown goes to stdout. Ends as the program does
(128 + signal), or with 250 when a WAIT was not seen in 60 s, 251 when the terminal was not left as it
was found.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 60


def set_size(fd, text):
    rows, columns = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_some(fd, seconds):
    if not select.select([fd], [], [], seconds)[0]:
        return None
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""


def act(fd, pid, what):
    if what.startswith("size:"):
        set_size(fd, what[5:])
    elif what.startswith("signal:"):
        os.kill(pid, getattr(signal, "SIG" + what[7:]))
    else:
        os.write(fd, what.encode().decode("unicode_escape").encode("latin-1"))


def login(fd):
    os.setsid()
    # Who started the tests by nohup(1) does not want it of the programs in them.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(fd, number)
    if fd > 2:
        os.close(fd)


def converse(fd, pid, script):
    """All that was shown, whether everything waited for was, and how it ended."""
    shown, since, deadline = b"", b"", time.monotonic() + PATIENCE
    while True:
        data = read_some(fd, 0.1)
        if data:
            shown += data
            since += data
        while script and script[0][0] in since:
            since = since.partition(script[0][0])[2]
            what = script.pop(0)[1]
            deadline = time.monotonic() + PATIENCE
            if what == "hangup":
                os.close(fd)
                return shown, not script, code_of(os.waitpid(pid, 0)[1])
            act(fd, pid, what)
        if not data:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return shown + (read_some(fd, 0) or b""), not script, code_of(status)
        if script and time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return shown, False, 250


def code_of(status):
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main():
    args, size = sys.argv[1:], "24x80"
    split = args.index("--")
    argv, args = args[split + 1:], args[:split]
    if args and args[0] == "--size":
        size, args = args[1], args[2:]
    script = []
    for step in args:
        wait, _, what = step.partition("=")
        script.append((wait.encode().decode("unicode_escape").encode("latin-1"), what))
    ours, theirs = pty.openpty()
    set_size(ours, size)
    before = termios.tcgetattr(theirs)
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        login(theirs)
        os.execvp(argv[0], argv)
    # Our end of it stays open, so that its modes can be looked at; but a hangup is to be one.
    hangs_up = any(what == "hangup" for _, what in script)
    if hangs_up:
        os.close(theirs)
    shown, complete, code = converse(ours, pid, script)
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    if not complete:
        print("\ntypist.py: not seen: %r" % script[0][0])
        sys.exit(250)
    if not hangs_up and termios.tcgetattr(theirs) != before:
        print("\ntypist.py: the terminal was not left as it was found")
        sys.exit(251)
    sys.exit(code)


main()
