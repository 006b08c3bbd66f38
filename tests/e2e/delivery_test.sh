#!/bin/bash
# Images that are large, in many layers, or go over a bad link arrive whole: what the container reads is
# compared with what was built.
#
#   delivery_test.sh [check|soak [PART...]]     soak: 2 GB over each kind of link, by each transport
#
# The parts: large many rekey thin thinner far farther.
# shellcheck source-path=SCRIPTDIR disable=SC2154
. "$(dirname "$0")/lib.sh"

mode=${1:-check}
[ $# -lt 1 ] || shift
parts=${*:-large many rekey thin thinner far farther}
limit=3000

# make_load TAG FILES MEGABYTES: an image load:TAG with FILES layers of random bytes, MEGABYTES in all.
make_load() {
	local dir=$tmp/load.$1 i
	mkdir -p "$dir"
	cp /bin/busybox "$dir/busybox"
	printf 'FROM scratch\nCOPY busybox /busybox\n' >"$dir/Dockerfile"
	for i in $(seq "$2"); do
		head -c $(($3 * 1000000 / $2)) /dev/urandom >"$dir/part$i"
		echo "COPY part$i /part$i" >>"$dir/Dockerfile"
	done
	echo 'CMD ["/busybox", "sleep", "100000"]' >>"$dir/Dockerfile"
	docker build -q -t "load:$1" "$dir" >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; wrong 'no image'; }
	cat "$dir"/part* | sha256sum >"$tmp/load.$1.sum"
	rm -rf "$dir"
}

# arrive TAG HOST CONFIG [TRANSPORT]: deploy it there and compare.
arrive() {
	local inventory=$tmp/$2-$1/shipit.yml sum rss
	mkdir -p "${inventory%/*}"
	cat >"$inventory" <<-END
	project: load-$1
	ssh: {config: $3, transport: ${4:-libssh2}}
	services: {web: {image: "load:$1", ready: {running: 1s}, stop_grace_period: 1s}}
	hosts: {$2: {}}
	environments: {prod: {hosts: [$2]}}
	END
	timeout -k 10 $limit /usr/bin/env python3 "$root/tests/e2e/rss.py" "$tmp/rss" \
	    "$SHIPIT" -f "$inventory" deploy prod >"$tmp/out" 2>&1
	code=$?
	want_code 0
	sum=$(on "$2" docker exec "load-$1.prod.web" /busybox sh -c 'cat /part*' | sha256sum)
	want_same "the bytes of $1 on $2" "$(cat "$tmp/load.$1.sum")" "$sum"
	rss=$(cat "$tmp/rss")
	printf '    %s by %s: deliver %s, largest resident memory %s kB\n' "$1" "${4:-libssh2}" \
	    "$(sed -n 's/.*deliver [a-z]*: ok, \(.*\)/\1/p' "$tmp/out")" "$rss"
	# The store takes the image in, and serves it, in the same program.
	[ "$rss" -le 98304 ] || wrong "shipit took $rss kB of memory"
	rm -rf "${inventory%/*}"
	on "$2" docker rm -f "load-$1.prod.web" >/dev/null
	on "$2" docker image prune -af >/dev/null
}

# The configuration for a host behind a proxy that adds MS each way, in $far.
behind_delay() { # HOST MS
	# What an earlier one said would be taken for this one's word.
	rm -f "$tmp/delay.out"
	"$root/tests/lab/delay" 127.0.0.1:0 "$(address "$1"):22" "$2" >"$tmp/delay.out" 2>&1 &
	proxy=$!
	until_true 10 grep -qsE '^[0-9]+$' "$tmp/delay.out" || wrong 'no proxy'
	far=$tmp/ssh_far
	sed -e "s/^\([[:space:]]*\)HostName $(address "$1")\$/\1HostName 127.0.0.1\n\1HostKeyAlias $(address "$1")/" "$LAB_SSH_CONFIG" |
	    awk -v port="$(grep -oE '[0-9]+$' "$tmp/delay.out" | head -n 1)" \
		'/HostName 127.0.0.1/ { here = 1 } here && /Port / { sub(/[0-9]+/, port); here = 0 } { print }' >"$far"
}

# by_both TAG HOST CONFIG
by_both() {
	arrive "$@" libssh2
	arrive "$@" openssh
}

large=1200 many=40 rekey=200 thin=32 thinner=16 far_size=32 farther=16
[ "$mode" != soak ] || large=2000 many=2000 rekey=2000 thin=2000 thinner=2000 far_size=2000 farther=2000

lab_up 2

part_large() {
	begin "an image with one layer of $large MB"
	make_load large 1 $large
	arrive large h1 "$LAB_SSH_CONFIG"
}

part_many() {
	begin "an image of 20 layers, $many MB, with RekeyLimit 1M on the server"
	"$LAB" sshd h2 'RekeyLimit 1M' >/dev/null
	make_load many 20 $many
	by_both many h2 "$LAB_SSH_CONFIG"
	"$LAB" sshd h2 >/dev/null
}

part_rekey() {
	begin "$rekey MB with RekeyLimit 1M on the server"
	"$LAB" sshd h1 'RekeyLimit 1M' >/dev/null
	make_load rekey 4 $rekey
	by_both rekey h1 "$LAB_SSH_CONFIG"
	"$LAB" sshd h1 >/dev/null
}

# over_thin TAG MEGABYTES RATE WHO
over_thin() {
	begin "$2 MB through a link of $3"
	"$LAB" limit h2 "$3"
	make_load "$1" 3 "$2"
	"$4" "$1" h2 "$LAB_SSH_CONFIG"
	"$LAB" unlimit h2
}

# over_far TAG MEGABYTES MS WHO: so many milliseconds each way
over_far() {
	begin "$2 MB through a link of $((2 * $3)) ms round trip"
	make_load "$1" 3 "$2"
	behind_delay h1 "$3"
	"$4" "$1" h1 "$far"
	kill "$proxy"
	wait "$proxy" 2>/dev/null
}

part_thin() { over_thin thin $thin 20mbit arrive; }
part_thinner() { over_thin thinner $thinner 10mbit by_both; }
part_far() { over_far far $far_size 50 arrive; }
part_farther() { over_far farther $farther 100 by_both; }

for part in $parts; do "part_$part"; done

totals
