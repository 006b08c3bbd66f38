# shellcheck shell=bash disable=SC2154
# Where an image cannot be pulled through a tunnel it is loaded; and how much goes over the uplink.

# layered:TAG - 2 MB that all tags share, and a small layer of the tag's own.
make_layered() { # TAG...
	local tag dir=$tmp/layered
	mkdir -p "$dir"
	cp /bin/busybox "$dir/busybox"
	[ -e "$dir/large" ] || head -c 2000000 /dev/urandom >"$dir/large"
	for tag; do
		echo "$tag" >"$dir/word"
		printf 'FROM scratch\nCOPY busybox /busybox\nCOPY large /large\nCOPY word /word\n%s\n' \
		    'CMD ["/busybox", "sleep", "100000"]' >"$dir/Dockerfile"
		docker build -q -t "layered:$tag" "$dir" >"$tmp/build.log" 2>&1 || wrong "no image: $(cat "$tmp/build.log")"
	done
}

# deploy_layered PROJECT HOST TAG [LINE OF THE INVENTORY]: by --json; bytes in $moved, notes in $notes.
deploy_layered() {
	project=$1 hosts=$2 ready='running: 1s' write_inventory "$tmp/$1/shipit.yml" "layered:$3"
	[ -z "${4-}" ] || echo "$4" >>"$tmp/$1/shipit.yml"
	shipit -f "$tmp/$1/shipit.yml" deploy prod --json
	want_code 0
	moved=$(sed -n 's/.*"event": *"host".*"bytes": *\([0-9]*\).*/\1/p' "$tmp/out" | tail -n 1)
	notes=$(grep '"note"' "$tmp/out")
	want_same "what $1 is on $2" "$3" "$(on "$2" docker exec "$1.prod.web" /busybox cat /word)"
}

want_said() { # TEXT
	[[ "$notes" == *"$1"* ]] || wrong "not said: $1, but: $notes"
}

# Two releases, of which the second has one small layer of its own.
load_twice() { # PROJECT HOST REASON
	local id
	deploy_layered "$1" "$2" one
	want_said "by load: $3"
	[ "${moved:-0}" -gt 2000000 ] || wrong "$moved bytes were moved for the first release"
	id=$(docker image inspect -f '{{.Id}}' layered:one)
	want_same 'the image' "$id" "$(inspect "$2" '{{.Image}}' "$1.prod.web")"
	deploy_layered "$1" "$2" two
	want_said "by load: $3"
	want_said 'by load: 2 of 3 layers are there'
	[ "${moved:-0}" -gt 500 ] && [ "$moved" -lt 20000 ] || wrong "$moved bytes were moved for one small layer"
	want_same 'its tags' 4 "$(on "$2" docker image ls -q "localhost/shipit/$1.prod.web" | wc -l)"
	want_same 'images without a name' '' "$(on "$2" docker image ls -q --filter dangling=true)"
}

# An engine with a network of its own, and its socket where it always is: as a rootless one.
engine_apart() { # HOST
	local arguments
	arguments=$(on "$1" sh -c 'tr "\0" " " <"/proc/$(cat /run/docker.pid)/cmdline"')
	"$LAB" stop "$1" dockerd >/dev/null
	on "$1" unshare --net sh -c "ip link set lo up && setsid --fork $arguments >>/var/log/apart.log 2>&1 </dev/null"
	"$LAB" wait "$1" engine
}

engine_back() { # HOST
	"$LAB" stop "$1" dockerd >/dev/null
	"$LAB" start "$1" dockerd >/dev/null
	"$LAB" wait "$1" engine
}

test_load() {
	make_layered one two

	begin 'AllowTcpForwarding no: by load, and the second time only what is new'
	"$LAB" sshd h1 'AllowTcpForwarding no' >/dev/null
	load_twice loada h1 'the host refuses to forward a port back'

	begin '`delivery: pull` says what is in the way'
	project=loadp hosts=h1 write_inventory "$tmp/loadp/shipit.yml" layered:one
	echo 'delivery: pull' >>"$tmp/loadp/shipit.yml"
	shipit -f "$tmp/loadp/shipit.yml" deploy prod
	want_code 1
	want_out 'refuses to forward a port back' AllowTcpForwarding
	"$LAB" sshd h1 >/dev/null

	begin 'PermitListen none: by load'
	"$LAB" sshd h2 'PermitListen none' >/dev/null
	load_twice loadb h2 'the host refuses to forward a port back'
	"$LAB" sshd h2 >/dev/null

	begin 'an engine that does not reach 127.0.0.1 of its host: by load'
	engine_apart h3
	load_twice loadc h3 "the engine cannot reach the host's 127.0.0.1"
	engine_back h3

	begin '`delivery: load`, where a tunnel could be had'
	deploy_layered loadd h1 one 'delivery: load'
	want_said 'by load: asked for'
	want_said 'by load: 3 of 3 layers are there'
}

# begin_load PROJECT TAG: over a slow link; comes back in the middle of the archive.
begin_load() {
	local link
	link=$(ip -o route get "$(address h1)" | grep -o 'lab-[0-9-]*')
	project=$1 hosts=h1 ready='running: 1s' write_inventory "$tmp/$1/shipit.yml" "layered:$2"
	echo 'delivery: load' >>"$tmp/$1/shipit.yml"
	"$LAB" limit h1 8mbit
	entered=$(cat "/sys/class/net/$link/statistics/tx_bytes")
	timeout --foreground -k 10 200 "$SHIPIT" -f "$tmp/$1/shipit.yml" deploy prod >"$tmp/out" 2>&1 </dev/null &
	loading=$!
	until_true 60 eval "[ \$((\$(cat /sys/class/net/$link/statistics/tx_bytes) - entered)) -gt 1000000 ]" ||
	    wrong 'the load does not begin'
}

end_load() {
	wait $loading
	code=$?
	out=$(cat "$tmp/out")
	"$LAB" unlimit h1
}

test_broken_load() {
	make_layered one
	on h1 sh -c 'docker ps -aq | xargs -r docker rm -f; docker image prune -af' >/dev/null 2>&1

	begin 'Ctrl-C in the middle of a load'
	begin_load loadx one
	kill -INT $loading
	end_load
	want_code 130
	want_same 'containers' '' "$(on h1 docker ps -aq)"
	want_same 'images' '' "$(on h1 docker image ls -q)"
	# What was on its way is still before the goodbye, on such a link.
	until_true 30 on h1 flock -n /run/lock/shipit.loadx.prod true || wrong 'the lock is not freed'

	begin 'the link dies in the middle of a load'
	begin_load loadx one
	"$LAB" kill h1 sshd
	"$LAB" start h1 sshd >/dev/null
	"$LAB" unlimit h1
	end_load
	want_code 0
	want_out reconnecting
	want_same 'what runs' one "$(on h1 docker exec loadx.prod.web /busybox cat /word)"
}

# The three of them together, through one uplink.
test_max_rate() {
	begin '--max-rate holds for all hosts together'
	local took bytes rate=1000000
	make_layered three
	project=rate hosts='h1 h2 h3' ready='running: 1s' write_inventory "$tmp/rate/shipit.yml" layered:three
	sed -i 's/^  h3: {}/  h3: {delivery: load}/' "$tmp/rate/shipit.yml"
	for h in h1 h2 h3; do
		on $h sh -c 'docker ps -aq | xargs -r docker rm -f; docker image prune -af' >/dev/null 2>&1
	done
	shipit -f "$tmp/rate/shipit.yml" deploy prod --json --max-rate 1MB
	want_code 0
	bytes=$(sed -n 's/.*"event": *"host".*"bytes": *\([0-9]*\).*/\1/p' "$tmp/out" | awk '{ n += $1 } END { print n }')
	took=$(python3 "$here/span.py" "$tmp/out" deliver)
	[ "$bytes" -gt 6000000 ] || wrong "$bytes bytes were moved"
	printf '    %s bytes in %s ms: %s of the limit\n' "$bytes" "$took" \
	    "$(awk -v b="$bytes" -v t="$took" -v r=$rate 'BEGIN { print b * 1000 / t / r }')"
	awk -v b="$bytes" -v t="$took" -v r=$rate 'BEGIN { s = b * 1000 / t / r; exit !(s <= 1.15 && s >= 0.1) }' ||
	    wrong "$bytes bytes in $took ms"
}

test_check() {
	begin 'check tells how images would come'
	"$LAB" sshd h2 'AllowTcpForwarding no' >/dev/null
	write_inventory "$tmp/check/shipit.yml" layered:one
	sed -i 's/^  h3: {}/  h3: {delivery: load}/' "$tmp/check/shipit.yml"
	shipit -f "$tmp/check/shipit.yml" check prod
	want_code 0
	want_out KEY LOGIN TRANSPORT libssh2 TUNNEL DELIVERY 'images go by load' AllowTcpForwarding
	grep -Eq '^h1 .* ok +pull ' "$tmp/out" || wrong 'h1 is not pulled to'
	grep -Eq '^h2 .* refused +load ' "$tmp/out" || wrong 'h2 is not loaded into'
	grep -Eq '^h3 .* ok +load ' "$tmp/out" || wrong 'h3 is not loaded into'

	begin 'check fails where nothing can be delivered'
	echo 'delivery: pull' >>"$tmp/check/shipit.yml"
	shipit -f "$tmp/check/shipit.yml" check prod
	want_code 1
	want_out 'h2: delivery: ' AllowTcpForwarding
	"$LAB" sshd h2 >/dev/null

	begin 'an engine that is down, and one whose command does not work'
	write_inventory "$tmp/check/shipit.yml" box:v1
	"$LAB" kill h1 dockerd >/dev/null
	on h2 sh -c 'mkdir -p /opt/odd && printf "#!/bin/sh\necho odd words >&2; exit 3\n" >/opt/odd/docker && chmod +x /opt/odd/docker'
	sed -i 's|^  h2: {}|  h2: {engine: {command: /opt/odd/docker}}|' "$tmp/check/shipit.yml"
	for word in check status deploy; do
		shipit -f "$tmp/check/shipit.yml" $word prod
		want_code 1
		want_out 'daemon running' 'systemctl start docker'
	done
	"$LAB" start h1 dockerd >/dev/null
	"$LAB" wait h1 engine
	shipit -f "$tmp/check/shipit.yml" deploy prod
	want_code 1
	want_out 'h2: ' 'odd words'
	want_same 'what runs there' '' "$(for h in h1 h2 h3; do on $h docker ps -q --filter label=dev.shipit.prefix=shop.prod; done)"
}
