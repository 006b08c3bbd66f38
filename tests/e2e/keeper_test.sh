#!/usr/bin/env bash
# The keeper (deploy/remote/keeper.sh) against real engines and real SSH servers, under several shells.
#
#   keeper_test.sh [-t PATTERN] [SHELL...]    dash and ash, or bash too; each on two hosts, at the same time
#
# A test is a function test_NAME (keeper/cases.sh: on the host) or ssh_NAME (keeper/ssh.sh: from here, over SSH). It
# runs in a subshell with `set -e` on a clean host; what it said is shown when it fails. On the host this
# file runs again, as `keeper_test.sh --inside SHELL HALF PATTERN`.
# shellcheck source-path=SCRIPTDIR disable=SC2034,SC2154

set -u
PATH=/usr/bin:/usr/sbin:/bin:/sbin
unset SSH_CONNECTION # by which the keeper knows that it may end an SSH session
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/keeper/talk.sh"
. "$here/keeper/cases.sh"
. "$here/keeper/ssh.sh"

run_tests() { # KIND: test or ssh
	local name status begun n=0
	# shellcheck disable=SC2013 # they are words
	for name in $(sed -n "s/^\($1_[a-z_]*\)() {.*/\1/p" "$here"/keeper/*.sh); do
		# shellcheck disable=SC2053 # a pattern
		[[ ${name#"$1"_} == $pattern ]] || continue
		n=$((n + 1))
		[ $((n % 2)) = "$half" ] || continue
		: >"$tmp/started"
		: >"$tmp/stderr"
		begun=$SECONDS
		rm -f "$tmp/note"
		(
			set -e
			defaults
			"$name"
		) >"$tmp/log" 2>&1
		status=$? # `if ( ... )` would switch `set -e` off
		if [ $status = 0 ]; then
			name=${name#*_}
			echo "ok $shell: ${name//_/ } ($((SECONDS - begun)) s)$([ ! -e "$tmp/note" ] || echo ": $(cat "$tmp/note")")"
		else
			name=${name#*_}
			echo "FAIL $shell: ${name//_/ }"
			show_failure | sed 's/^/    /'
		fi
		clean_up
	done
}

show_failure() {
	cat "$tmp/log"
	sed 's/^/stderr: /' "$tmp/stderr"
	$on docker ps -a --no-trunc --format '{{.Names}}  {{.Status}}  {{.ID}}'
}

clean_up() {
	# shellcheck disable=SC2046 # pids
	kill -KILL $(sort -u "$tmp/started") 2>/dev/null
	wait 2>/dev/null
	[ "$side" = inside ] || in_host bash "$there/keeper_test.sh" --clean "$shell" 0 '*'
	[ "$side" != inside ] || clean_host
}

clean_host() {
	# shellcheck disable=SC2046 # pids
	kill -KILL $(holders 1) 2>/dev/null
	await lock_free
	remove_containers
	rm -rf /run/lock/shipit.* /tmp/engine /tmp/closed
}

in_host() { # COMMAND...
	"$lab" exec "$host" "$@"
}

set_loader() { # as deploy/keeper.c has it
	local size
	size=$(wc -c <"$keeper")
	loader="eval \"\$(dd bs=$size count=1 iflag=fullblock 2>/dev/null || dd bs=1 count=$size 2>/dev/null)\""
}

# --- on the host

there=/tmp/keeper_test

inside() { # SHELL HALF PATTERN
	side=inside shell=$1 half=$2 pattern=$3 on='' remote_path=$PATH
	tmp=$(mktemp -d /tmp/keeper.XXXXXX)
	keeper=$there/keeper.sh
	set_loader
	case $shell in
	ash) under=(/usr/bin/busybox sh) remote_path=$applets:$PATH ;;
	bash) under=(/usr/bin/bash --posix) ;;
	*) under=("/usr/bin/$shell") ;;
	esac
	: >"$tmp/started"
	trap 'clean_up; rm -rf "$tmp"' EXIT
}

# --- here

lab=$here/../lab/lab
applets=/opt/ash # all of busybox; flock is always util-linux's

prepare_host() {
	in_host mkdir -p $there/keeper "$applets"
	tar -C "$here" -cf - keeper_test.sh keeper -C ../../deploy/remote keeper.sh | in_host tar -C $there -xf -
	in_host busybox --install -s "$applets"
	in_host rm -f "$applets/flock"
	"$lab" user "$host" bob --docker
	"$lab" user "$host" eve
	"$lab" user "$host" fay --docker --shell /usr/bin/fish
	"$lab" user "$host" tim --docker --shell /usr/bin/tcsh
	make_image | in_host docker build -q -t box - >/dev/null
}

make_image() {
	local root=$tmp/image
	mkdir -p "$root/bin"
	cp "$(command -v busybox)" "$root/bin/busybox"
	printf 'FROM scratch\nCOPY bin /bin\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n' >"$root/Dockerfile"
	tar -C "$root" -cf - .
}

on_one_host() { # SHELL HALF HOST
	side=outside shell=$1 half=$2 host=$3 on="$lab exec $3"
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	keeper=$here/../../deploy/remote/keeper.sh
	set_loader
	prepare_host || { echo "FAIL $shell: prepare the host"; return; }
	in_host bash "$there/keeper_test.sh" --inside "$shell" "$half" "$pattern"
	run_tests ssh
}

outside() {
	pattern='*'
	if [ "${1-}" = -t ]; then
		pattern=$2
		shift 2
	fi
	[ $# -gt 0 ] || set -- dash ash
	results=$(mktemp)
	assignments=$("$lab" up $((2 * $#)) --owner $$) || exit 1
	eval "$assignments"
	trap '"$lab" down; rm -f "$results"' EXIT
	trap 'exit 130' INT TERM HUP
	local shell half n=0
	for shell; do
		for half in 0 1; do
			n=$((n + 1))
			on_one_host "$shell" $half h$n &
		done
	done | tee "$results"
	summary
}

summary() {
	local passed failed
	passed=$(grep -c '^ok ' "$results")
	failed=$(grep -c '^FAIL ' "$results")
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

case ${1-} in
--inside)
	inside "$2" "$3" "$4"
	run_tests test
	;;
--clean) inside "$2" "$3" "$4" ;;
*) outside "$@" ;;
esac
