#!/usr/bin/env python3
"""Records the picture of the README: a real rollout over four hosts of a lab, in tmux, as an SVG that moves.

    docs/picture.py [FILE.svg]      default: docs/rollout.svg. Linux, root, after `make deps all`; a minute

Prints what `shipit status prod` says afterwards, for the same page.
"""

import html
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
LAB = TOP + "/tests/lab/lab"
COLUMNS, ROWS = 80, 16
HOSTS = ["web%d.example.com" % n for n in (1, 2, 3, 4)]
CELL, LINE, MARGIN, BAR = 8.4, 18, 16, 28
HOLD = 6  # seconds that the end stays
COLOURS = {"31": "#ff7b72", "32": "#56d364", "33": "#e3b341", "35": "#d2a8ff", "36": "#39c5cf"}


def run(*argv, **more):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          **more).stdout


class Terminal:
    def __init__(self, folder, env):
        self.mux = ["tmux", "-f", "/dev/null", "-L", "picture"]
        self.env = {**env, "TMUX_TMPDIR": folder, "LC_ALL": "C.UTF-8"}

    def show(self, command):
        run(*self.mux, "new-session", "-d", "-s", "t", "-x", str(COLUMNS), "-y", str(ROWS),
            "TERM=screen-256color sh -c %s" % shlex.quote(command), ";", "set", "-g", "status", "off",
            env=self.env)

    def frame(self):
        return run(*self.mux, "capture-pane", "-e", "-p", "-t", "t", env=self.env).rstrip("\n")

    def close(self):
        subprocess.run(self.mux + ["kill-server"], env=self.env, check=False, stderr=subprocess.DEVNULL)


def lab_env(folder, env):
    run(LAB, "up", str(len(HOSTS)), "--dir", folder + "/lab", "--owner", str(os.getpid()), env=env)
    run(LAB, "engine", "up", env=env)
    for line in run(LAB, "env", env=env).splitlines():
        for word in shlex.split(line):
            name, equals, value = word.partition("=")
            if equals and name.isidentifier():
                env[name] = value


def write_project(folder, env):
    """A service of some megabytes, on hosts with names as people have them."""
    os.makedirs(folder + "/shop")
    with open(folder + "/ssh_config", "w", encoding="utf-8") as out:
        for n, host in enumerate(HOSTS, 1):
            out.write("Host %s\n\tHostName %s\n\tHostKeyAlias %s\n\n"
                      % (host, env["LAB_ADDR_h%d" % n], env["LAB_ADDR_h%d" % n]))
        with open(env["LAB_SSH_CONFIG"], encoding="utf-8") as config:
            out.write(config.read())
    run("cp", "/bin/busybox", folder + "/shop")
    with open(folder + "/shop/data", "wb") as out:
        out.write(os.urandom(6000000))
    with open(folder + "/shop/Dockerfile", "w", encoding="utf-8") as out:
        out.write('FROM scratch\nCOPY . /\nCMD ["/busybox", "httpd", "-f", "-p", "80"]\n')
    # Built before: what a build says is the engine's.
    run("docker", "build", "-q", "-t", "shop:v1", folder + "/shop", env=env)
    with open(folder + "/shop/shipit.yml", "w", encoding="utf-8") as out:
        out.write("project: shop\nssh: {config: %s/ssh_config}\n"
                  "services: {web: {image: 'shop:v1', ready: {running: 2s}, stop_grace_period: 1s}}\n"
                  "hosts: {%s}\n"
                  "environments: {prod: {hosts: ['*'], rollout: {canary: 1, batch: 50%%}}}\n"
                  % (folder, ", ".join(host + ": {}" for host in HOSTS)))


def record(folder, env):
    """(seconds, text) of everything that was on the screen."""
    terminal = Terminal(folder, env)
    try:
        terminal.show("cd %s/shop && echo '$ shipit deploy prod' && %s/shipit deploy prod; echo end of it; "
                      "exec sleep 1000" % (folder, TOP))
        began, frames = time.monotonic(), []
        while not frames or "end of it" not in frames[-1][1]:
            frame = terminal.frame()
            if not frames or frame != frames[-1][1]:
                frames.append((time.monotonic() - began, frame))
            if time.monotonic() - began > 120:
                sys.exit("it does not end:\n" + frame)
            time.sleep(0.3)
        frames = [(at, text.replace("end of it", "").rstrip()) for at, text in frames if text.strip()]
        return [(at - frames[0][0], text) for at, text in frames]
    finally:
        terminal.close()


def spans(line):
    """(column, style, text) of a line with SGR sequences."""
    column, codes = 0, set()
    for part in re.split(r"(\033\[[0-9;]*m)", line):
        sequence = re.fullmatch(r"\033\[([0-9;]*)m", part)
        if sequence:
            for code in (sequence.group(1) or "0").split(";"):
                codes = set() if code in ("", "0") else codes | {code}
                codes -= set(COLOURS) if code == "39" else set()
        elif part.strip():
            yield column + len(part) - len(part.lstrip()), codes, part.strip()
            column += len(part)
        else:
            column += len(part)


def style(codes):
    """Inline: what the sheet says goes over attributes."""
    colour = next((COLOURS[code] for code in COLOURS if code in codes), None)
    words = ["fill:%s" % colour] if colour else []
    words += ["font-weight:bold"] if "1" in codes else []
    words += ["opacity:.65"] if "2" in codes else []
    return ' style="%s"' % ";".join(words) if words else ""


def picture(frames):
    """All frames over each other, one of them visible."""
    rows = max(text.count("\n") + 1 for _, text in frames)
    width, height = 2 * MARGIN + COLUMNS * CELL, BAR + 2 * MARGIN + rows * LINE
    length = frames[-1][0] + HOLD
    rules, groups = [], []
    for i, (at, text) in enumerate(frames):
        until = frames[i + 1][0] if i + 1 < len(frames) else length
        rules.append("@keyframes f%d{0%%,%.2f%%{visibility:hidden}%.2f%%,%.2f%%{visibility:visible}"
                     "%.2f%%,100%%{visibility:%s}}"
                     % (i, max(100 * at / length - 0.01, 0), 100 * at / length, 100 * until / length - 0.01,
                        min(100 * until / length, 100), "hidden" if until < length else "visible"))
        lines = []
        for row, line in enumerate(text.split("\n")):
            for column, codes, words in spans(line):
                lines.append('<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>'
                             % (MARGIN + column * CELL, BAR + MARGIN + row * LINE + 13,
                                len(words) * CELL, style(codes), html.escape(words)))
        groups.append('<g style="animation:f%d %.1fs infinite step-end"%s>%s</g>'
                      % (i, length, ' class="last"' if until == length else "", "".join(lines)))
    return """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
<title>shipit deploy prod, on four hosts</title>
<style>
g{visibility:hidden}
text{font:14px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
@media (prefers-reduced-motion:reduce){g{animation:none!important}.last{visibility:visible}}
%s
</style>
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
<circle cx="18" cy="16" r="5" fill="#ff5f57"/><circle cx="36" cy="16" r="5" fill="#febc2e"/><circle cx="54" cy="16" r="5" fill="#28c840"/>
%s
</svg>
""" % (width, height, width, height, "\n".join(rules), "\n".join(groups))


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else TOP + "/docs/rollout.svg"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SHIPIT_LAB": folder + "/lab", "SHIPIT_STORE": folder + "/store.db",
               "XDG_STATE_HOME": folder + "/state", "USER": "ann"}
        try:
            lab_env(folder, env)
            write_project(folder, env)
            run(LAB, "limit", "laptop", "30mbit", env=env)
            frames = record(folder, env)
            print(run(TOP + "/shipit", "-f", folder + "/shop/shipit.yml", "status", "prod", env=env))
        finally:
            subprocess.run([LAB, "down", "--dir", folder + "/lab"], env=env, check=False)
    with open(target, "w", encoding="utf-8") as out:
        out.write(picture(frames))


main()
