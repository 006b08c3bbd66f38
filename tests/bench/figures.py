"""Figures with their peers and bounds: told on a screen of 80 columns, and as JSON."""

import json
import os
import statistics
import time

UNITS = {"s": "%.2f s", "MB/s": "%.0f MB/s", "MiB": "%.1f MiB", "MB": "%.1f MB",
         "trips": "%d trips", "%": "%.1f %%"}


class Figures:
    def __init__(self):
        self.all = []
        self.group = None

    def begin(self, group):
        self.group = group
        print("%-34s %10s %10s  %s" % (group, "shipit", "peer", "must be"))

    def add(self, name, unit, ours, peer=None, bound=None, least=False, relative=True, note=""):
        """OURS and PEER: a value, or all of them (their median counts). BOUND: at most, or at
        LEAST, so many times the peer; not RELATIVE: so much itself."""
        mine, other = median(ours), median(peer)
        figure = {"group": self.group, "name": name, "unit": unit, "value": mine, "peer": other,
                  "values": many(ours), "peer_values": many(peer), "bound": bound,
                  "bound_is": None, "holds": None, "note": note}
        text = ""
        if bound is not None:
            measured = mine / other if relative else mine
            figure["bound_is"] = "%s %s" % ("at least" if least else "at most",
                                            "times the peer" if relative else unit)
            figure["measured"] = measured
            figure["holds"] = measured >= bound if least else measured <= bound
            text = "%s %s %-5s %s" % (
                "%.2f" % measured if relative else "", ">=" if least else "<=", "%g" % bound,
                "ok" if figure["holds"] else "BROKEN")
        self.all.append(figure)
        print("  %-32s %10s %10s  %s" % (name[:32], show(mine, unit), show(other, unit),
                                         text.strip()), flush=True)
        if note:
            print("      " + note[:74], flush=True)

    def broken(self):
        return [figure for figure in self.all if figure["holds"] is False]

    def write(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as out:
            json.dump({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                       "cores": os.cpu_count(), "figures": self.all}, out, indent=1)
            out.write("\n")
        os.replace(path + ".new", path)


def many(value):
    return value if isinstance(value, list) or value is None else [value]


def median(value):
    return None if value is None else statistics.median(many(value))


def show(value, unit):
    return "" if value is None else UNITS[unit] % value
