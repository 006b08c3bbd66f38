#!/bin/bash
# A link that dies while an image is on its way: the deploy goes on, what had arrived does not travel
# again, and nothing is changed on a host that somebody else used meanwhile or that stays away.
#
#   resume_test.sh [check|soak]     soak: a cut of 60 s, a host that stays away, a lock that stays taken
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC2016
. "$(dirname "$0")/lib.sh"

mode=${1:-check}
inventory=$tmp/shop/shipit.yml

# make_long TAG MEGABYTES: box:TAG on three layers of random bytes, of so many megabytes each.
make_long() {
	local dir=$tmp/image.$1 i
	mkdir -p "$dir/www"
	cp /bin/busybox "$dir/busybox"
	echo "$1" >"$dir/www/index.html"
	printf 'FROM scratch\nCOPY busybox /busybox\nCOPY www /www\n' >"$dir/Dockerfile"
	for i in 1 2 3; do
		head -c "$2"000000 /dev/urandom >"$dir/part$i"
		echo "COPY part$i /part$i" >>"$dir/Dockerfile"
	done
	echo 'CMD ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' >>"$dir/Dockerfile"
	docker build -q -t "box:$1" "$dir" >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; wrong 'no image'; }
	rm -rf "$dir"
}

write_inventory() { # IMAGE [SSH_CONFIG]
	mkdir -p "${inventory%/*}"
	cat >"$inventory" <<-END
	project: shop
	ssh: {config: ${2:-$LAB_SSH_CONFIG}${ssh_more-}}
	services: {web: {image: "$1", ports: ["8080:80"], ready: {running: 1s}, stop_grace_period: 1s}}
	hosts: {h1: {}}
	environments: {prod: {hosts: [h1]}}
	END
}

# In the background; end_deploy waits for it.
begin_deploy() {
	entered=$(cat "/sys/class/net/$lab_link/statistics/tx_bytes")
	timeout --foreground -k 10 400 "$SHIPIT" -vv -f "$inventory" deploy prod >"$tmp/out" 2>&1 </dev/null &
	deploying=$!
	rm -f "$tmp/down"
	watch_service &
	watching=$!
}

# The old release answers, as long as nothing was swapped.
watch_service() {
	until grep -q 'deliver web: [a-z]*ok\|deliver.*ok,' "$tmp/out" || ! kill -0 $deploying 2>/dev/null; do
		on h1 curl -fs --max-time 5 "http://$(address h1):8080/" >/dev/null ||
		    { grep -q 'create' "$tmp/out" || date >>"$tmp/down"; }
		sleep 0.2
	done
}

end_deploy() {
	wait $deploying
	code=$?
	wait $watching
	[ -n "${they_swap-}" ] || [ ! -e "$tmp/down" ] || wrong "the old release did not answer: $(cat "$tmp/down")"
}

has_sent() { # MEGABYTES since begin_deploy
	[ $(($(cat "/sys/class/net/$lab_link/statistics/tx_bytes") - entered)) -ge "$1"000000 ] ||
	    ! kill -0 $deploying 2>/dev/null
}

want_sent() { # MEGABYTES at most, by the registry
	local sent
	sent=$(sed -n 's/.*registry: GET [^ ]* [0-9]*, \([0-9]*\) bytes.*/\1/p' "$tmp/out" |
	    awk '{ n += $1 } END { printf "%d", n / 1000000 }')
	echo "    $current: $sent MB served"
	[ "$sent" -le "$1" ] || wrong "the registry sent $sent MB"
}

want_nothing_left() {
	want_same 'names of stages that are left' '' "$(on h1 docker images --format '{{.Repository}}:{{.Tag}}' | grep '^127')"
}


lab_up 1
lab_link=$(ip -o route get "$(address h1)" | grep -o 'lab-[0-9-]*')
make_box v1
make_box v3
make_long long 100
make_long short 40

write_inventory box:v1
shipit -f "$inventory" deploy prod
[ "$code" = 0 ] || { cat "$tmp/out"; echo '0 passed, 1 failed'; exit 1; }

cut=25
[ "$mode" != soak ] || cut=60
begin "a cut of $cut s in the middle of three layers of 100 MB"
write_inventory box:long
"$LAB" limit h1 300mbit
begin_deploy
until_true 60 has_sent 150 || wrong 'it does not come half way'
"$LAB" drop h1
sleep $cut
"$LAB" undrop h1
end_deploy
want_code 0
want_out 'the connection was lost' 'reconnecting' 'going on'
want_body h1 long
want_sent 405
want_nothing_left

begin 'two cuts in the second stage'
write_inventory box:short
"$LAB" limit h1 100mbit
begin_deploy
for i in 1 2; do
	until_true 60 has_sent $((20 + 40 * i)) || wrong "cut $i: it does not come so far"
	"$LAB" kill h1 sshd
	"$LAB" start h1 sshd >/dev/null
	until_true 60 eval '[ "$(grep -c "going on" "$tmp/out")" -ge $i ]' || wrong "cut $i: it does not go on"
done
end_deploy
want_code 0
want_body h1 short
want_sent 205
want_nothing_left
"$LAB" unlimit h1

# behind_relay: h1 through a relay of this side, which can be cut off alone; in $relayed.
behind_relay() {
	relay_port=0
	start_relay
	relayed=$tmp/ssh_relayed
	sed -e "s/^\([[:space:]]*\)HostName $(address h1)\$/\1HostName 127.0.0.1\n\1HostKeyAlias $(address h1)/" "$LAB_SSH_CONFIG" |
	    awk -v port="$relay_port" \
		'/HostName 127.0.0.1/ { here = 1 } here && /Port / { sub(/[0-9]+/, port); here = 0 } { print }' >"$relayed"
}

start_relay() {
	rm -f "$tmp/relay.out"
	"$root/tests/lab/delay" "127.0.0.1:$relay_port" "$(address h1):22" 0 >"$tmp/relay.out" 2>&1 &
	relay=$!
	until_true 10 grep -q '[0-9]' "$tmp/relay.out" || wrong 'no relay'
	relay_port=$(grep -oE '[0-9]+$' "$tmp/relay.out" | head -n 1)
}

stop_relay() {
	kill "$relay"
	wait "$relay" 2>/dev/null
}

# cut_relay MEGABYTES: cut it off when so much has been sent.
cut_relay() {
	begin_deploy
	until_true 60 has_sent "$1" || wrong 'it does not come so far'
	stop_relay
	until_true 30 grep -q reconnecting "$tmp/out" || wrong 'the cut is not said'
}

behind_relay
make_long other 40
"$LAB" limit h1 100mbit

begin 'another rollout was there meanwhile'
write_inventory box:other "$relayed"
cut_relay 60
inventory=$tmp/theirs/shop/shipit.yml
write_inventory box:v3
timeout 100 "$SHIPIT" -f "$inventory" deploy prod >"$tmp/theirs.out" 2>&1 || wrong "theirs failed: $(cat "$tmp/theirs.out")"
inventory=$tmp/shop/shipit.yml
start_relay
they_swap=1 end_deploy
want_code 1
want_out 'another rollout was here while the connection was lost' 'nothing was changed'
want_body h1 v3
want_not_out 'going on'

begin 'another rollout is there, and stays'
cut_relay 60
on h1 sh -c 'dir=/tmp; [ ! -k /run/lock ] || dir=/run/lock
	flock "$dir/shipit.shop.prod" sh -c "touch /run/taken; while [ -e /run/taken ]; do sleep 0.2; done"' &
holder=$!
until_true 30 on h1 test -e /run/taken || wrong 'the lock cannot be had'
start_relay
end_deploy
on h1 rm -f /run/taken
wait $holder
want_code 5
want_out 'the connection was lost, and with it the lock' 'is being rolled out by'
want_body h1 v3

begin 'Ctrl-C ends the waiting at once'
cut_relay 60
kill -INT $deploying
asked=$(date +%s)
end_deploy
[ $(($(date +%s) - asked)) -le 30 ] || wrong "it took $(($(date +%s) - asked)) s"
want_code 130
start_relay
want_body h1 v3

if [ "$mode" = soak ]; then
	begin 'a host that stays away'
	cut_relay 20
	gone=$(date +%s)
	end_deploy
	echo "    given up after $(($(date +%s) - gone)) s"
	[ $(($(date +%s) - gone)) -le 160 ] || wrong "given up after $(($(date +%s) - gone)) s"
	want_code 1
	want_out 'could not be reached again within 120 s' 'deliver web: failed'
	start_relay
	want_body h1 v3
fi

begin 'what was left over is used, and removed by the next deploy'
"$LAB" unlimit h1
shipit -vv -f "$inventory" deploy prod
want_code 0
want_body h1 other
want_sent 90
want_nothing_left
stop_relay

totals
