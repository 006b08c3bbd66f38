#!/bin/sh
# The keeper: runs on a host for the length of a rollout, holds the lock, swaps containers, and reverts
# a swap that nobody confirms. docs/formats.md describes what it is told and what it says.
#
# There are two processes. The main one reads commands and notices when the laptop is gone. Each swap is a
# background job of it, told to commit by USR1 and to revert by USR2, which reports its end as exit status.
# Whichever of the two is killed, the other one reverts. Descriptor 9 is the lock: they alone hold it, so
# all else gets 9>&-.

trap '' PIPE HUP TERM INT USR1 USR2
set -fu
umask 022
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin:/opt/bin"

silence=${SHIPIT_SILENCE:-15} # seconds without a line that mean that the laptop is gone; less in tests
status_committed=0 status_reverted=10 status_down=11
engine='' sudo='' prefix='' label='' job='' outcome='' asked='' said=''

# --- words

# say LINE [TEXT]: the text and its line go out in one write, so that the other process's lines cannot come between.
say() {
	[ -z "${2-}" ] || set -- "$1" "$(exec 9>&-; printf '%s\n' "$2" | head -c 2000 | sed 's/^/@shipit | /')
"
	printf '%s@shipit %s\n' "${2-}" "$1"
}

harmless() { # WORD...
	for word; do
		case $word in '' | -?* | *[!A-Za-z0-9._:@/+-]*) return 1 ;; esac
	done
}

numbers() { # WORD...
	for word; do
		case $word in '' | 0?* | *[!0-9]*) return 1 ;; esac
	done
}

# --- time and processes

clock() { # now: hundredths of a second since boot
	read -r now _ </proc/uptime
	now=${now%.*}${now#*.}
}

pause() { # a signal with a trap ends it early
	sleep "$nap" >/dev/null 2>&1 9>&- &
	wait $!
}

alive() { # PID: it is there, and not a zombie
	{ read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

find_tools() {
	nap=0.5
	sleep 0.01 2>/dev/null || nap=1
	limit='timeout -s KILL' # TERM is ignored here, and so by every child
	$limit 5 true 2>/dev/null || limit='timeout -s KILL -t' # busybox before 1.30
	$limit 5 true 2>/dev/null || {
		say 'error timeout' 'There is no command "timeout" on this host. It comes with coreutils or busybox.'
		exit 1
	}
}

# --- the container engine

run() { # SECONDS ARGUMENT...
	seconds=$1
	shift
	$limit "$seconds" ${sudo:+sudo -n} "$engine" "$@" </dev/null 9>&-
}

try() { # as run; what the engine complains of is left in $said
	said=$(exec 9>&-; run "$@" 2>&1 >/dev/null)
}

set_policy() { # ID POLICY
	[ "$2" = - ] || try 60 update --restart "$2" "$1"
}

find_engine() { # SUDO COMMAND
	case $1 in 1) sudo=1 ;; *) sudo='' ;; esac
	if ! engine=$(command -v "$2"); then
		say 'error engine' "There is no command \"$2\" on this host (PATH is $PATH)."
	elif ! try 30 ps -q; then
		say 'error engine' "$said"
	else
		say "engine $engine $(exec 9>&-; find_socket)"
		return
	fi
	engine=''
}

find_socket() { # the one that the command itself uses
	case ${engine##*/} in
	*podman*)
		socket=/run/podman/podman.sock
		[ "$(id -u)" = 0 ] || socket=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/podman/podman.sock
		;;
	*)
		socket=$(run 20 context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null) || socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
		case $socket in unix:///*) socket=${socket#unix://} ;; *) socket=- ;; esac
		;;
	esac
	if [ -n "$sudo" ] || ! harmless "$socket" || ! [ -S "$socket" ] || ! [ -r "$socket" ] || ! [ -w "$socket" ]; then
		socket=-
	fi
	printf '%s\n' "$socket"
}

# --- the lock

lock() { # PREFIX HOLDER SINCE
	dir=/tmp
	[ ! -k /run/lock ] || dir=/run/lock
	file=$dir/shipit.$1
	[ -e "$file" ] || (set -C; : >"$file") 2>/dev/null
	if [ "$prefix" = "$1" ]; then
		say locked
	elif [ -n "$prefix" ]; then
		say 'error lock' "This keeper holds the lock of $prefix."
	elif ! command -v flock >/dev/null; then
		say 'error lock' 'There is no command "flock" on this host. It comes with util-linux.'
	elif [ -L "$file" ] || ! [ -f "$file" ] || ! [ -r "$file" ]; then
		say 'error lock' "$file is not a file that can be read."
	else # for reading only: another user's file in a sticky folder cannot be opened in any other way
		exec 9<"$file"
		if flock -n 9; then
			prefix=$1
			label=$file.by-$(id -u)
			rm -f "$label" 2>/dev/null
			(set -C; printf '%s %s\n' "$2" "$3" >"$label") 2>/dev/null
			say locked
		else
			exec 9<&-
			say "busy $(holder "$file")"
		fi
	fi
}

# holder FILE: the label that was written last. It is for people only, the kernel's lock is the truth.
holder() {
	set +f
	# shellcheck disable=SC2012 # no find everywhere has -printf
	newest=$(ls -td "$1".by-* 2>/dev/null | head -n 1)
	who='' since=''
	if [ -f "$newest" ] && [ ! -L "$newest" ] && [ -r "$newest" ]; then
		read -r who since _ <<-END
			$(head -c 160 "$newest")
		END
	fi
	harmless "$who" "$since" || who='-' since='-'
	printf '%s %s\n' "$who" "$since"
}

# --- what the host has

facts() { # DIR
	say "fact arch $(uname -m)"
	free=$(df -Pk "$1" 2>/dev/null | { read -r _; read -r _ _ _ kib _ && printf '%s\n' "$kib"; })
	numbers "$free" || free=-
	say "fact free $free"
	say "fact clock $(date +%s)"
	for port in $(listening | sort -un); do say "fact listen $port"; done
	say facts
}

listening() { # state 0A is LISTEN; the port is the hexadecimal part of the second word
	grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ address _ state _; do
		[ "$state" != 0A ] || printf '%s\n' $((0x${address##*:}))
	done
}

path() { # PATH
	case $1 in /*) ;; *) say "path no $1" && return ;; esac
	answer=no dir=$1
	while [ ! -e "$dir" ]; do
		dir=${dir%/*}
		dir=${dir:-/}
	done
	if [ "$dir" = "$1" ]; then
		answer=yes
	elif [ -d "$dir" ] && [ ! -x "$dir" ]; then
		answer=unknown
	fi
	say "path $answer $1"
}

# --- the swap: what follows runs in the job

swap_job() {
	trap 'ask=${ask:-revert}' USR2
	prepare || fail prepare 'nothing was stopped'
	unwanted && leave_as_it_was
	if [ "$oldruns" = 1 ]; then
		say 'swap stopping'
		try $((grace + 60)) stop -t "$grace" "$old" || fail stop 'the old one cannot be stopped'
	fi
	say 'swap starting'
	try 120 start "$new" || fail start 'the new one cannot be started'
	say 'swap started'
	await_ready
	trap 'ask=${ask:-commit}' USR1
	say 'swap ready'
	await_verdict
	commit || fail commit 'the new one cannot take its place'
	say 'swap committed' "$said"
	exit $status_committed
}

prepare() { # before the old one is stopped, the power may go: it has to come back then
	try 60 inspect "$new" || return 1
	[ "$oldruns" = 0 ] || [ "$oldpolicy" = always ] || [ "$oldpolicy" = - ] || set_policy "$old" always
}

unwanted() {
	[ "$ask" = revert ] || ! alive $$
}

look() { # status, code, health and beginning of the new one; false, with reason, when it has failed
	found=$(exec 9>&-; run 20 inspect -f \
		'{{.State.Status}} {{.State.ExitCode}} ={{with .State.Health}}{{.Status}}{{end}} {{.State.StartedAt}}' "$new" 2>/dev/null)
	read -r status code health begun <<-END
		$found
	END
	health=${health#=}
	case $status:$health in
	exited:* | dead:*) reason="exited $code" && return 1 ;;
	*:unhealthy) reason=unhealthy && [ "$healthy" = 0 ] ;;
	esac
}

await_ready() {
	clock
	deadline=$((now + timeout * 100)) since='' run_of='' shown=''
	while look || fail ready "$reason"; do
		clock
		if [ "$status" != running ]; then
			run_of=''
		elif [ "$begun" != "$run_of" ]; then
			run_of=$begun since=$now
		fi
		reason='not running'
		if [ -n "$run_of" ] && [ $((now - since)) -ge $((running * 100)) ]; then
			[ "$healthy" = 1 ] && [ "$health" != healthy ] || return 0
			reason='not healthy'
		fi
		[ "$now" -lt "$deadline" ] || fail ready "$reason after $timeout s"
		[ "$shown" = "$status $health" ] || say "swap waiting ${status:--} ${health:--}"
		shown="$status $health"
		unwanted && put_back "$grace"
		pause
	done
}

await_verdict() { # until the laptop says what it thinks
	while [ -z "$ask" ]; do
		look || fail ready "$reason"
		unwanted && ask=revert
		[ -n "$ask" ] || pause
	done
	[ "$ask" = commit ] || put_back "$grace"
}

commit() {
	[ "$old" = - ] || try 60 rename "$old" "$oldname" || return 1
	try 60 rename "$new" "$name" || return 1
	set_policy "$new" "$policy" || return 1
	said=''
	[ "$old" = - ] || [ "$oldpolicy" = - ] || set_policy "$old" no || return 0
}

undo_commit() { # as much of it as was done
	set_policy "$new" no
	try 60 rename "$new" "$newname"
	[ "$old" = - ] || try 60 rename "$old" "$name"
	prepare
}

fail() { # PHASE REASON
	say "swap failed $1 $2" "$said"
	case $1 in
	prepare) leave_as_it_was ;;
	commit) undo_commit ;;
	esac
	put_back 1
}

leave_as_it_was() { # nothing was stopped
	said=''
	restore_policy
	say 'swap reverted' "$said"
	exit $status_reverted
}

put_back() { # SECONDS that the new one has to stop
	try $(($1 + 60)) stop -t "$1" "$new"
	serve_again
}

serve_again() {
	if ! start_old; then
		say 'swap down' "$said"
		exit $status_down
	fi
	leave_as_it_was
}

start_old() {
	[ "$oldruns" = 1 ] || return 0
	for rest in 1 1 1 0; do
		try 120 start "$old" && is_running "$old" && return 0
		said=${said:-the old one was started and stopped again}
		sleep "$rest" 9>&-
	done
	return 1
}

restore_policy() {
	[ "$oldruns" = 0 ] || [ "$oldpolicy" = always ] || set_policy "$old" "$oldpolicy"
}

is_running() { # ID
	[ "$(exec 9>&-; run 20 inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

# The job was killed, and its last engine command may still have effect: look until that has passed.
rescue() {
	undo_commit
	try 61 stop -t 1 "$new"
	start_old
	clock
	until=$((now + (grace + 5) * 100))
	while [ "$now" -lt "$until" ]; do
		is_running "$new" && try 61 stop -t 1 "$new"
		[ "$oldruns" = 0 ] || is_running "$old" || start_old
		pause
		clock
	done
	serve_again
}

# --- the main process

swap() { # NAME OLD OLDNAME OLDPOLICY OLDRUNS NEW NEWNAME POLICY GRACE RUNNING HEALTHY TIMEOUT
	if [ -z "$engine" ] || [ -z "$prefix" ] || [ -n "$job" ]; then
		say 'error swap' 'An engine and a lock are needed first, and one swap has to end before the next.'
		return
	elif ! numbers "$5" "$9" "${10}" "${11}" "${12}"; then
		say 'error swap' "One of these is not a number: $5 $9 ${10} ${11} ${12}."
		return
	fi
	name=$1 old=$2 oldname=$3 oldpolicy=$4 oldruns=$5 new=$6 newname=$7 policy=$8
	shift 8
	grace=$1 running=$2 healthy=$3 timeout=$4
	[ "$old" != - ] || oldruns=0
	outcome='' asked='' ask='' reason=''
	swap_job &
	job=$!
}

watch_job() { # learn its end, or ask it again: a signal that came before its trap was lost
	[ -n "$job" ] || return 0
	if alive "$job"; then
		[ "$asked" != revert ] || kill -s USR2 "$job"
		return
	fi
	wait "$job"
	case $? in
	"$status_committed") outcome=committed job='' ;;
	"$status_reverted") outcome=reverted job='' ;;
	"$status_down") outcome=down job='' ;;
	*)
		say 'swap failed keeper the process of the swap was killed'
		rescue &
		job=$!
		;;
	esac
}

decide() { # commit or revert
	if [ -n "$outcome" ]; then
		say "swap $outcome"
	elif [ -z "$job" ]; then
		say 'error swap' 'There is no swap.'
	elif [ "$1" = commit ]; then
		kill -s USR1 "$job"
	else
		asked=revert
		watch_job
	fi
}

obey() { # COMMAND ARGUMENT...
	command=$1
	shift
	[ "$command" = path ] || harmless "$@" || command="$command (a word with strange characters)"
	case $command:$# in
	beat:0) ;;
	path:*) path "${line#path }" ;;
	engine:2) find_engine "$@" ;;
	lock:3) lock "$@" ;;
	facts:1) facts "$1" ;;
	swap:12) swap "$@" ;;
	commit:0 | revert:0) decide "$command" ;;
	end:0)
		finish
		say bye
		exit
		;;
	*) say "error command $command" ;;
	esac
}

finish() { # a pending swap is reverted first
	asked=revert
	while watch_job; [ -n "$job" ]; do pause; done
	[ -z "$label" ] || rm -f "$label"
	exec 9>&-
}

# The SSH server keeps the tunnel's port for hours after the link was cut. The nearest server above this
# process serves this session alone; the one that listens is further up.
end_session() {
	pid=$PPID
	while [ -n "${SSH_CONNECTION-}" ] && [ "${pid:-1}" -gt 1 ] && [ -r "/proc/$pid/status" ]; do
		server='' parent=''
		while read -r key value _; do
			case $key in Name:) server=$value ;; PPid:) parent=$value ;; esac
		done <"/proc/$pid/status"
		case $server in sshd* | dropbear*)
			kill -s TERM "$pid"
			pause
			kill -s KILL "$pid"
			return
			;;
		esac
		pid=$parent
	done 2>/dev/null
}

find_tools
say "hello 1 $$"
# shellcheck disable=SC2016 # for the inner shell
while line=$($limit "$silence" sh -c 'IFS= read -r line && printf "%s\n" "$line"' 9>&-); do
	watch_job
	# shellcheck disable=SC2086 # words
	set -- $line
	[ $# = 0 ] || obey "$@"
done
asked=revert
watch_job
end_session
finish
