# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# What goes wrong with hosts. Packets are dropped in the router, where neither
# end can see it: nothing is refused, nothing is reset.

fault_drop() {
	fault_undrop "$@"
	in_router iptables -w -I FORWARD -i "$1" -j DROP
	in_router iptables -w -I FORWARD -o "$1" -j DROP
}

fault_undrop() {
	need_host "${1:-}"
	for way in -i -o; do
		while in_router iptables -w -D FORWARD $way "$1" -j DROP 2>/dev/null; do :; done
	done
}

fault_limit() {
	case ${2:-} in
	[1-9]*bit) ;;
	*) die "limit: to what rate? (20mbit)" ;;
	esac
	if [ "${1:-}" = laptop ]; then
		limit_laptop "$2"
		return
	fi
	need_host "${1:-}"
	echo "$2" >"$dir/$1/limit"
	! alive "$dir/$1/pid" || apply_limit "$1"
}

# Of the laptop's own link, which all hosts share.
limit_laptop() {
	tc qdisc replace dev "lab-$id" root tbf rate "$1" burst 64k latency 100ms
	in_router tc qdisc replace dev laptop root tbf rate "$1" burst 64k latency 100ms
}

fault_unlimit() {
	if [ "${1:-}" = laptop ]; then
		tc qdisc delete dev "lab-$id" root 2>/dev/null || :
		in_router tc qdisc delete dev laptop root 2>/dev/null || :
		return
	fi
	need_host "${1:-}"
	rm -f "$dir/$1/limit"
	alive "$dir/$1/pid" || return 0
	in_router tc qdisc delete dev "$1" root 2>/dev/null || :
	in_host "$1" tc qdisc delete dev eth0 root 2>/dev/null || :
}

# apply_limit HOST: a boot makes the link anew, so it is done again then.
apply_limit() {
	[ -e "$dir/$1/limit" ] || return 0
	set -- "$1" tbf rate "$(cat "$dir/$1/limit")" burst 64k latency 100ms
	link=$1
	shift
	in_router tc qdisc replace dev "$link" root "$@"
	in_host "$link" tc qdisc replace dev eth0 root "$@"
}

fault_power() {
	need_host "${1:-}"
	case ${2:-} in
	off) power_off "$1" ;;
	on) power_on "$1" ;;
	*) die "power: off or on?" ;;
	esac
}

# The cable goes first: no process gets to send a FIN.
power_off() {
	in_router ip link delete "$1" 2>/dev/null || :
	slay "$dir/$1/pid"
	remove_cgroups "shipit-lab-$id/$1"
}

power_on() {
	! alive "$dir/$1/pid" || die "$1 has power"
	boot_host "$1"
	start_sshd "$1"
	start_dockerd "$1"
}

service() {
	need_host "${2:-}"
	case ${3:-} in
	sshd | dockerd) "$1_$3" "$2" ;;
	*) die "$1: sshd or dockerd, not '${3:-}'" ;;
	esac
}

kill_sshd() {
	await "sshd to end" in_host "$1" sh -c '
		for exe in /proc/[0-9]*/exe; do
			case $(readlink "$exe") in
			*/sshd | */sshd-session) pid=${exe%/exe} && set -- "$@" "${pid#/proc/}" ;;
			esac
		done
		[ $# = 0 ] || { kill -KILL "$@"; exit 1; }' 2>/dev/null
	in_host "$1" rm -f /run/sshd.pid
}

stop_sshd() {
	end_program "$1" TERM /run/sshd.pid
}

# Its containerd outlives a killed dockerd; the containers outlive both.
kill_dockerd() {
	end_program "$1" KILL /run/docker.pid
	end_program "$1" KILL /run/docker/containerd/containerd.pid
}

stop_dockerd() {
	end_program "$1" TERM /run/docker.pid
}

# end_program HOST SIGNAL PIDFILE
end_program() {
	in_host "$1" sh -c '[ ! -e "$2" ] || kill "-$1" "$(cat "$2")"' - "$2" "$3" 2>/dev/null || :
	await "the program of $3 to end" in_host "$1" sh -c \
		'[ ! -e "$1" ] || ! kill -0 "$(cat "$1")"' - "$3" 2>/dev/null
	in_host "$1" rm -f "$3"
}
