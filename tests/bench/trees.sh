#!/bin/sh
# Two real Debian systems as tar files, made once: bookworm as it was released, and the same with the
# security updates, each by a debootstrap of its own, as a weekly rebuild would.
#
#   trees.sh FOLDER       FOLDER/old.tar, FOLDER/new.tar; a minute or two each; nothing if they are there
set -eu
PATH=/usr/bin:/usr/sbin:/bin:/sbin
folder=${1:?trees.sh FOLDER}
mirror=http://deb.debian.org
suite=bookworm

mkdir -p "$folder"
tree=$(mktemp -d "$folder/tree.XXXXXX")

# shellcheck disable=SC2317 # called by trap
clean_up() {
	umount "$tree/proc" 2>/dev/null || :
	rm -rf --one-file-system "$tree"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

upgrade() {
	cat >"$tree/etc/apt/sources.list" <<-END
	deb $mirror/debian $suite main
	deb $mirror/debian $suite-updates main
	deb $mirror/debian-security $suite-security main
	END
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # no daemon starts here
	chmod 755 "$tree/usr/sbin/policy-rc.d"
	chroot "$tree" apt-get -qq update
	chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y upgrade
	chroot "$tree" apt-get -qq clean
	rm "$tree/usr/sbin/policy-rc.d"
}

# What an image has no use for, as those who make images take it out.
slim() {
	rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/* "$tree"/var/log/*
	rm -f "$tree/etc/resolv.conf"
}

make_tree() { # NAME
	[ ! -e "$folder/$1.tar" ] || return 0
	rm -rf "${tree:?}"/*
	debootstrap "$suite" "$tree" "$mirror/debian"
	[ "$1" != new ] || upgrade
	slim
	tar --one-file-system --sort=name -C "$tree" -cf "$folder/$1.tar.part" .
	mv "$folder/$1.tar.part" "$folder/$1.tar"
}

make_tree old
make_tree new
