#!/usr/bin/env python3
"""Hostile text for environment, command and labels: makes an inventory of it, and compares it with
what the engine and the process have. The same seed gives the same text."""
import json
import random
import sys

FIXED_ENV = {
    "single": "it's 'quoted'", "double": 'say "hi"', "newline": "a\nb\n\nc\n", "call": "$(reboot)",
    "back": "`reboot`", "var": "$HOME ${HOME} $$", "utf8": "grüße, 世界 🐳", "semicolon": "; rm -rf / #",
    "spaces": "  two  ", "tab": "\t", "percent": "%s%n%d", "backslash": "\\n\\", "empty": "",
    "equals": "a=b=c", "star": "* ? [a-z]", "spring.datasource.url": "jdbc:x://h/db?a=b&c=d",
    "DOCKER_HOST": "tcp://evil:1", "LD_PRELOAD_NOT": "x", "bang": "!!", "brace": "{{.Id}}", "yes": "no",
    "octal": "0755", "sexagesimal": "22:22", "null": "null", "tilde": "~", "colon": "a: b", "hash": "a #b",
    "control": "\x01\x1b[31m\x7f", "bidi": "\u202e", "nbsp": "\u00a0", "cr": "a\r\nb",
}


def text(r, most):
    alphabet = "abc XYZ019'\"\\`$(){}[]<>|&;*?!#~=:,.%@^-_+/\n\t\r\x01\x1béß漢🐳"
    return "".join(r.choice(alphabet) for _ in range(r.randrange(most)))


def make(seed):
    r = random.Random(seed)
    env = dict(FIXED_ENV) if seed == 1 else {}
    if seed == 1:
        env["big"] = text(r, 1) + "".join(r.choice("0123456789'\"$\n") for _ in range(100 * 1024))
    for i in range(40):
        env[f"V{i}.{r.randrange(99)}-x"] = text(r, 200)
    words = [text(r, 60) for _ in range(10)] + ["$(reboot)", "`id`", "'", '"', "\n", ""]
    labels = {f"com.example.l{i}": text(r, 100) for i in range(10)}
    labels["com.example.fixed"] = "'\"$(reboot)`\n世界"
    return env, words, labels


def dollars(value):
    """As interpolation wants a dollar sign."""
    return value.replace("$", "$$")


def main():
    what, seed, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    env, words, labels = make(seed)
    # The words are arguments that the shell ignores: `sh -c 'sleep' name WORD...`.
    command = ["/busybox", "sh", "-c", "while :; do sleep 1000; done", "name"] + words
    if what == "make":
        inventory = {
            "project": "bytes", "ssh": {"config": sys.argv[4]},
            "services": {"web": {
                "image": "box:v1", "command": [dollars(w) for w in command],
                "environment": {k: dollars(v) for k, v in env.items()},
                "labels": {k: dollars(v) for k, v in labels.items()},
                "stop_grace_period": "1s", "ready": {"running": "1s"}}},
            "hosts": {"h1": {}}, "environments": {"prod": {"hosts": ["h1"]}},
        }
        # JSON is YAML, but for surrogate pairs and DEL: those are written as \U escapes of YAML.
        out = json.dumps(inventory, ensure_ascii=False, indent=1)
        out = out.replace("\x7f", "\\x7f").replace("\u202e", "\\u202e").replace("\u00a0", "\\u00a0")
        open(folder + "/shipit.yml", "w", encoding="utf-8").write(out)
        return 0
    wrong = []
    (inspect,) = json.load(open(folder + "/inspect.json", encoding="utf-8"))
    have = dict(e.split("=", 1) for e in inspect["Config"]["Env"])
    have.pop("PATH", None)
    environ = open(folder + "/environ", "rb").read().split(b"\0")
    given = dict(e.split(b"=", 1) for e in environ if b"=" in e)
    for key, value in env.items():
        if have.get(key) != value:
            wrong.append(f"engine: {key}: {value[:60]!r} is {str(have.get(key))[:60]!r}")
        if given.get(key.encode()) != value.encode():
            wrong.append(f"process: {key}: {value[:60]!r} is {str(given.get(key.encode()))[:60]!r}")
    if set(have) != set(env):
        wrong.append(f"variables: {set(have) ^ set(env)}")
    if inspect["Config"]["Cmd"] != command:
        wrong.append(f"command: {inspect['Config']['Cmd']!r}")
    cmdline = open(folder + "/cmdline", "rb").read().split(b"\0")[:-1]
    if cmdline != [w.encode() for w in command]:
        wrong.append(f"argv: {cmdline!r}")
    for key, value in labels.items():
        if inspect["Config"]["Labels"].get(key) != value:
            wrong.append(f"label {key}: {value!r} is {inspect['Config']['Labels'].get(key)!r}")
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
