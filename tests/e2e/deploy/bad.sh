# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Releases that are bad, in every way that the inventory or the host can make them so; and how long
# nobody answers in an upgrade.

# A bad release: exit 1, the old one serves, nothing is left of the new one. What facts can know is found
# before the old one is stopped: its start time stays.
bad_release() { # NAME BEFOREHAND TEXT... -- LINE...
	local name=$1 beforehand=$2 texts=() started
	shift 2
	while [ "$1" != -- ]; do texts+=("$1") && shift; done
	shift
	begin "a bad release: $name"
	started=$(inspect h1 '{{.State.StartedAt}}' bad.prod.web)
	project=bad write_inventory "$tmp/bad/shipit.yml" box:v2 "$@"
	[ -z "${networks-}" ] || printf '%s\n' "$networks" >>"$tmp/bad/shipit.yml"
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 1
	want_out "${texts[@]}"
	for h in h1 h2; do want_body $h v1 8082; done
	want_same 'containers' 1 "$(on h1 docker ps -aq --filter label=dev.shipit.prefix=bad.prod --filter label=dev.shipit.service | wc -l)"
	want_same 'policy of the old one' always "$(inspect h1 '{{.HostConfig.RestartPolicy.Name}}' bad.prod.web)"
	if [ "$beforehand" = beforehand ]; then
		want_same 'start of the old one' "$started" "$(inspect h1 '{{.State.StartedAt}}' bad.prod.web)"
	fi
}

test_bad_releases() {
	local hosts='h1 h2' networks='' ready=''
	begin 'a good release to start from'
	project=bad write_inventory "$tmp/bad/shipit.yml" box:v1 'ports: ["8082:80"]'
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 0

	bad_release 'it exits at once' swapped 'exited 7' 'line 25' -- 'ports: ["8082:80"]' \
	    'command: [/busybox, sh, -c, "i=0; while [ $$i -lt 25 ]; do i=$$((i+1)); echo line $$i; done; exit 7"]'
	want_out 'line 6'
	want_not_out 'line 5'
	bad_release 'it never becomes healthy' swapped 'unhealthy' -- 'ports: ["8082:80"]' \
	    'healthcheck: {test: [CMD, /busybox, "false"], interval: 1s, retries: 2}'
	ready='running: 1s, timeout: 4s'
	bad_release 'it is not healthy in time' swapped 'not healthy after 4 s' -- 'ports: ["8082:80"]' \
	    'healthcheck: {test: [CMD, /busybox, "false"], interval: 3s, retries: 20}' 'labels: {x: y}'
	ready=''
	bad_release 'its command does not exist' swapped '/no/such/thing' -- 'ports: ["8082:80"]' 'command: [/no/such/thing]'

	on h1 docker run -d --name squatter -p 8083:80 --entrypoint /busybox \
	    "$(inspect h1 '{{.Image}}' bad.prod.web)" sleep 1000 >/dev/null || wrong 'no squatter'
	bad_release 'its port is taken by a container' beforehand 'port 8083' 'squatter' -- 'ports: ["8082:80", "8083:80"]'
	on h1 docker rm -f squatter >/dev/null
	on h1 busybox nc -l -p 8084 >/dev/null 2>&1 &
	squatter=$!
	until_true 10 on h1 sh -c 'grep -q ":1F94 " /proc/net/tcp /proc/net/tcp6' || wrong 'nc does not listen'
	bad_release 'its port is taken by a program' beforehand 'port 8084' -- 'ports: ["8082:80", "8084:80"]'
	kill $squatter 2>/dev/null
	wait $squatter 2>/dev/null
	networks='networks: {nowhere: {external: true}}'
	bad_release 'its network does not exist' beforehand 'network nowhere' -- 'ports: ["8082:80"]' 'networks: [nowhere]'
	networks=''
	bad_release 'its device does not exist' beforehand '/dev/nowhere' -- 'ports: ["8082:80"]' 'devices: [/dev/nowhere]'

	begin 'a bad release: there is no such image'
	project=bad write_inventory "$tmp/bad/shipit.yml" box:nothere 'ports: ["8082:80"]'
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 1
	want_out 'box:nothere'
	want_body h1 v1 8082
}

# --- the gap: asked every 20 ms on the host itself, beside stop and start by hand of the same container

gap_of() { # FILE: the longest time without an answer, in ms
	awk '{ if ($2 == "ok") { if (last && $1 - last > longest) longest = $1 - last; last = $1 } }
	     END { printf "%d\n", longest }' "$1"
}

probe() { # FILE: until the file FILE.stop is there
	nsenter -t "$(cut -d ' ' -f 1 "$SHIPIT_LAB/h1/pid")" -n python3 "$here/probe.py" 8086 "$1"
}

answered_after() { # FILE LINE
	tail -n "+$(($2 + 1))" "$1" | grep -q ok
}

measure() { # FILE COMMAND...
	local file=$1
	shift
	rm -f "$file" "$file.stop"
	probe "$file" &
	local pid=$!
	until_true 10 test -s "$file" || return 1
	"$@"
	until_true 20 answered_after "$file" "$(wc -l <"$file")" || return 1 # so that the last gap has an end
	touch "$file.stop"
	wait $pid
	gap_of "$file"
}

by_hand() {
	on h1 sh -c 'docker stop gap.prod.web >/dev/null && docker start gap.prod.web >/dev/null'
}

upgrade() { # IMAGE
	hosts=h1 project=gap write_inventory "$tmp/gap/shipit.yml" "$1" 'ports: ["8086:80"]'
	[ -z "${ssh_far-}" ] || sed -i "s|$LAB_SSH_CONFIG|$ssh_far|" "$tmp/gap/shipit.yml"
	shipit -f "$tmp/gap/shipit.yml" deploy prod
	[ "$code" = 0 ] || { tail -n 5 "$tmp/out" >&2; return 1; }
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

measure_gap() { # TEXT PAIRS
	local images=(v2 v1 v3 v2 v1) i hand=() ours=() h o
	for ((i = 0; i < $2; i++)); do
		hand+=("$(measure "$tmp/probe" by_hand)")
		ours+=("$(measure "$tmp/probe" upgrade "hello:${images[i]}")")
	done
	h=$(printf '%s\n' "${hand[@]}" | median)
	o=$(printf '%s\n' "${ours[@]}" | median)
	echo "gap $1: upgrade ${ours[*]} ms (median $o), docker stop + start ${hand[*]} ms (median $h)"
	case $h$o in '' | *[!0-9]*) wrong 'no gap could be measured' && return ;; esac
	[ $((o * 10)) -le $((h * 13)) ] || wrong "the gap is $o ms, by hand it is $h ms"
}

test_gap() {
	begin 'the gap of an upgrade is at most 1.3 of docker stop + docker start'
	make_hello v1 v2 v3 || wrong 'no image'
	upgrade hello:v1 || wrong 'the first deploy failed'
	measure_gap 'beside the host' 5
	begin 'the same at 200 ms round trip to the laptop'
	"$root/tests/lab/delay" 127.0.0.1:0 "$(address h1):22" 100 >"$tmp/delay.out" 2>&1 &
	local proxy=$! port ssh_far
	until_true 10 grep -q '[0-9]' "$tmp/delay.out" || wrong 'no proxy'
	port=$(grep -oE '[0-9]+$' "$tmp/delay.out" | head -n 1)
	ssh_far=$tmp/ssh_far
	sed -e "s/^\([[:space:]]*HostName\) .*/\1 127.0.0.1/I; s/^\([[:space:]]*Port\) .*/\1 $port/I" "$LAB_SSH_CONFIG" >"$ssh_far"
	grep -qi hostkeyalias "$ssh_far" || sed -i "s/^\([[:space:]]*\)HostName .*/&\n\1HostKeyAlias $(address h1)/I" "$ssh_far"
	measure_gap 'at 200 ms' 3
	kill $proxy
	wait $proxy 2>/dev/null
}
