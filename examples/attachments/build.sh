#!/bin/sh
# Makes what the image is built from. data/ is an empty folder, and root/ this machine's python3 (Debian's package, 3.11 or newer), its
# standard library, and the shared libraries that they need.
set -eu
cd "$(dirname "$0")"
python=$(readlink -f /usr/bin/python3)
library=/usr/lib/$(basename "$python")
"$python" -c 'import sqlite3; sqlite3.Blob' 2>/dev/null || {
	echo "$python has no sqlite3.Blob: 3.11 or newer is needed (apt-get install python3)" >&2
	exit 1
}
rm -rf root
mkdir -p data root/usr/bin root/usr/lib
cp "$python" root/usr/bin/python3
tar -c -C / --exclude=test --exclude=idlelib --exclude=lib2to3 --exclude=pydoc_data --exclude=ensurepip \
    --exclude='config-*' "${library#/}" | tar -x -C root
ldd "$python" "$library"/lib-dynload/*.so |
    awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\/.*[^:]$/) print $i }' | sort -u | while read -r needed; do
	mkdir -p "root${needed%/*}"
	cp -L "$needed" "root$needed"
done
