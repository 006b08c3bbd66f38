#!/bin/sh
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC1091
# Does the lab do what it says? Brings up real ones, breaks them, and looks
# whether anything is left behind. Wants root; a minute at most.
set -eu
PATH=/usr/bin:/usr/sbin:/bin:/sbin
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/state.sh"
unset SHIPIT_LAB DOCKER_HOST
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lab-test.XXXXXX")
one=$tmp/one two=$tmp/two three=$tmp/three
passed=0 failed=0 children=''
timeout=30

cleanup() {
	trap - EXIT
	# shellcheck disable=SC2086
	[ -z "$children" ] || kill $children 2>/dev/null || :
	for dir in "$one" "$two" "$three"; do "$here/lab" down --dir "$dir" || :; done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

check() {
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name" >&2
		sed 's/^/    /' "$tmp/out" >&2
	fi
}

not() { ! "$@"; }
says() { expected=$1 && shift && [ "$("$@")" = "$expected" ]; }
exits() { expected=$1 && shift && { "$@" || [ $? = "$expected" ]; }; }
lab() { "$here/lab" "$@" --dir "$one"; }
inside() { "$here/lab" exec --dir "$one" "$@"; }
far() { ssh -F "$one/ssh_config" "$@"; }
get() { curl -sS --noproxy '*' --max-time "${patience:-5}" "http://$1"; }
uptime_ms() { read -r up _ </proc/uptime && echo $((${up%.*} * 1000 + 1${up#*.}0 - 1000)); }

# took LEAST MOST COMMAND...: within these milliseconds.
took() {
	least=$1 most=$2 before=$(uptime_ms)
	shift 2
	"$@"
	spent=$(($(uptime_ms) - before))
	echo "$spent ms"
	[ $spent -ge "$least" ] && [ $spent -le "$most" ]
}

# What a lab must not change on the machine. Other labs may come and go meanwhile.
machine() {
	ip -br link | sed 's/[ @].*//' | grep -Ev '^(lab-|veth|br-)' || :
	ip route | grep -v ' dev lab-' || :
	iptables-save 2>/dev/null | grep -v '^#' || :
	cat /proc/sys/net/ipv4/ip_forward /proc/mounts /etc/passwd /etc/group
	ls / /opt /srv /var/lib /run/netns 2>/dev/null || :
}

# members DIR: "PID BIRTH" of all that runs in a lab: what descends from its router.
members() {
	read -r root _ <"$1/pid"
	ps -eo pid=,ppid= | awk -v root="$root" '
		{ parent[$1] = $2 }
		END { for (p in parent) { for (a = p; a > 1 && a != root;) a = parent[a]; if (a == root) print p } }' |
		while read -r pid; do
			! born=$(birth "$pid") || echo "$pid $born"
		done
}

# remember DIR NAME, then vanished DIR NAME: not a process, link, route, cgroup or file.
remember() {
	members "$1" >"$tmp/$2.members"
	cp "$1/id" "$tmp/$2.id"
}

vanished() {
	while read -r line; do
		echo "$line" >"$tmp/member"
		not alive "$tmp/member" || return 1
	done <"$tmp/$2.members"
	[ -z "$(traces "$(cat "$tmp/$2.id")")" ] && not [ -e "$1" ] && not [ -L "$(entry "$1")" ]
}

traces() {
	ip -br link | grep "^lab-$1[@ -]"
	ip route | grep "dev lab-$1 "
	find /sys/fs/cgroup -maxdepth 2 -name "shipit-lab-$1"
}

machine >"$tmp/before"

# --- up, and a second lab beside it ---------------------------------------------
"$here/lab" up 1 --dir "$two" >/dev/null 2>"$tmp/two.err" &
second=$!
lab up 3 >"$tmp/env"
. "$tmp/env"
check "env tells the hosts" says "h1 h2 h3" echo "$LAB_HOSTS"
for host in $LAB_HOSTS; do check "docker over ssh to $host" far "$host" docker version; done
check "each host has its name" says h2 far h2 hostname
check "a wrong host key is refused" exits 255 ssh -F "$one/ssh_config" \
	-o UserKnownHostsFile=/dev/null -o BatchMode=yes h1 true
check "exec passes the exit status" exits 7 inside h1 sh -c 'exit 7'
check "exec passes stdin and options" says 'hi$' sh -c "echo hi | '$here/lab' exec --dir '$one' h1 cat --show-ends"
inside h1 sh -c 'mkdir /srv/data && echo h1 >/etc/only-there'
check "a host writes to its own disk" not ls /srv/data /etc/only-there
check "a host cannot change /usr" not inside h1 touch /usr/bin/new
check "a second lab comes up meanwhile" wait $second
check "it has its own network" not cmp "$one/id" "$two/id"
check "and its own hosts" ssh -F "$two/ssh_config" h1 docker version
check "up refuses a directory without parent" not "$here/lab" up 1 --dir "$tmp/no/where"
check "up refuses a directory in use" not "$here/lab" up 1 --dir "$one"
check "and leaves that lab alone" far h1 true

# --- the laptop: build, push, pull through a tunnel, run ----------------------------
lab engine up
lab registry up
lab env >"$tmp/env"
. "$tmp/env"
export DOCKER_HOST
mkdir "$tmp/context"
cp "$(command -v busybox)" "$tmp/context/busybox"
cat >"$tmp/context/Dockerfile" <<-'END'
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN echo hello >/index.html
CMD ["httpd", "-f", "-p", "80"]
STOPSIGNAL SIGKILL
END
image=$LAB_REGISTRY/hello:1
check "build with RUN" docker build -q -t "$image" "$tmp/context"
check "push to the registry" docker push "$image"
lab registry stop
check "no registry after stop" not get "$LAB_REGISTRY/v2/"
lab registry start
check "the same port after start" get "$LAB_REGISTRY/v2/hello/manifests/1"
check "a network of the laptop's engine" docker network create extra
bridge=br-$(docker network inspect --format '{{.Id}}' extra | head -c 12)
check "has a bridge" ip link show "$bridge"
lab engine stop
check "no engine after stop" not docker version
lab engine start
check "images stay over engine stop" docker image inspect "$image"
check "pull through ssh -R" far -R "127.0.0.1:5000:$LAB_REGISTRY" h1 \
	"docker pull 127.0.0.1:5000/hello:1 && docker tag 127.0.0.1:5000/hello:1 hello"
check "run" far h1 docker run -d --restart=always -p 8080:80 --name hello hello
check "a published port answers" await "an answer" get "$LAB_ADDR_h1:8080"

# --- the link -------------------------------------------------------------------
mkfifo "$tmp/to" "$tmp/from"
far h1 cat <"$tmp/to" >"$tmp/from" 2>/dev/null &
session=$! children="$children $!"
exec 8>"$tmp/to" 7<"$tmp/from"
echo before >&8
check "a session talks" says before head -n 1 <&7
lab drop h1
echo during >&8
check "drop: an open session is silent" exits 124 timeout 1 head -n 1 <&7
check "drop: but open" kill -0 $session
check "drop: nothing is refused" exits 28 env patience=1 curl -sS --noproxy '*' --max-time 1 "$LAB_ADDR_h1:8080"
check "drop: other hosts answer" far h2 true
lab undrop h1
check "undrop: what was sent arrives" says during timeout 30 head -n 1 <&7
exec 8>&- 7<&-
check "undrop: the session ends well" wait $session

lab limit h2 20mbit
check "limit: to the host" took 2000 30000 sh -c "head -c 6000000 /dev/zero | ssh -F '$one/ssh_config' h2 'cat >/dev/null'"
check "limit: from the host" took 2000 30000 far h2 'head -c 6000000 /dev/zero'
lab unlimit h2
# At 20 Mbit/s this would take ten seconds; unlimited it takes some, on a busy machine too.
check "unlimit" took 0 8000 far h2 'head -c 25000000 /dev/zero'
check "limit refuses nonsense" not lab limit h2 fast

"$here/delay" 127.0.0.1:0 "$LAB_REGISTRY" 100 --count "$tmp/trips" >"$tmp/port" &
children="$children $!"
await "the proxy" test -s "$tmp/port"
check "delay: handshake and one round trip" took 400 10000 get "127.0.0.1:$(cat "$tmp/port")/v2/"
check "delay: counts it" says 1 cat "$tmp/trips"

# --- power and services ------------------------------------------------------------
inside h1 sh -c 'touch /run/stamp /tmp/stamp; echo kept >/root/stamp'
lab power h1 off
check "power off: nobody answers" exits 28 curl -sS --noproxy '*' --max-time 1 "$LAB_ADDR_h1:8080"
check "power off: exec says so" not inside h1 true
lab power h1 on
lab wait h1
check "power on: the container is back" await "an answer" get "$LAB_ADDR_h1:8080"
check "power on: the disk is the same" says kept far h1 cat stamp
check "power on: /run and /tmp are new" far h1 '! ls /run/stamp /tmp/stamp'

far h1 'touch /run/started; sleep 300' 2>/dev/null &
session=$! children="$children $!"
await "the session" inside h1 test -e /run/started
lab kill h1 sshd
check "kill sshd: sessions end" exits 255 wait $session
check "kill sshd: their commands go on" inside h1 sh -c 'pgrep -f "sleep [3]00"'
check "kill sshd: refused" not far h1 true
lab start h1 sshd
check "start sshd" lab wait h1 ssh
lab kill h1 dockerd
check "kill dockerd: no engine" not far h1 docker ps
lab start h1 dockerd
check "start dockerd" lab wait h1 engine

lab sshd h3 'AllowTcpForwarding no' 'Port 2222'
check "sshd: another port" far h3 true
check "sshd: an option" not far -o ExitOnForwardFailure=yes -R 0:127.0.0.1:1 h3 true
check "sshd: a bad option is refused" not lab sshd h3 'Foo bar'
check "sshd: and changes nothing" says 'Port 2222' inside h3 tail -n 1 /etc/ssh/sshd_first
lab sshd h3
check "sshd: as at first" far -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:1 h3 true

ssh-keygen -q -t ed25519 -N '' -f "$tmp/key"
for shell in /usr/bin/fish /bin/tcsh /bin/bash; do
	[ -x "$shell" ] || continue
	lab user h2 "u-${shell##*/}" --shell "$shell" --docker
	check "user with $shell" says "$shell" far "u-${shell##*/}@h2" 'printenv SHELL; docker ps -q'
done
lab user h2 plain --key "$tmp/key.pub"
check "user with another key" far -i "$tmp/key" plain@h2 true
check "who is not in the group docker" not far -i "$tmp/key" plain@h2 docker ps

# --- the end of labs ----------------------------------------------------------------
remember "$one" one
check "down" took 0 30000 lab down
check "down leaves nothing" vanished "$one" one
check "not a bridge of its engine" not ip link show "$bridge"
check "down again is fine" lab down
check "the other lab is alive" ssh -F "$two/ssh_config" h1 docker version
remember "$two" two
"$here/lab" down --dir "$two"
check "and leaves nothing in its turn" vanished "$two" two

sleep 300 &
owner=$!
"$here/lab" up 1 --dir "$three" --owner $owner >/dev/null
remember "$three" three
kill $owner
wait $owner 2>/dev/null || :
check "a lab ends with its owner" await "the lab to end" dead "$three/pid"
"$here/lab" reap
check "reap removes the rest" vanished "$three" three

for crash in pid id h2/pid h2/dockerd.log; do
	"$here/lab" up 2 --dir "$three" >/dev/null 2>&1 &
	await "$crash" test -s "$three/$crash"
	kill -KILL $!
	wait $! 2>/dev/null || :
	remember "$three" three 2>/dev/null || echo none >"$tmp/three.id"
	"$here/lab" reap
	check "up killed when it had written $crash" vanished "$three" three
done
machine >"$tmp/after"
check "the machine is as it was" diff "$tmp/before" "$tmp/after"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
