#!/usr/bin/env python3
"""rss.py FILE COMMAND...: runs it, writes its largest resident memory (kB) into FILE, exits as it did."""
import resource
import subprocess
import sys

code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\n")
sys.exit(code if code >= 0 else 128 - code)
