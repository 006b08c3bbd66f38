#!/bin/sh
# The keeper: runs on a host for the length of a rollout, holds the lock, swaps containers, and reverts a
# swap that nobody confirms. docs/formats.md has the words that it takes and says.
#
# The main process reads commands and notices when the laptop is gone. A swap is a background job of it, told
# to commit by USR1 and to revert by USR2; its exit status says how it ended. When one of the two is killed, the
# other one reverts. Descriptor 9 is the lock: these two hold it and nothing else does, hence all the 9>&-.

trap '' PIPE HUP TERM INT USR1 USR2
set -fu
umask 022
export LC_ALL=C PATH="${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin:/opt/bin"

silence=${SHIPIT_SILENCE:-15} # seconds without a line after which the laptop is gone; tests set less
engine='' sudo='' prefix='' label='' job='' outcome='' asked='' said=''

# say LINE [TEXT]: in one write, so that nothing of the other process comes between the two.
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

clock() { # now: hundredths of a second since boot
	read -r now _ </proc/uptime
	now=${now%.*}${now#*.}
}

pause() { # until a signal comes, but not for long
	sleep "$nap" >/dev/null 2>&1 9>&- &
	wait $!
}

alive() { # PID: is there, and no zombie
	{ read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

# --- the container engine

run() { # SECONDS ARGUMENT...
	seconds=$1
	shift
	$limit "$seconds" ${sudo:+sudo -n} "$engine" "$@" </dev/null 9>&-
}

try() { # as run; $said is what the engine complains of
	said=$(exec 9>&-; run "$@" 2>&1 >/dev/null)
}

ask_about() { # ID FORMAT; for $( ) only
	exec 9>&-
	run 20 inspect -f "$2" "$1" 2>/dev/null
}

set_policy() { # ID POLICY
	[ "$2" = - ] || try 60 update --restart "$2" "$1"
}

# Where a rootless podman keeps what its service must share with its command. A login by PAM sets it, not
# every one does.
find_runtime() {
	[ -z "${XDG_RUNTIME_DIR-}" ] || return 0
	XDG_RUNTIME_DIR=/run/user/$(exec 9>&-; id -u)
	if [ -d "$XDG_RUNTIME_DIR" ]; then export XDG_RUNTIME_DIR; else unset XDG_RUNTIME_DIR; fi
}

find_engine() { # SUDO COMMAND
	sudo=''
	[ "$1" = 0 ] || sudo=yes
	case $2 in *podman*) find_runtime ;; esac
	if ! engine=$(command -v "$2"); then
		say 'error engine' "There is no command \"$2\" on this host (PATH is $PATH)."
		return
	fi
	socket=$(exec 9>&-; find_socket)
	[ "$socket" != - ] || try_engine || return
	say "engine $engine $socket"
}

# That the command works: it takes longer than all else that is asked here, and only a swap needs it.
try_engine() {
	try 30 ps -q && return
	say 'error engine' "${said:-"$engine ps" failed without a word.}"
	engine=''
	return 1
}

# Docker's rule for which socket it is, where that is as simple as this: the command need not be asked.
no_context() {
	config=${DOCKER_CONFIG:-${HOME-}/.docker}/config.json socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
	[ -n "${DOCKER_HOST-}" ] ||
		{ [ -z "${DOCKER_CONTEXT-}" ] && { ! [ -e "$config" ] || ! grep -q currentContext "$config"; }; }
}

ask_context() {
	socket=$(run 20 context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null) || socket=-
}

find_socket() { # the one that the command itself uses, if this user may
	case ${engine##*/} in
	*podman*)
		case $(id -u) in
		0) socket=/run/podman/podman.sock ;;
		*) socket=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/podman/podman.sock ;;
		esac
		;;
	docker) no_context || ask_context ;;
	*) ask_context ;;
	esac
	socket=${socket#unix://}
	[ -z "$sudo" ] && harmless "$socket" && [ -S "$socket" ] && [ -r "$socket" ] && [ -w "$socket" ] || socket=-
	printf '%s\n' "$socket"
}

# --- the lock

lock() { # PREFIX HOLDER SINCE
	dir=/tmp
	[ ! -k /run/lock ] || dir=/run/lock
	file=$dir/shipit.$1
	[ -e "$file" ] || (set -C; : >"$file") 2>/dev/null
	if [ -n "$engine" ] && ! try_engine; then
		return
	elif [ "$prefix" = "$1" ]; then
		say locked
	elif [ -n "$prefix" ]; then
		say 'error lock' "This keeper holds the lock of $prefix."
	elif ! command -v flock >/dev/null; then
		say 'error lock' 'There is no command "flock" on this host. It comes with util-linux.'
	elif [ -L "$file" ] || ! [ -f "$file" ] || ! [ -r "$file" ]; then
		say 'error lock' "$file is not a file that can be read."
	else
		exec 9<"$file" # another user's file, in a sticky folder: it can be opened for reading only
		if flock -n 9; then
			prefix=$1 label=$file.by-$(id -u)
			rm -f "$label" 2>/dev/null
			(set -C; printf '%s %s\n' "$2" "$3" >"$label") 2>/dev/null
			say locked
		else
			exec 9<&-
			say "busy $(holder "$file")"
		fi
	fi
}

holder() { # FILE: what the newest label says; a label is for people, the kernel's lock is the truth
	set +f
	# shellcheck disable=SC2012 # not every find has -printf
	newest=$(ls -td "$1".by-* 2>/dev/null | head -n 1)
	who='' since=''
	if [ -f "$newest" ] && [ ! -L "$newest" ] && [ -r "$newest" ]; then
		read -r who since _ <<-END
			$(head -c 160 "$newest" | tr -d '\0')
		END
	fi
	harmless "$who" "$since" || who='-' since='-'
	printf '%s %s\n' "$who" "$since"
}

# --- what the host has

facts() { # FOLDER
	free=$(df -Pk "$1" 2>/dev/null | { read -r _; read -r _ _ _ kib _ && printf '%s\n' "$kib"; })
	numbers "$free" || free=-
	say "fact free $free"
	say "fact clock $(date +%s)"
	for port in $(listening); do say "fact listen $((0x$port))"; done
	say facts
}

listening() { # 0A is LISTEN, and an address is IP:PORT in hexadecimal
	sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F:]* 0A .*/\1/p' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

path() { # PATH
	answer=no found=$1
	while [ ! -e "$found" ]; do
		found=${found%/*}
		found=${found:-/}
	done
	if [ "$found" = "$1" ]; then
		answer=yes
	elif [ -d "$found" ] && [ ! -x "$found" ]; then
		answer=unknown
	fi
	say "path $answer $1"
}

# --- the swap, in the job

swap_job() {
	trap 'ask=${ask:-revert}' USR2
	prepare || fail prepare 'nothing was stopped'
	! unwanted || was_reverted
	if [ "$oldruns$overlap" = 10 ]; then
		say 'swap stopping'
		stop_old || fail stop 'the old one does not stop'
		! unwanted || revert "$grace"
	fi
	say 'swap starting'
	try 120 start "$new" || fail start 'the new one does not start'
	say 'swap started'
	await_ready
	trap 'ask=${ask:-commit}' USR1
	say 'swap ready'
	await_verdict
	commit || fail commit 'the new one cannot take its place'
	end_swap 20 committed
}

# end_swap STATUS OUTCOME: the status is odd when it ended by itself, and nobody had asked for an end by then.
end_swap() {
	[ -n "$ask" ]
	set -- $(($1 + $?)) "$2"
	say "swap $2" "$said"
	exit "$1"
}

prepare() { # from here on the old one comes back after a loss of power
	try 60 inspect "$new" || return 1
	[ "$oldruns" = 0 ] || [ "$oldpolicy" = always ] || [ "$oldpolicy" = - ] || set_policy "$old" always
}

unwanted() {
	[ "$ask" = revert ] || ! alive $$
}

look() { # at the new one; false, with a reason, when it has failed
	read -r status code health begun <<-END
		$(ask_about "$new" "{{.State.Status}} {{.State.ExitCode}} $health_format {{.State.StartedAt}}")
	END
	health=${health#=}
	case $status:$health in
	exited:* | dead:*) reason="exited $code" && return 1 ;;
	*:unhealthy) reason=unhealthy && return 1 ;;
	esac
}

fail_again() { # it may be gone before its last words can be asked for
	said=$(exec 9>&-; run 20 logs --tail 20 "$new" 2>&1)
	fail ready 'exited, and was started again'
}

await_ready() {
	clock
	deadline=$((now + timeout * 100)) since=$now run_of='' shown=''
	while look || fail ready "$reason"; do
		clock
		if [ "$status" = running ] && [ "$begun" != "$run_of" ]; then
			# Where policies are fixed it has its own already, which hides that it ends.
			[ -z "$run_of" ] || [ "$policy" != - ] || fail_again
			since=$now
			run_of=$begun
		fi
		if [ -z "$status" ]; then
			reason='no answer from the engine'
		elif [ "$status" != running ] || [ $((now - since)) -lt $((running * 100)) ]; then
			reason='not running'
		elif [ "$healthy" = 1 ] && [ "$health" != healthy ]; then
			reason='not healthy'
		else
			return
		fi
		[ "$now" -lt "$deadline" ] || fail ready "$reason after $timeout s"
		[ "$shown" = "$status $health" ] || say "swap waiting ${status:--} ${health:--}"
		shown="$status $health"
		! unwanted || revert "$grace"
		pause
	done
}

await_verdict() {
	until [ -n "$ask" ]; do
		look || fail ready "$reason"
		[ "$policy" != - ] || [ "$status:$begun" = "running:$run_of" ] || [ "$status" != running ] || fail_again
		pause
		! unwanted || ask=revert
	done
	[ "$ask" = commit ] || revert "$grace"
}

commit() {
	[ "$old" = - ] || try 60 rename "$old" "$oldname" || return 1
	try 60 rename "$new" "$name" || return 1
	set_policy "$new" "$policy" || return 1
	# What ended since it was last looked at had no policy yet, and nothing will start it again.
	look || { said="the new one $reason" && return 1; }
	left=''
	[ "$old" = - ] || [ "$oldpolicy" = - ] || retire_old || left=$said
	[ "$oldruns$overlap" != 11 ] || stop_old || return 1
	# An engine that was killed and came back may have started the old one in the place of the new one.
	[ "$oldruns$overlap" != 10 ] || ! is_running "$old" || { stop_old && try 120 start "$new"; } || return 1
	said=$left
}

retire_old() {
	set_policy "$old" no || { await_engine && set_policy "$old" no; }
}

undo_commit() { # as much of it as was done
	[ "$policy" = - ] || set_policy "$new" no
	try 60 rename "$new" "$newname"
	[ "$old" = - ] || try 60 rename "$old" "$name"
	[ "$oldruns" = 0 ] || [ "$oldpolicy" = - ] || set_policy "$old" always
}

fail() { # PHASE REASON
	say "swap failed $1 $2" "$said"
	case $1 in
	prepare) was_reverted ;;
	commit) undo_commit ;;
	esac
	revert 1
}

revert() { # SECONDS that the new one has to stop
	stop_new "$1" || { await_engine && stop_new "$1"; }
	start_old || end_swap 24 down
	was_reverted
}

was_reverted() {
	said=''
	[ "$oldruns" = 0 ] || [ "$oldpolicy" = always ] || set_policy "$old" "$oldpolicy"
	end_swap 22 reverted
}

stop_new() { # SECONDS
	try $(($1 + 60)) stop -t "$1" "$new" || return 1
	[ "$policy" != - ] || stays_down || try 60 rm -f "$new"
}

# With a policy of its own that cannot be changed, one that ends all the time may have been stopped between
# two of its lives, and is started again.
stays_down() {
	was=$(ask_about "$new" '{{.State.StartedAt}}')
	sleep 1 9>&-
	[ "$(ask_about "$new" '{{.State.Running}} {{.State.StartedAt}}')" = "false $was" ]
}

stop_old() {
	try $((grace + 60)) stop -t "$grace" "$old"
}

start_old() {
	[ "$oldruns" = 1 ] || return 0
	for rest in 1 1 1 0; do
		try 120 start "$old" && is_running "$old" && return
		said=${said:-the old one was started, and stopped again}
		make_room
		sleep $rest 9>&-
		# podman frees the old one's address a little later, or not at all.
		[ "$oldpolicy" != - ] || run 60 container cleanup "$old" >/dev/null 2>&1 9>&-
	done
	return 1
}

# Where the disk is full, what the ledger's container has lain there for: it is made again when there is room.
make_room() {
	case $said in *'no space left'*) run 60 rm -f "$prefix.shipit" >/dev/null 2>&1 9>&- ;; esac
}

is_running() { # ID
	[ "$(ask_about "$1" '{{.State.Running}}')" = true ]
}

await_engine() { # which may be restarting
	clock
	deadline=$((now + 6000))
	until try 30 ps -q || [ "$now" -gt "$deadline" ]; do
		pause
		clock
	done
}

# The job was killed, and the engine may be busy with what it asked for last: look until that is over.
rescue() {
	ask=$asked
	undo_commit
	stop_new 1
	start_old
	clock
	deadline=$((now + (grace + 5) * 100))
	while [ "$now" -lt "$deadline" ]; do
		! is_running "$new" || stop_new 1
		[ "$oldruns" = 0 ] || is_running "$old" || start_old
		pause
		clock
	done
	revert 1
}

# --- the main process

swap() { # NAME OLD OLDNAME OLDPOLICY OLDRUNS NEW NEWNAME POLICY GRACE RUNNING HEALTHY TIMEOUT OVERLAP
	for _ in 1 2 3 4; do # the one before has said how it ended, and may need a moment to be gone
		[ -z "$job" ] || pause
		watch_job
	done
	problem=''
	[ -z "$job" ] || problem='The swap before this one has not ended.'
	numbers "$5" "$9" "${10}" "${11}" "${12}" "${13}" ||
		problem="Not all of these are numbers: $5 $9 ${10} ${11} ${12} ${13}."
	[ -n "$engine" ] || problem='There is no engine yet.'
	case $1 in "$prefix".?*) ;; *) problem="This keeper does not hold the lock of $1." ;; esac
	if [ -n "$problem" ]; then
		say 'error swap' "$problem"
		return
	fi
	name=$1 old=$2 oldname=$3 oldpolicy=$4 oldruns=$5 new=$6 newname=$7 policy=$8
	shift 8
	grace=$1 running=$2 healthy=$3 timeout=$4 overlap=$5
	[ "$old" != - ] || oldruns=0
	health_format=-
	[ "$healthy" = 0 ] || health_format='={{with .State.Health}}{{.Status}}{{end}}'
	outcome='' asked='' ask='' reason=''
	say 'swap begun'
	swap_job &
	job=$!
}

watch_job() { # learn how it ended, or ask again: a signal that came before its trap is lost
	[ -n "$job" ] || return 0
	if alive "$job"; then
		[ "$asked" != revert ] || kill -s USR2 "$job" 2>/dev/null
		return
	fi
	wait "$job"
	status=$? job=''
	case $status in
	20) outcome=committed ;;
	22 | 23) outcome=reverted ;;
	24 | 25) outcome=down ;;
	*)
		say 'swap failed keeper the process of the swap was killed'
		rescue &
		job=$!
		return
		;;
	esac
	[ -z "$asked" ] || [ $((status % 2)) = 0 ] || say "swap $outcome" # who asked too late has no answer yet
}

decide() { # commit or revert
	if [ -n "$outcome" ]; then
		say "swap $outcome"
	elif [ -z "$job" ]; then
		say "error $1" 'There is no swap.'
	elif [ "$1" = commit ]; then
		asked=${asked:-commit}
		kill -s USR1 "$job" 2>/dev/null
	else
		asked=revert
		watch_job
	fi
}

obey() { # COMMAND ARGUMENT...
	case $line in 'path /'*)
		path "${line#path }"
		return
		;;
	esac
	command=$1
	shift
	harmless "$@" || command="$command with strange words"
	case $command:$# in
	beat:0) ;;
	engine:2) find_engine "$@" ;;
	try:0) ! try_engine || say tried ;;
	lock:3) lock "$@" ;;
	facts:1) facts "$1" ;;
	swap:13) swap "$@" ;;
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

# After a cut the SSH server would keep the tunnel's port for hours. The nearest server above this process
# serves this session and no other; the one that listens is further up.
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
	done
}

nap=0.5
sleep 0.01 || nap=1
limit='timeout -s KILL' # it is inherited that TERM is ignored
if ! $limit 5 true && limit='timeout -s KILL -t' && ! $limit 5 true; then # -t: busybox before 1.30
	say 'error timeout' 'There is no command "timeout" on this host. It comes with coreutils or busybox.'
	exit 1
fi
say "hello 1 $$"
# shellcheck disable=SC2016 # this is for the inner shell
while line=$(exec 9>&-; exec $limit "$silence" sh -c 'IFS= read -r line && printf "%s\n" "$line"'); do
	watch_job
	# shellcheck disable=SC2086 # words
	set -- $line
	[ $# = 0 ] || obey "$@"
done
asked=revert
watch_job
end_session
finish
