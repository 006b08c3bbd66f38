# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# The network of a lab. Nothing of the machine is touched but for one interface,
# lab-X-Y, and one route; both go when the router's namespace does.

start_router() {
	clean setsid --fork unshare --net --pid --fork sh "$here/init" router "$dir" \
		</dev/null >"$dir/router.log" 2>&1
	await "the router" alive "$dir/pid"
	router=$pid lifeline=$dir/pid
}

in_router() {
	nsenter --target "$router" --net -- "$@"
}

# claim_network: a free 10.X.Y.0/24. To make an interface with its name is what
# claims it: that succeeds once, for whoever asks.
claim_network() {
	seed=$(od -An -N2 -tu2 /dev/urandom)
	try=0
	until try_network $(((seed + try * 257) % 16384)); do
		try=$((try + 1))
		[ $try -lt 100 ] || die "found no free network: $claim_error"
	done
	echo "$id" >"$dir/id"

	ip addr add "$net.1" peer "$net.2" dev "lab-$id"
	ip link set "lab-$id" up
	in_router ip addr add "$net.2" peer "$net.1" dev laptop
	in_router ip link set laptop up
	ip route add "$net.0/24" via "$net.2"
	# A host without power does not answer, and nobody answers for it.
	in_router ip route add blackhole "$net.0/24"
}

try_network() {
	id=$((64 + $1 / 256))-$(($1 % 256))
	net=10.$(echo "$id" | tr - .)
	claim_error="$net.0/24 is routed elsewhere"
	[ -z "$(ip -4 route show root "$net.0/24")" ] || return 1
	! ip -4 route show match "$net.0/24" | grep -Eq '^[0-9.]+/(1[6-9]|2[0-9])' || return 1
	claim_error=$(ip link add "lab-$id" type veth peer name laptop netns "$router" 2>&1)
}

remove_link() {
	ip link delete "$1" 2>/dev/null || :
	await "$1 to go" no_link "$1"
}

no_link() {
	! ip link show dev "$1" >/dev/null 2>&1
}

# plug_cable HOST ADDRESS: run by the host's first process, with the laptop's /proc.
plug_cable() {
	ip link add eth0 type veth peer name "$1" netns "/proc/$router/ns/net"
	ip link set lo up
	ip addr add "$2/32" dev eth0
	ip link set eth0 up
	ip route add "$net.2" dev eth0
	ip route add default via "$net.2"
	in_router ip link set "$1" up
	in_router ip route add "$2/32" dev "$1"
}
