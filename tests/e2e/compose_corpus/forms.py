"""A project as both tools understand it, in one form: service -> key -> value."""

import os
import shlex

from compose.timeparse import timeparse
from docker.utils import parse_bytes

FLAGS = {"privileged", "read_only", "tty", "stdin_open", "oom_kill_disable"}
SIZES = {"mem_limit", "mem_reservation", "memswap_limit", "shm_size"}
SETS = {"cap_add", "cap_drop", "security_opt", "group_add", "cache_from"}
ORDERED = {"dns", "dns_search", "dns_opt"}


def milliseconds(value):
    return value // 1000000 if isinstance(value, int) else int(round(timeparse(value) * 1000))


def size(value):
    return -1 if str(value) == "-1" else parse_bytes(str(value))


def once(values):
    return list(dict.fromkeys(values))


def words(value):
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]


def limits(value):
    return sorted("%s=%s:%s" % (name, limit["soft"], limit["hard"]) if isinstance(limit, dict) else
                  "%s=%s:%s" % (name, limit, limit) for name, limit in value.items())


def texts(value):
    if isinstance(value, list):
        return {item.partition("=")[0]: item.partition("=")[2] for item in value}
    return {key: "" if item is None else str(item) for key, item in value.items()}


def hosts(value):
    if isinstance(value, dict):
        value = ["%s:%s" % item for item in value.items()]
    return sorted(once(item.replace("=", ":", 1) if ":" not in item.partition("=")[0] else item for item in value))


def device(text):
    parts = text.split(":")
    if len(parts) == 2 and not parts[1].startswith("/"):
        parts = [parts[0], parts[0], parts[1]]
    parts += [parts[0]] * (2 - len(parts))
    return ":".join(parts[:2] + [parts[2] if len(parts) > 2 else "rwm"])


def mount(spec, project):
    kind = getattr(spec, "type", None)
    if kind is not None:  # the long form
        source, target, only = spec.source, spec.target, bool(spec.read_only)
    else:
        source, target, only = spec.external, spec.internal, spec.mode == "ro"
    if source and not source.startswith("/"):
        source = resource(project.volumes, source)
    return "%s:%s:%s" % (source or "", target, "ro" if only else "rw")


def resource(declared, key):
    value = declared.get(key) or {}
    if value.get("name"):
        return value["name"]
    external = value.get("external")
    if isinstance(external, dict) and external.get("name"):
        return external["name"]
    return key if external else "p.prod." + key


def exposed(values):
    """ "9000-9001/udp": each of them."""
    for value in values:
        span, _, protocol = str(value).partition("/")
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield "%d/%s" % (number, protocol or "tcp")


def port(spec):
    return "%s:%s:%s/%s" % (spec.external_ip or "", spec.published or "", spec.target, spec.protocol or "tcp")


def secret(item):
    target, mode = item.target or item.source, item.mode
    mode = 0o444 if mode is None else mode if isinstance(mode, int) else int(mode, 8)
    return "%s:%04o:%s:%s:%s" % (item.source, mode, item.uid or 0, item.gid or 0,
                                 target if target.startswith("/") else "/run/secrets/" + target)


def health(value):
    form = {}
    test = value.get("test")
    if value.get("disable") or test == ["NONE"]:
        return {"disable": True}
    if test:
        form["test"] = ["CMD-SHELL", test] if isinstance(test, str) else test
    for key in ("interval", "timeout", "start_period"):
        if value.get(key) is not None:
            form[key + "_ms"] = milliseconds(value[key])
    if value.get("retries") is not None:
        form["retries"] = int(value["retries"])
    return form


def built(value):
    if isinstance(value, str):
        return {"context": value}
    form = dict(value)
    if "dockerfile" in form:
        form["dockerfile"] = os.path.join(form["context"], form["dockerfile"])
    for key in ("args", "labels"):
        if key in form:
            form[key] = texts(form[key]) if key == "labels" else {
                name: None if item is None else str(item) for name, item in form[key].items()}
    if "cache_from" in form:
        form["cache_from"] = sorted(form["cache_from"])
    if "extra_hosts" in form:
        form["extra_hosts"] = hosts(form["extra_hosts"])
    if "shm_size" in form:
        form["shm_size"] = size(form["shm_size"])
    return {key: item for key, item in form.items() if item not in ({}, [])}


def one_of_theirs(service, project):
    form = {}
    for key, value in service.items():
        if key in ("name", "env_file") or key.startswith("x-") or value is None:
            continue
        if key in FLAGS:
            value = True if value is True else None
        elif key in SIZES:
            value = size(value)
        elif key in SETS:
            value = sorted(once(str(getattr(item, "repr", lambda item=item: item)()) for item in value)) or None
        elif key in ORDERED:
            value = once([value] if isinstance(value, str) else value) or None
        elif key in ("command", "entrypoint"):
            value = words(value)
        elif key in ("labels", "sysctls", "storage_opt"):
            value = texts(value) or None
        elif key == "environment":
            value = {name: None if item is None else str(item) for name, item in value.items()} or None
        elif key == "build":
            value = built(value)
        elif key == "expose":
            value = sorted(set(exposed(value))) or None
        elif key == "ports":
            value = sorted(set(port(item) for item in value)) or None
        elif key == "volumes":
            value = sorted(mount(item, project) for item in value) or None
        elif key == "devices":
            value = sorted(device(item) for item in value) or None
        elif key == "networks":
            value = sorted(resource(project.networks, name) for name in value) or None
            value = None if value == ["p.prod.default"] else value
        elif key == "secrets":
            value = sorted(secret(item) for item in value) or None
        elif key == "depends_on":
            value = sorted(value) or None
        elif key == "restart":
            name, times = value["Name"], value["MaximumRetryCount"]
            value = None if name == "always" else "%s:%d" % (name, times) if times else name
        elif key == "stop_grace_period":
            key, value = "stop_grace_ms", milliseconds(value)
            value = None if value == 10000 else value
        elif key == "healthcheck":
            value = health(value) or None
        elif key == "ulimits":
            value = limits(value) or None
        elif key == "extra_hosts":
            value = hosts(value) or None
        elif key == "tmpfs":
            value = tmpfs([value] if isinstance(value, str) else value) or None
        elif key == "cpus":
            value = int(round(float(value) * 1e9))
        elif key == "logging":
            value = {"driver": value.get("driver") or "json-file", "options": texts(value.get("options") or {})}
        elif key in ("cpu_shares", "cpu_quota", "cpu_period", "pids_limit", "oom_score_adj", "mem_swappiness"):
            value = int(value)
        if value is not None:
            form[key] = value
    return form


def tmpfs(values):
    return {item.partition(":")[0]: item.partition(":")[2] for item in values}


def of_theirs(project):
    return {service["name"]: one_of_theirs(service, project) for service in project.services}


def of_ours(resolved):
    services = {}
    for name, service in resolved["environments"]["prod"]["services"].items():
        form = dict(service.get("options", {}))
        form["secrets"] = form.pop("secret_files", [])
        form.pop("definitions", None)  # how networks are made is no setting of the service
        if "expose" in form:
            form["expose"] = sorted(form["expose"])
        if form.get("healthcheck", {}).get("test") == ["NONE"]:
            form["healthcheck"] = {"disable": True}
        if "build" in service:
            form["build"] = dict(service["build"])
            if "cache_from" in form["build"]:
                form["build"]["cache_from"] = sorted(form["build"]["cache_from"])
            if "extra_hosts" in form["build"]:
                form["build"]["extra_hosts"] = hosts(form["build"]["extra_hosts"])
        if service.get("image"):
            form["image"] = service["image"]
        if "depends_on" in service:
            form["depends_on"] = sorted(service["depends_on"])
        for key in SETS & set(form):
            form[key] = sorted(form[key])
        for key in ("ulimits", "extra_hosts"):
            if key in form:
                form[key] = sorted(form[key])
        if "tmpfs" in form:
            form["tmpfs"] = tmpfs(form["tmpfs"])
        services[name] = {key: value for key, value in form.items() if value != []}
    return services


def flat(value, path=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, path + "/" + key if path else key)
    else:
        yield path, value


def differences(theirs, ours):
    """(service, path, theirs, ours); None where there is nothing."""
    for name in sorted(set(theirs) | set(ours)):
        a, b = (dict(flat(side.get(name, {}))) for side in (theirs, ours))
        for path in sorted(set(a) | set(b)):
            if a.get(path) != b.get(path):
                yield name, path, a.get(path), b.get(path)
