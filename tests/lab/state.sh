# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# What a lab writes down, and how it knows that a process is still the one it
# started. Sourced by `lab` and by `init`.
#
#   DIR/owner     whose lab this is: "PID BIRTH", or "nobody"; while `up` works, `up`
#   DIR/pid       the lab's first process: it ends when its record or its owner does
#   DIR/id        X-Y of 10.X.Y.0/24; names the interfaces and cgroups as well
#   DIR/hosts     h1 h2 ...
#   DIR/hN/       addr, port, pid, limit, logs, and the host's disk
#   DIR/laptop/   the laptop's engine: pid, docker.sock, data
#   DIR/registry/ pid, addr, data

labs=/run/shipit-lab

die() {
	echo "lab: $*" >&2
	exit 1
}

# birth PID: when it started, in ticks since boot. A pid may be used again, the
# pair is not. Fails for a process that is gone or only waits to be reaped.
birth() {
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	case $1 in Z | X) return 1 ;; esac
	shift 19
	echo "$1"
}

# record FILE PID: all of it or nothing.
record() {
	echo "$2 $(birth "$2")" >"$1.new"
	mv "$1.new" "$1"
}

# alive FILE: the process on record runs; leaves its pid in $pid.
alive() {
	{ read -r pid born <"$1"; } 2>/dev/null || return 1
	[ "$(birth "$pid")" = "$born" ]
}

dead() {
	! alive "$1"
}

# slay FILE: SIGKILL to the process on record, and wait until it is gone. The
# first process of a pid namespace is gone when all others in it are.
slay() {
	if alive "$1"; then
		kill -KILL "$pid" 2>/dev/null || :
		await "process $pid to end" dead "$1"
	fi
	rm -f "$1"
}

# await WHAT COMMAND...: until the command succeeds, $timeout seconds at most; not
# after the file $lifeline went away, when there is one to look at.
await() {
	what=$1
	shift
	read -r begun _ </proc/uptime
	until "$@"; do
		[ -e "${lifeline:-/}" ] || return 1
		read -r now _ </proc/uptime
		if [ $((${now%.*} - ${begun%.*})) -gt "${timeout:-60}" ]; then
			echo "lab: waited ${timeout:-60} s for $what" >&2
			return 1
		fi
		sleep 0.1
	done
}

# clean COMMAND...: with the environment of a fresh machine. Signals that the
# caller's shell ignores would stay ignored in every container.
clean() {
	env -i --default-signal=INT,QUIT PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}

# launch LOG COMMAND...: in the lab's pid namespace, in a session of its own.
launch() {
	log=$1
	shift
	clean nsenter --target "$router" --pid -- setsid --fork "$@" </dev/null >>"$log" 2>&1
}

# locked COMMAND...: one at a time makes or removes labs.
locked() {
	(
		flock 9
		mkdir -p "$labs"
		"$@"
		rmdir "$labs" 2>/dev/null || :
	) 9</run
}

absolute() {
	case $1 in
	/*) echo "$1" ;;
	*) echo "$PWD/$1" ;;
	esac
}

# A lab is entered in $labs before anything of it exists, and leaves it last.
make_lab() {
	[ -n "$dir" ] || dir=$(mktemp -u "${TMPDIR:-/tmp}/shipit-lab.XXXXXX")
	[ ! -d "$dir" ] || rmdir "$dir" || die "$dir is in use"
	case $dir in
	/run/* | *[!A-Za-z0-9/._-]*) die "a lab cannot live in $dir" ;;
	esac
	[ ${#dir} -le 80 ] || die "$dir: too long for the sockets in it"
	[ -z "$owner" ] || birth "$owner" >/dev/null || die "no process $owner to own this"
	locked enter_lab
}

enter_lab() {
	ln -s "$dir" "$(entry "$dir")"
	mkdir -m 755 "$dir" || {
		rm "$(entry "$dir")"
		exit 1
	}
	record "$dir/owner" $$
}

entry() {
	echo "$labs/$(echo "$1" | tr / !)"
}

record_owner() {
	if [ -n "$owner" ]; then
		record "$dir/owner" "$owner"
	else
		echo nobody >"$dir/owner.new"
		mv "$dir/owner.new" "$dir/owner"
	fi
}

is_lab() {
	[ -L "$(entry "$1")" ] || [ -e "$1/owner" ]
}

# open_lab: the lab that --dir or $SHIPIT_LAB names; to look at, the only one.
open_lab() {
	: "${dir:=${SHIPIT_LAB:-}}"
	[ -n "$dir" ] || [ "$command" != env ] || dir=$(only_lab)
	[ -n "$dir" ] || die "which lab? (--dir DIR, or SHIPIT_LAB)"
	alive "$dir/pid" || die "no lab is up in $dir"
	router=$pid lifeline=$dir/pid
	id=$(cat "$dir/id")
	net=10.$(echo "$id" | tr - .)
	hosts=$(cat "$dir/hosts")
}

list_labs() {
	for link in "$labs"/*; do
		[ ! -L "$link" ] || readlink "$link"
	done
}

# Somebody else's, perhaps: good to look at, not to break.
only_lab() {
	[ "$(list_labs | wc -l)" = 1 ] || die "which lab? (--dir DIR, or SHIPIT_LAB)"
	list_labs
}

reap_labs() {
	locked reap_orphans
}

# Of a lab without owner file not even its directory was complete.
reap_orphans() {
	for lab in $(list_labs); do
		[ "$(cat "$lab/owner" 2>/dev/null)" != nobody ] || continue
		alive "$lab/owner" || leave_lab "$lab"
	done
}

remove_lab() {
	locked leave_lab "$1"
}

leave_lab() {
	lifeline=''
	slay "$1/pid"
	if [ -e "$1/id" ]; then
		number=$(cat "$1/id")
		remove_bridges "$1" "$number"
		remove_link "lab-$number"
		remove_cgroups "shipit-lab-$number"
	fi
	await "$1 to go" remove_files "$1"
	rm -f "$(entry "$1")"
}

# Helpers of an `up` that was killed may still be at work in there, for a moment.
remove_files() {
	rm -rf --one-file-system "$1" 2>/dev/null
}

# remove_cgroups NAME: in every hierarchy, version 1 or 2; they must be empty.
remove_cgroups() {
	for top in /sys/fs/cgroup /sys/fs/cgroup/*; do
		[ ! -d "$top/$1" ] || await "$top/$1 to empty" remove_tree "$top/$1"
	done
}

remove_tree() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || [ ! -d "$1" ]
}
