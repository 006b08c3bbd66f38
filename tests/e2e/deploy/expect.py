#!/usr/bin/env python3
"""Compares what an engine has (docker inspect) with what arrives.sh wrote into the inventory."""
import json
import sys

web, job = json.load(open(sys.argv[1]))
where = sys.argv[2]
wrong = []


def want(what, expected, actual):
    if expected != actual:
        wrong.append(f"{what}: expected {expected!r}, is {actual!r}")


env = dict(e.split("=", 1) for e in web["Config"]["Env"])
env.pop("PATH", None)
want("environment", {"FROM_FILE": "from a file", "OVER": "service", "PLAIN": "1", "EMPTY": "",
                     "WHERE": where}, env)
host = web["HostConfig"]
want("ports", {"80/tcp": [{"HostIp": "", "HostPort": "8081"}],
               "9000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}],
               "9001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9001"}],
               "53/udp": [{"HostIp": "", "HostPort": "5353"}]}, host["PortBindings"])
mounts = {m["Destination"]: m for m in web["Mounts"]}
want("named volume", ("volume", "opt.prod.data", True),
     (mounts["/data"]["Type"], mounts["/data"].get("Name"), mounts["/data"]["RW"]))
want("bind", ("bind", "/srv/opt", False),
     (mounts["/srv"]["Type"], mounts["/srv"]["Source"], mounts["/srv"]["RW"]))
want("anonymous volume", "volume", mounts["/anon"]["Type"])
want("devices", [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing",
                  "CgroupPermissions": "r"}], host["Devices"])
want("networks", {"opt.prod.default", "opt.prod.back"}, set(web["NetworkSettings"]["Networks"]))
for name, net in web["NetworkSettings"]["Networks"].items():
    if "web" not in (net["Aliases"] or []):
        wrong.append(f"no alias web on {name}")
want("command", ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www", "-v"], web["Config"]["Cmd"])
labels = web["Config"]["Labels"]
want("label", "it's me", labels.get("com.example.who"))
want("empty label", "", labels.get("empty"))
for key, value in {"project": "opt", "environment": "prod", "service": "web", "restart": "on-failure:4"}.items():
    want("label " + key, value, labels.get("dev.shipit." + key))
want("restart", {"Name": "on-failure", "MaximumRetryCount": 4}, host["RestartPolicy"])
want("user", "1234:5678", web["Config"]["User"])
want("stop timeout", 3, web["Config"]["StopTimeout"])
want("healthcheck", {"Test": ["CMD", "/busybox", "true"], "Interval": 10**9, "Timeout": 2 * 10**9,
                     "StartPeriod": 3 * 10**9, "Retries": 5}, web["Config"]["Healthcheck"])
want("health", "healthy", web["State"]["Health"]["Status"])
want("log", {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}, host["LogConfig"])
want("entrypoint", ["/busybox"], job["Config"]["Entrypoint"])
want("split command", ["sleep", "1000"], job["Config"]["Cmd"])
want("restart of job", "no", job["HostConfig"]["RestartPolicy"]["Name"])
print("; ".join(wrong))
sys.exit(1 if wrong else 0)
