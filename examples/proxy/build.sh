#!/bin/sh
# Makes what the two images are built from: the application, static, and Debian's haproxy with its
# libraries (package haproxy).
set -eu
cd "$(dirname "$0")"
${CC:-cc} -static -O2 -Wall -Wextra -pthread -o app app.c
haproxy=$(PATH=$PATH:/usr/sbin:/sbin command -v haproxy) || {
	echo "there is no haproxy here: apt-get install haproxy" >&2
	exit 1
}
rm -rf root
mkdir -p root/usr/sbin root/etc/haproxy root/tmp
cp -L "$haproxy" root/usr/sbin/haproxy
ldd "$haproxy" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' | while read -r library; do
	mkdir -p "root${library%/*}"
	cp -L "$library" "root$library"
done
