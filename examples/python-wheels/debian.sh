#!/bin/sh
# The two images that everything here begins with, made of Debian's packages alone. No other step
# needs a network, and none asks a package index.
#
#   python-wheels-debian     Debian 12 with Python
#   python-wheels-compiler   the packages that a compiler and Python's headers are in, not installed
#
#   ./debian.sh [FOLDER]     the tar files of both are kept there (debian), and used when they are there
#
# Needs root and debootstrap.
set -eu
PATH=/usr/bin:/usr/sbin:/bin:/sbin
cd "$(dirname "$0")"
folder=${1:-debian}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
tree=''

# shellcheck disable=SC2317 # called by trap
clean_up() {
	[ -z "$tree" ] || rm -rf --one-file-system "$tree"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

make_trees() {
	debootstrap --variant=minbase --include=python3,python3-venv "$suite" "$tree/system" "$mirror"
	chroot "$tree/system" apt-get clean
	chroot "$tree/system" apt-get -qq -y --download-only --no-install-recommends install \
	    gcc libc6-dev python3-dev python3-wheel-whl
	mkdir "$tree/compiler"
	mv "$tree"/system/var/cache/apt/archives/*.deb "$tree/compiler"
	rm -rf "$tree"/system/var/lib/apt/lists/* "$tree"/system/var/cache/apt/* "$tree"/system/var/log/* \
	    "$tree"/system/usr/share/doc/* "$tree"/system/usr/share/locale/* "$tree/system/etc/resolv.conf"
	for name in system compiler; do
		tar --one-file-system --sort=name -C "$tree/$name" -cf "$folder/$name.tar.part" .
		mv "$folder/$name.tar.part" "$folder/$name.tar"
	done
}

mkdir -p "$folder"
if ! [ -e "$folder/system.tar" ] || ! [ -e "$folder/compiler.tar" ]; then
	tree=$(mktemp -d "$folder/tree.XXXXXX")
	make_trees
fi
docker import "$folder/system.tar" python-wheels-debian
docker import "$folder/compiler.tar" python-wheels-compiler
