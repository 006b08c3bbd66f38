# shellcheck shell=bash disable=SC2034,SC2154
# Talking to a keeper, and the containers that it swaps. $on is what a command on the host begins with,
# $keeper the program's file, $loader the text that evaluates it, $under the shell that does, $remote_path its
# PATH, $tmp a folder.

# --- a keeper, and talking to it: number 1 or 2, $k

declare -a to from pid session heart
k=1

defaults() { # of what a swap is told
	old=- oldpolicy=always oldruns=0 policy=always grace=5 running=0 healthy=0 timeout=20 overlap=0
}

open_keeper() { # COMMAND...: it gets the program's text on its standard input, then what `tell` says
	local fd in=$tmp/in$k out=$tmp/out$k
	rm -f "$in" "$out"
	mkfifo "$in" "$out"
	(
		for fd in "${to[@]}" "${from[@]}"; do exec {fd}>&-; done
		exec "$@" <"$in" >"$out" 2>>"$tmp/stderr"
	) &
	session[k]=$!
	echo "${session[k]}" >>"$tmp/started"
	exec {fd}>"$in"
	to[k]=$fd
	exec {fd}<"$out"
	from[k]=$fd
	cat "$keeper" >&"${to[$k]}"
	expect 'hello 1 *'
	pid[k]=${heard##* }
	beat &
	heart[k]=$!
	echo "${heart[k]}" >>"$tmp/started"
}

beat() { # without holding anybody's input or output open
	exec >&"${to[$k]}"
	exec 2>/dev/null
	for fd in "${to[@]}" "${from[@]}"; do exec {fd}>&-; done
	while sleep 2 >/dev/null; do echo beat; done
}

stop_heart() {
	kill -KILL "${heart[k]}" 2>/dev/null || :
	wait "${heart[k]}" 2>/dev/null || :
}

start_keeper() { # [VARIABLE=VALUE...]
	open_keeper env PATH="$remote_path" "$@" "${under[@]}" -c "$loader"
}

start_keeper_as() { # USER
	open_keeper runuser -u "$1" -- env HOME="/home/$1" PATH="$remote_path" "${under[@]}" -c "$loader"
}

tell() { # LINE...
	printf '> %s\n' "$@"
	printf '%s\n' "$@" >&"${to[$k]}"
}

close_input() {
	local fd=${to[$k]}
	stop_heart
	exec {fd}>&-
	unset "to[$k]"
}

hang_up() { # both ends, as when sshd is gone
	local fd=${from[$k]}
	close_input
	exec {fd}<&-
	unset "from[$k]"
}

hear() { # the next line that is no text: $heard; when it came: $at; its text: $text.
	local line
	text=''
	while :; do
		IFS= read -r -t 90 -u "${from[$k]}" line || { echo "heard nothing ($?)"; return 1; }
		at=$EPOCHREALTIME
		echo "$k< $line"
		case $line in
		'@shipit | '*) text+=${line#'@shipit | '}$'\n' ;;
		'@shipit '*) heard=${line#@shipit } && return ;;
		*) [ -n "${noise_allowed-}" ] || { echo 'unexpected noise'; return 1; } ;;
		esac
	done
}

expect() { # PATTERN...: the next lines, one each; what it waits for does not matter
	local pattern
	for pattern; do
		hear
		while [[ $heard == 'swap begun' || $heard == 'swap waiting '* && $pattern != 'swap waiting'* ]]; do hear; done
		# shellcheck disable=SC2053 # a pattern
		[[ $heard == $pattern ]] || { echo "expected: $pattern"; return 1; }
	done
}

gone() { # the keeper has ended and its output with it
	local line
	while IFS= read -r -t 30 -u "${from[$k]}" line; do echo "$k< $line"; done
	wait "${session[k]}" || :
}

# --- conditions

skip() { # WHY
	echo "skipped: $1" >"$tmp/note"
	exit 0
}

check() { # COMMAND...
	"$@" || { echo "not so: $*"; return 1; }
}

is() { # ACTUAL EXPECTED
	[ "$1" = "$2" ] || { printf 'is:     %s\nnot:    %s\n' "$1" "$2"; return 1; }
}

await() { # COMMAND...: until it succeeds
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*"; return 1; }
		sleep 0.1
	done
}

fails() {
	! "$@"
}

below() { # NUMBER LIMIT
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }' || { echo "$1 is not below $2"; return 1; }
}

minus() { # LATER EARLIER
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a - b }'
}

free_port() {
	local port=$((20000 + RANDOM % 10000))
	while grep -q ":$(printf %04X $port) " /proc/net/tcp /proc/net/tcp6; do port=$((port + 1)); done
	echo $port
}

take_port() { # PORT
	busybox nc -l -p "$1" >/dev/null 2>&1 &
	thief=$!
	echo $thief >>"$tmp/started"
	await grep -q ":$(printf %04X "$1") " /proc/net/tcp /proc/net/tcp6
}

seconds() { # TIME as the engine writes it
	date -d "$1" +%s.%N
}

# --- containers: $old serves as t.e.web, $new is created as t.e.web.r2

serve='trap "exit 0" TERM; echo ok >/index.html; httpd -p 80 -h /; while :; do sleep 999 & wait $!; done'
stubborn='trap "" TERM; while :; do sleep 1; done'

make_old() { # [OPTION...]
	old=$($on docker create --name t.e.web --restart "$oldpolicy" "$@" box sh -c "${script:-$serve}")
	$on docker start "$old" >/dev/null
	oldruns=1
}

make_new() { # SCRIPT [OPTION...]
	new=$($on docker create --name t.e.web.r2 "${@:2}" box sh -c "$1")
}

swap_line() {
	echo "swap t.e.web $old t.e.web.r1 $oldpolicy $oldruns $new t.e.web.r2 $policy $grace $running $healthy $timeout $overlap"
}

swap() {
	tell "$(swap_line)"
}

begin() { # [VARIABLE=VALUE...]: a keeper that has an engine and the lock
	start_keeper "$@"
	tell 'engine 0 docker' 'lock t.e ann@laptop 2026-11-22T17:54:32Z'
	expect 'engine /* /*' locked
}

to_ready() {
	swap
	[ "$oldruns$overlap" != 10 ] || expect 'swap stopping'
	expect 'swap starting' 'swap started' 'swap ready'
}

state() { # ID: name, whether it runs, policy
	$on docker inspect -f '{{.Name}} {{.State.Running}} {{with .HostConfig.RestartPolicy}}{{.Name}}{{if .MaximumRetryCount}}:{{.MaximumRetryCount}}{{end}}{{end}}' "$1"
}

took_over() {
	is "$(state "$new")" "/t.e.web true $policy"
	[ "$old" = - ] || is "$(state "$old")" '/t.e.web.r1 false no'
}

as_before() {
	is "$(state "$new")" '/t.e.web.r2 false no'
	[ "$old" = - ] || is "$(state "$old")" "/t.e.web $([ "$oldruns" = 1 ] && echo true || echo false) $oldpolicy"
}

started_at() { # ID
	seconds "$($on docker inspect -f '{{.State.StartedAt}}' "$1")"
}

remove_containers() {
	# shellcheck disable=SC2046 # ids
	set -- $($on docker ps -aq)
	[ $# = 0 ] || $on docker rm -f "$@" >/dev/null
}

# --- what a keeper leaves behind

lock_free() {
	$on sh -c '[ ! -e /run/lock/shipit.t.e ] || flock -n /run/lock/shipit.t.e true'
}

holders() { # TIMES: who holds the lock's file open, each time that one looks
	local i
	for ((i = 0; i < $1; i++)); do
		[ $i = 0 ] || sleep 0.1
		find /proc/[0-9]*/fd -lname /run/lock/shipit.t.e 2>/dev/null | cut -d / -f 3 | sort -u
	done | sort -n | uniq -c | awk -v times="$1" '$1 == times { print $2 }'
}

swap_process() { # or the one that took its place
	local i
	for i in {1..50}; do
		holders 3 | grep -vx "${pid[1]}" && return
	done
}

finish() {
	tell end
	expect bye
	gone
	check lock_free
	is "$(echo /run/lock/shipit.t.e.by-*)" '/run/lock/shipit.t.e.by-*'
}

