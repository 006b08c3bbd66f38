"""span.py FILE STEP: milliseconds from the first beginning of a step to its last end, over all hosts,
of what `shipit --json` wrote."""
import datetime
import json
import sys


def when(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


first = last = None
for line in open(sys.argv[1], encoding="utf-8"):
    if not line.startswith("{"):
        continue
    event = json.loads(line)
    if event.get("step") != sys.argv[2]:
        continue
    if event.get("state") == "start":
        first = min(first or when(event), when(event))
    elif event.get("state") == "ok":
        last = max(last or 0, when(event))
print(round((last - first) * 1000))
