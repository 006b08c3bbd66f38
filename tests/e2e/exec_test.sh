#!/bin/bash
# Programs in the containers of a service: with this side's terminal or stdio on one host, line by line on
# several.
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

typist=$root/tests/e2e/typist.py

write_inventory() {
	mkdir -p "$tmp/exec"
	cat >"$tmp/exec/shipit.yml" <<-END
		project: exec
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    image: box:v1
		    environment: {TERM: dumb}
		    ready: {running: 1s}
		    stop_grace_period: 0s
		  other: {image: "box:v1", hosts: [h2], ready: {running: 1s}, stop_grace_period: 0s}
		hosts: {h1: {}, h2: {}, h3: {}}
		environments: {prod: {hosts: ["*"]}}
	END
	file=$tmp/exec/shipit.yml
}

# What it says on stdout and stderr, apart.
run() { # ARG...
	timeout -k 10 120 "$SHIPIT" -f "$file" exec prod "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
	code=$?
	cat "$tmp/stdout" "$tmp/stderr" >"$tmp/out"
}

is_running() { # HOST PROGRAM
	on "$1" docker top exec.prod.web | grep -q "$2"
}

test_one() {
	begin 'one host: what the program says, on which stream, and how it ends'
	run web --host h1 -- /busybox sh -c 'echo "out $1"; echo err >&2; exit 7' sh "it's \$HOME"
	want_code 7
	want_same 'stdout' "out it's \$HOME" "$(cat "$tmp/stdout")"
	want_same 'stderr' err "$(cat "$tmp/stderr")"
	run web --host h1 /busybox echo -n --json -f
	want_code 0
	want_same 'what follows the program is its own' '--json -f' "$(cat "$tmp/stdout")"
	run other /busybox hostname
	want_code 0
	want_same 'the only host of a service' "$(inspect h2 '{{.Id}}' exec.prod.other | cut -c 1-12)" "$(cat "$tmp/stdout")"

	begin 'one host: bytes go in and out unchanged, and their end is seen'
	head -c 20000000 /dev/urandom >"$tmp/bytes"
	timeout 120 "$SHIPIT" -f "$file" exec prod web --host h1 -- /busybox cat <"$tmp/bytes" >"$tmp/back" 2>"$tmp/out"
	want_same 'exit' 0 $?
	cmp "$tmp/bytes" "$tmp/back" >>"$tmp/out" 2>&1 || wrong 'other bytes came back'
	printf 'one\ntwo' | timeout 60 "$SHIPIT" -f "$file" exec prod web --host h1 -- /busybox wc -l >"$tmp/out" 2>&1
	want_same 'lines counted there' 1 "$(cat "$tmp/out")"

	begin 'one host: a reader that has enough ends it; one that stalls costs no memory'
	timeout 60 "$SHIPIT" -f "$file" exec prod web --host h1 -- /busybox yes 2>"$tmp/out" </dev/null | head -n 3 >"$tmp/three"
	want_same 'lines' 3 "$(wc -l <"$tmp/three")"
	want_same 'who ended it' 'not the clock' "$([ "${PIPESTATUS[0]}" = 124 ] || echo 'not the clock')"
	mkfifo "$tmp/stalled"
	"$SHIPIT" -f "$file" exec prod web --host h1 -- /busybox yes >"$tmp/stalled" 2>"$tmp/out" </dev/null &
	exec 7<"$tmp/stalled"
	sleep 4
	rss=$(awk '/^VmRSS/ { print $2 }' /proc/$!/status)
	[ "$rss" -lt "${RSS_MAX:-60000}" ] || wrong "it takes $rss KB"
	exec 7<&-
	wait $!
	want_same 'exit' 0 $?
}

test_terminal() {
	begin 'a terminal: its size, also when it changes, TERM, and the keys'
	"$typist" --size 37x91 '37 91=size:12x50' '12 50=\x03' 'caught=x' -- env TERM=screen "$SHIPIT" -f "$file" exec prod web --host h1 -- \
	    /busybox sh -c 'trap "echo caught; read -n 1 key; echo key \$key term \$TERM; exit 9" INT; while :; do /busybox stty size; /busybox sleep 0.1; done' >"$tmp/out" 2>&1
	want_same 'exit' 9 $?
	want_out 'key x term screen'

	begin 'a terminal is given back as it was after a signal and a lost link, too'
	"$typist" 'ready=signal:TERM' -- "$SHIPIT" -f "$file" exec prod web --host h1 -- /busybox sh -c 'echo ready; /busybox sleep 60' >"$tmp/out" 2>&1
	want_same 'exit' 130 $?
	want_out 'goes on there'
	"$typist" 'ready=' -- "$SHIPIT" -f "$file" exec prod web --host h3 -- /busybox sh -c 'echo ready; exec /busybox sleep 100' >"$tmp/out" 2>&1 &
	until_true 30 is_running h3 'sleep 100' || wrong 'it does not run'
	"$LAB" drop h3
	wait $!
	want_same 'exit' 255 $?
	"$LAB" undrop h3

	begin 'no terminal where none is wanted, or none is there'
	"$typist" -- "$SHIPIT" -f "$file" exec prod web --host h1 -T -- /busybox tty >"$tmp/out" 2>&1
	want_same 'exit' 1 $?
	want_out 'not a tty'
	run web --host h1 -- /busybox tty
	want_out 'not a tty'
	TERM=screen run web --host h1 -- /busybox sh -c 'echo "$TERM"'
	want_same 'TERM, which is the container'"'"'s' dumb "$(cat "$tmp/stdout")"
}

test_many() {
	begin 'several hosts: each line with its host, and who did not end well'
	run web -- /busybox sh -c 'echo one; printf two; echo "to stderr" >&2'
	want_code 0
	want_same 'stdout' 'h1 | one|h1 | two|h2 | one|h2 | two|h3 | one|h3 | two' "$(sort "$tmp/stdout" | paste -sd '|')"
	want_same 'stderr' 'h1 | to stderr|h2 | to stderr|h3 | to stderr' "$(sort "$tmp/stderr" | paste -sd '|')"
	id=$(inspect h2 '{{.Id}}' exec.prod.web | cut -c 1-12)
	run web -- /busybox sh -c '[ "$(/busybox hostname)" != "$1" ] || exit 3; printf "\033[31mred\007\n"' sh "$id"
	want_code 1
	want_out 'h2: it ended with 3' 'h1 | \x1b[31mred\x07'
	shipit -f "$file" --json exec prod web -- /busybox sh -c 'echo said; echo also >&2'
	want_code 0
	want_same 'lines' 'said stdout|said stdout|said stdout' "$(jq -r 'select(.event == "line" and .stream == "stdout") | "\(.text) \(.stream)"' "$tmp/out" | paste -sd '|')"
	want_same 'ends' 'h1 0|h2 0|h3 0' "$(jq -r 'select(.event == "exit") | "\(.host) \(.status)"' "$tmp/out" | paste -sd '|')"

	begin 'several hosts: one that is down, a container that is stopped, one that is not there'
	"$LAB" power h3 off
	run web -- /busybox true
	want_code 4
	want_out 'h3'
	shipit -f "$file" --json exec prod web -- /busybox true
	want_code 4
	want_same 'not reached' h3 "$(grep '^{' "$tmp/out" | jq -r 'select(.event == "host") | .host')"
	"$LAB" power h3 on
	"$LAB" wait h3
	shipit -f "$file" stop prod web --limit h1
	want_code 0
	run web --host h1 -- /busybox true
	want_code 255
	want_out 'shipit start prod web --limit h1'
	run web -- /busybox true
	want_code 1
	on h2 docker rm -f exec.prod.web >/dev/null
	run web --host h2 -- /busybox true
	want_code 255
	want_out 'there is no container of web' 'shipit deploy prod'
	shipit -f "$file" start prod web --limit h1
	want_code 0

	begin 'what cannot be run says so; what cannot be meant is refused'
	run web --host h1 -- /nowhere
	[ "$code" = 126 ] || [ "$code" = 127 ] || [ "$code" = 255 ] || wrong "exit $code"
	want_out nowhere
	run web
	want_code 2
	want_out 'needs to know COMMAND'
	run wbe -- true
	want_code 2
	want_out 'did you mean "web"?'
	run other --host h1 -- true
	want_code 2
	want_out 'other is on none of these hosts'
}

lab_up 3
make_box v1 || exit 1
write_inventory
shipit -f "$file" deploy prod
[ "$code" = 0 ] || { cat "$tmp/out"; echo '0 passed, 1 failed'; exit 1; }
test_one
test_terminal
test_many
shipit -f "$file" down prod --yes
totals
