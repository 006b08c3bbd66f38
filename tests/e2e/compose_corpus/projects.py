"""Small Compose projects, made from a number: the same number, the same project.

A project is written twice: for us, and for docker-compose 1.29, which differ only where that refuses what the
specification allows (`refused` names the reason). `spots` are values that 1.29 is known to read differently."""

import collections
import random

from yaml_text import ABSENT, Either, Raw, Tag, dump, resolve

PROCESS = {"P_SET": "proc", "P_EMPTY": "", "BOTH": "proc", "PORT": "8080", "SIZE": "64m", "HOME": "/root"}
FILE = ["F_SET=file", "BOTH=file", "F_EMPTY="]
FILE_FORMS = ["export F_1=one", "F_2=\"two words\"", "F_3='three # not a comment'", "F_4=four # a comment",
              "F_5=five#5", "  F_6 = six  ", "# a comment", "", "F_7=\"seven\\nlines\"", "F_8=\"say \\\"eight\\\"\"",
              "F_9=${F_SET}-nine", "F_10=\"${F_SET:-x} ten\"", "F_11='it\\'s'", "F_12=a=b=c", "F_13=\"over\ntwo\"",
              "F_14=http://host:80/?a=b&c", "F_15={\"json\": true}"]
PIECES = ["$P_SET", "${P_SET}", "${F_SET}", "$BOTH", "${GONE:-dflt}", "${GONE-d:e}", "${P_EMPTY:-full}", "${P_EMPTY-x}",
          "${F_EMPTY:-z}", "${P_SET:?no}", "${F_SET?no}", "$$", "$$P_SET", "$${X}", "${GONE}", "$GONE/", "text", "a b",
          "1", "x=y", ":", "#", "'", "\"", "\\", "ä€", "${GONE:-}", "${GONE:-{\"a\": 1}}"] + \
         ["${F_%d}" % n for n in range(1, 16)]

Spot = collections.namedtuple("Spot", "service path reason theirs ours")

# What a variable is written as; what it is by the specification; by 1.29 (None: it refuses the file).
FORMS = [
    ("alternative", "${P_SET:+alt}", "alt", None), ("alternative", "${P_SET+alt}", "alt", None),
    ("alternative", "${GONE:+alt}", "", None), ("alternative", "${GONE+alt}", "", None),
    ("alternative", "${P_EMPTY:+alt}", "", None), ("alternative", "${P_EMPTY+alt}", "alt", None),
    ("nested", "${GONE:-${P_SET}}", "proc", "${P_SET}"), ("nested", "${GONE:-$P_SET}", "proc", "$P_SET"),
    ("nested", "${GONE-a${GONE-b}c}", "abc", "a${GONE-bc}"), ("nested", "${P_SET:-${F_SET}}", "proc", "proc}"),
    ("nested", "${GONE:-${P_EMPTY:-${F_SET}}}", "file", "${P_EMPTY:-${F_SET}}"),
    ("nested", "${GONE:-$$x}", "$x", "$$x"),
    ("lone dollar", "100$", "100$", None), ("lone dollar", "$(date)", "$(date)", None), ("lone dollar", "$1", "$1", None),
    ("lone dollar", "a $ b", "a $ b", None),
]
SCALARS = [("010", "8"), ("0x1F", "31"), ("1_000", "1000"), ("22:22", "1342"), ("1.10", "1.1"), ("0b11", "3"),
           ("+1", "1"), ("1.5e+3", "1500.0"), ("yes", None), ("no", None), ("On", None), ("true", None), ("2020-01-01", None)]
# A line of .env, and what ${T} is then.
LINES = [
    (".env, single quotes", "T='${F_SET}'", "${F_SET}", "file"), (".env, $NAME", "T=$F_SET-x", "file-x", "$F_SET-x"),
    (".env, $NAME", "T=\"<$F_SET>\"", "<file>", "<$F_SET>"), (".env, the process first", "T=${BOTH}", "proc", "file"),
    (".env, KEY: VALUE", "T: value", "value", ""), (".env, $$", "T=a$$b", "a$b", "a$$b"),
    (".env, forms", "T=${GONE-x}", "x", ""), (".env, forms", "T=${P_SET:+alt}", "alt", "${P_SET:+alt}"),
]


class Maker:
    def __init__(self, number):
        self.rng = random.Random(number)
        self.spots, self.refused, self.wrong = [], None, None
        self.env = FILE + self.rng.sample(FILE_FORMS, len(FILE_FORMS))
        self.env_files = {}
        self.services = ["web", "db", "app"][:self.rng.randint(1, 3)]
        self.disabled = {name for name in self.services if self.rng.randrange(6) == 0}  # their health checks
        self.parts = {name: collections.defaultdict(list) for name in self.services}

    # --- values

    def some(self, values, least=1, most=3):
        return self.rng.sample(values, min(len(values), self.rng.randint(least, most)))

    def typed(self, value):
        """A value that has to be what it is, perhaps as a variable."""
        text = str(value)
        form = self.rng.randrange(9)
        if form < 3:
            return ["${GONE:-%s}", "${GONE-%s}", "${P_EMPTY:-%s}"][form] % text
        for name in ("PORT", "SIZE", "P_SET"):
            if PROCESS[name] == text and form < 7:
                return self.rng.choice(["$%s", "${%s}", "${%s:?say}", "${%s-x}"]) % name
        return value

    def free(self):
        return "".join(self.rng.choice(PIECES) for _ in range(self.rng.randint(1, 4)))

    def pairs(self, names, odd=True):
        """A mapping or a list of KEY=VALUE."""
        chosen = self.some(names, 1, 4)
        if self.rng.randrange(2):
            return [name if odd and not self.rng.randrange(6) else name + "=" + self.free() for name in chosen]
        return {name: self.rng.choice([self.free(), self.free(), 7, "", None if odd else "x"]) for name in chosen}

    def one_or_more(self, values):
        return self.typed(self.rng.choice(values)) if self.rng.randrange(2) else [self.typed(v) for v in self.some(values)]

    def command(self):
        words = self.some(["serve", "--all", "-p", "${PORT}", "$P_SET", "a b", "$$HOME", "x"], 1, 5)
        if self.rng.randrange(2):
            return words
        return " ".join("'%s'" % word if " " in word else word for word in words)

    def port(self, service, target):
        """What is published depends on service and target alone, since two cannot have the same."""
        published = 8000 + 100 * self.services.index(service) + target % 50
        form = self.rng.randrange(10)
        if form == 0:
            return target
        if form == 1:
            return "%d:%d/udp" % (published, target)
        if form == 2:
            return "127.0.0.1:%d:%d" % (published + 1000, target)
        if form == 3:
            return "127.0.0.1::%d" % target
        if form == 4:
            return "%d-%d:%d-%d" % (published + 2000, published + 2002, target, target + 2)
        if form == 5:
            return {"target": target, "published": self.rng.choice([published, self.typed(published)]), "protocol": "tcp",
                    "mode": "host"}
        if form == 6:
            return {"target": self.typed(target)}
        if form == 7:
            return Raw("%d:%d" % (published, target))
        return "%s:%s" % (self.typed(published), self.typed(target))

    def ports(self, service):
        return [self.port(service, target) for target in self.some([80, 110, 443, 65])]

    def volume(self, target):
        form = self.rng.randrange(6)
        if form == 0:
            return target
        if form == 1:
            return "%s:%s%s" % (self.rng.choice(["data", "cache"]), target, self.rng.choice(["", ":ro", ":rw"]))
        if form == 2:
            return "/srv/%s:%s" % (self.rng.choice(["$P_SET", "x", "${GONE:-y}"]), target)
        if form == 3:
            return {"type": "bind", "source": "/etc/" + self.typed("ssl"), "target": target, "read_only": True}
        if form == 4:
            return {"type": "volume", "source": "data", "target": target}
        return "%s:%s" % (self.typed("data"), target)

    def healthcheck(self, service):
        if service in self.disabled:
            return self.rng.choice([{"disable": True}, {"test": ["NONE"]}])
        form = {"test": self.rng.choice([["CMD", "check", "$P_SET"], ["CMD-SHELL", "check || exit 1"], "curl localhost"])}
        for key, values in (("interval", ["1s", "1m30s", "500ms"]), ("timeout", ["2s", "1h"]), ("start_period", ["3s"]),
                            ("retries", [1, 5])):
            if self.rng.randrange(2):
                form[key] = self.rng.choice([self.typed(v) for v in values]) if key != "retries" else self.rng.choice(values)
        return form

    def build(self):
        if self.rng.randrange(4) == 0:
            return "./" + self.typed("app")
        form = {"context": self.rng.choice(["./app", ".", "/tmp"])}
        for key, make in (("dockerfile", lambda: self.typed("run.docker")), ("target", lambda: self.typed("run")),
                          ("args", lambda: self.pairs(["REV", "MODE", "P_SET"], False)),
                          ("labels", lambda: self.pairs(["one", "two"], False)),
                          ("cache_from", lambda: self.some(["a:1", "b:1"])), ("network", lambda: "host"),
                          ("shm_size", lambda: self.typed("64m")), ("extra_hosts", lambda: ["h:10.0.0.1"])):
            if self.rng.randrange(3) == 0:
                form[key] = make()
        return form

    def env_file(self):
        names = self.some(["a.env", "b.env", "c.env"])
        for name in names:
            self.env_files[name] = "\n".join(self.some(["E_1=1", "E_2=two words", "E_3='3'", "export E_4=\"4\"", "# no",
                                                        "P_SET", "GONE", "E_1=again # x", "E_5=${E_1:-none}"], 1, 6)) + "\n"
        return names[0] if len(names) == 1 and self.rng.randrange(2) else names

    def secret(self):
        name = self.rng.choice(["s_1", "s_2"])
        if self.rng.randrange(2):
            return name
        form = {"source": name}
        for key, values in (("target", ["s_1", "t", "/etc/t"]), ("mode", [Raw("0400"), Raw("0440")]), ("uid", ["1000"]), ("gid", ["5"])):
            if self.rng.randrange(2):
                form[key] = self.rng.choice(values)
        return form

    def secrets(self):
        found = {}
        for _ in range(self.rng.randint(1, 2)):
            item = self.secret()
            found[item.get("target", item["source"]) if isinstance(item, dict) else item] = item
        return list({(i["source"] if isinstance(i, dict) else i): i for i in found.values()}.values())

    def networks(self):
        names = self.some(["front", "back", "default", "ext"])
        return names if self.rng.randrange(2) else {name: self.rng.choice([None, {}]) for name in names}

    def depends_on(self, service):
        names = self.services[self.services.index(service) + 1:]
        if not names:
            return None
        names = self.some(names)
        return names if self.rng.randrange(2) else {
            name: {"condition": self.rng.choice(["service_started", "service_healthy"])} for name in names}

    def keys(self, service):
        pick = self.rng.choice
        return {
            "user": lambda: pick(["1000:1000", "ann", self.typed("bob")]), "working_dir": lambda: "/" + self.typed("srv"),
            "hostname": lambda: self.typed("shop"), "domainname": lambda: "example.com",
            "stop_signal": lambda: pick(["SIGINT", self.typed("SIGQUIT")]), "cpuset": lambda: pick(["0", "0-2", "1,3"]),
            "restart": lambda: pick(["no", "always", "unless-stopped", "on-failure", "on-failure:5"]),
            "mem_limit": lambda: pick(["1g", "512k", 67108864, self.typed("64m"), "1gb", "100MB"]),
            "mem_reservation": lambda: self.typed("32m"), "memswap_limit": lambda: pick([-1, "2g"]),
            "shm_size": lambda: self.typed("64m"), "cpus": lambda: pick([0.5, 2, "1.5", self.typed("0.25")]),
            "cpu_shares": lambda: pick([512, self.typed(256)]), "cpu_quota": lambda: pick([25000, 50000]),
            "pids_limit": lambda: pick([100, -1, self.typed(50)]), "oom_score_adj": lambda: pick([-500, 100]),
            "mem_swappiness": lambda: 10, "init": lambda: pick([True, False, Raw("yes")]),
            "privileged": lambda: pick([True, False, self.typed("true")]), "read_only": lambda: pick([True, Raw("yes"), False]),
            "tty": lambda: pick([True, False]), "stdin_open": lambda: pick([True, False]),
            "oom_kill_disable": lambda: pick([True, False]), "ipc": lambda: pick(["host", "private"]), "pid": lambda: "host",
            "userns_mode": lambda: "host", "cgroup_parent": lambda: "/" + self.typed("shop"), "runtime": lambda: "runc",
            "cap_add": lambda: self.some(["NET_ADMIN", "SYS_TIME", self.typed("ALL")]),
            "cap_drop": lambda: self.some(["MKNOD", "ALL"]), "dns": lambda: self.one_or_more(["10.0.0.1", "10.0.0.2"]),
            "dns_search": lambda: self.one_or_more(["example.com", "example.org"]),
            "dns_opt": lambda: self.some(["ndots:2", "rotate"]), "group_add": lambda: self.some(["44", "video", "mail"]),
            "security_opt": lambda: self.some(["no-new-privileges:true", "label:disable", "apparmor:unconfined"]),
            "expose": lambda: self.some([80, "443", "9000-9001"]), "tmpfs": lambda: self.one_or_more(["/run", "/tmp:size=64m"]),
            "devices": lambda: self.some(["/dev/null:/dev/x", "/dev/zero:/dev/y:r", "/dev/full"]),
            "extra_hosts": lambda: pick([["a:10.0.0.1", "b:10.0.0.2"], {"a": "10.0.0.3"}, ["a:10.0.0.4"]]),
            "sysctls": lambda: pick([{"net.core.somaxconn": 1024}, ["net.core.somaxconn=2048", "kernel.msgmax=1"]]),
            "labels": lambda: self.pairs(["one", "two", "dns", "com.example.three"], False),
            "environment": lambda: self.pairs(["A", "B", "P_SET", "F_SET", "GONE", "tmpfs"]), "env_file": self.env_file,
            "ports": lambda: self.ports(service), "command": self.command, "entrypoint": self.command, "healthcheck": lambda: self.healthcheck(service),
            "volumes": lambda: [self.volume(t) for t in self.some(["/data", "/cache", "/etc/ssl"])],
            "networks": self.networks, "depends_on": lambda: self.depends_on(service), "secrets": self.secrets,
            "ulimits": lambda: pick([{"nofile": 1024}, {"nofile": {"soft": 1, "hard": 2}, "nproc": 50}]),
            "logging": lambda: pick([{"driver": "local"}, {"driver": "json-file", "options": {"max-size": "10m"}},
                                     {"options": {"max-file": self.typed("3")}}]),
            "stop_grace_period": lambda: self.typed(pick(["3s", "1m30s", "500ms"])), "build": self.build,
            "storage_opt": lambda: {"size": "10G"}, "x-note": lambda: {"anything": ["goes", "${P_SET}"]},
        }

    # --- files

    def service(self, name, n, first):
        makers = self.keys(name)
        form = {}
        if first or not self.rng.randrange(3):
            form["image"] = self.rng.choice(["web:1", "web:${P_SET}", "reg.example.com:5000/a/b:${GONE:-1}", "${F_SET}"])
        for key in self.rng.sample(sorted(makers), n):
            value = makers[key]()
            if value is not None:
                form[key] = value
        for key, value in form.items():
            self.parts[name][key].append(value)
        return form

    def one_file(self, first):
        services = {}
        for name in self.services if first else self.some(self.services):
            services[name] = self.service(name, self.rng.randint(2, 12), first)
        form = {"services": services}
        if self.rng.randrange(2):
            form = {"version": self.rng.choice(["3.8", "2.4", "3"]), **form}
        if first:
            form["networks"] = {"front": None, "back": {"name": self.typed("my_back")}, "ext": {"external": True}}
            form["volumes"] = {"data": {}, "cache": {"external": True, "name": "old_cache"}}
            form["secrets"] = {"s_1": {"file": "./s1"}, "s_2": {"file": "/etc/s2"}}
            self.share(form)
        return form

    def share(self, form):
        """Anchors, aliases and merges."""
        if self.rng.randrange(3):
            return
        common = {"restart": "unless-stopped", "hostname": "common", "x-more": Tag("&more", {"size": 1})}
        form_first = {"x-common": Tag("&common", common), **form}
        form.clear()
        form.update(form_first)
        for service in form["services"].values():
            if self.rng.randrange(2):
                service[Raw("<<")] = self.rng.choice([Raw("*common"), [Raw("*common"), {"user": "nobody"}]])
                service.pop("logging", None)

    # --- what 1.29 does otherwise

    def trap(self, files):
        name = self.services[0]
        service = files[0]["services"][name]
        kind = self.rng.randrange(14)
        if kind < 4:
            reason, text, ours, theirs = self.rng.choice(FORMS)
            self.place(service, name, reason, text, ours, theirs)
        elif kind < 6:
            reason, line, ours, theirs = self.rng.choice(LINES)
            self.env.append(line)
            self.place(service, name, reason, "$T", ours, theirs)
        elif kind < 8:
            text, theirs = self.rng.choice(SCALARS)
            for form in files:
                form["services"].get(name, {}).pop("labels", None)
            if theirs is None:
                self.place(service, name, "scalars", Raw(text), text, None)
            else:
                service["labels"] = {"trap": Raw(text)}
                self.spots.append(Spot(name, "labels/trap", "scalars", theirs, text))
        elif kind < 10 and len(files) > 1:
            self.tags(files, name)
        elif kind == 10 and len(files) > 1:
            self.refused = "nothing in a later file"
            files[-1]["services"].setdefault(name, {})[self.rng.choice(sorted(
                {"image", "user", "labels", "ports", "volumes", "mem_limit"} & set(service)))] = Either(None, ABSENT)
        elif kind == 11:
            self.wrong = self.rng.choice(["${GONE:?say}", "${P_EMPTY:?say}", "${GONE?say}", "${P_SET", "${P SET}", "${}", "${1}"])
            service["working_dir"] = "/x" + self.wrong
        elif kind == 12:
            self.wrong = "not declared"
            service.pop("networks", None)
            service["depends_on"] = ["nowhere"]

    def place(self, service, name, reason, text, ours, theirs):
        """`text` as a variable of its own."""
        variables = service.get("environment")
        if not isinstance(variables, dict):
            variables = service["environment"] = {}
        if theirs is None:
            self.refused = reason
            variables["TRAP"] = Either(text, ours.replace("$", "$$"))
        else:
            variables["TRAP"] = text
            self.spots.append(Spot(name, "environment/TRAP", reason, theirs, ours))

    def tags(self, files, name):
        key = self.rng.choice(["ports", "labels", "cap_add", "command"])
        values = {"ports": ["7000:7000"], "labels": {"only": "this"}, "cap_add": ["SYS_NICE"], "command": ["only"]}
        reset = self.rng.randrange(2)
        self.refused = "!reset" if reset else "!override"
        for form in files[:-1]:
            service = form["services"].get(name, {})
            service.pop(Raw("<<"), None)
            if key in service:
                service[key] = Either(service[key], ABSENT)
        files[-1]["services"].setdefault(name, {})[key] = (
            Either(Tag("!reset", self.rng.choice([None, []])), ABSENT) if reset else
            Either(Tag("!override", values[key]), values[key]))


def make(number):
    """Its files as {name: (for us, for 1.29)}, and the maker, which knows what to expect."""
    maker = Maker(number)
    files = [maker.one_file(True)]
    while len(files) < 4 and maker.rng.randrange(5) < 2:
        files.append(maker.one_file(False))
    if maker.rng.randrange(2):
        maker.trap(files)
    maker.names = ["compose%s.yml" % ("" if i == 0 else ".%d" % i) for i in range(len(files))]
    texts = {}
    for name, form in zip(maker.names, files):
        texts[name] = tuple(dump(random.Random(number), resolve(form, ours)) for ours in (True, False))
    env = "\n".join(maker.env) + "\n"
    texts[".env"] = (env, env)
    for name, text in maker.env_files.items():
        texts[name] = (text, text)
    return maker, texts
