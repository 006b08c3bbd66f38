#!/bin/bash
# Rollouts over twelve hosts: canary, batches, how many may fail, what then, and what --retry takes. Which
# hosts ever ran a release is asked of the hosts' own ledgers and containers.
#
#   fleet_test.sh [check|soak|PART...]
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

all=$(echo h{1..12})

# What a host runs is to serve VERSION, unless it is BROKEN there, by the host's own environment.
write_fleet() { # VERSION ROLLOUT [BROKEN-HOST...]
	local version=$1 rollout=$2 h
	shift 2
	mkdir -p "$tmp/fleet"
	{
		cat <<-END
			project: fleet
			ssh: {config: $LAB_SSH_CONFIG}
			services:
			  web:
			    image: box:$version
			    ports: ["8080:80"]
			    command: [/busybox, sh, -c, '[ -z "\$\$BROKEN" ] || exit 7; exec /busybox httpd -f -p 80 -h /www']
			    ready: {running: 1s, timeout: 20s}
			    stop_grace_period: 1s
			hosts:
		END
		for h in $all; do
			case " $* " in *" $h "*) echo "  $h: {environment: {BROKEN: \"1\"}}" ;; *) echo "  $h: {}" ;; esac
		done
		echo "environments: {prod: {hosts: [\"*\"]${rollout:+, rollout: {$rollout\}}}}"
	} >"$tmp/fleet/shipit.yml"
}

fleet() {
	shipit -f "$tmp/fleet/shipit.yml" "$@"
}

# The hosts in whose ledgers the last rollout has a line with that end (a pattern).
ran() { # RESULT
	local h
	for h in $all; do
		on "$h" sh -c 'cat /var/lib/docker/volumes/fleet.prod.shipit/_data/*.json' |
		    jq -e --arg rollout "$rollout" --arg result "$1" \
			'select(.rollout == $rollout and (.result | test($result)))' >"$tmp/lines" 2>&1
		[ ! -s "$tmp/lines" ] || echo "$h"
	done | xargs
}

rollout_id() {
	rollout=$(jq -r 'select(.event == "rollout") | .rollout // .release' "$tmp/out" | head -n 1)
}

rest() {
	jq -r 'select(.event == "summary") | .rest' "$tmp/out"
}

serving() { # VERSION: the hosts that do
	local h
	for h in $all; do
		[ "$(body "$h")" != "$1" ] || echo "$h"
	done | xargs
}

names() { # NUMBER...
	printf 'h%s\n' "$@" | xargs
}

test_first() {
	begin 'a first deploy goes to all at once'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	want_same 'v1 serves on' "$all" "$(serving v1)"

	begin 'canary and batches, in the order of the file'
	write_fleet v2 'canary: 1, batch: 25%'
	fleet --json deploy prod
	want_code 0
	want_same 'v2 serves on' "$all" "$(serving v2)"
	want_same 'the batches' 'canary: h1|batch 1 of 4: h2, h3, h4|batch 2 of 4: h5, h6, h7|batch 3 of 4: h8, h9, h10|batch 4 of 4: h11, h12' \
	    "$(jq -r 'select(.event == "note") | .text' "$tmp/out" | grep -E '^(canary|batch)' | paste -sd '|')"
	# Nobody of a batch is stopped before all of the one before are committed.
	want_same 'out of turn' '' "$(jq -r 'select(.host != null and ((.step == "swap" and .state == "start") or (.step == "commit" and .state == "ok"))) | "\(.step) \(.host)"' "$tmp/out" |
	    awk 'BEGIN { split("1 2 2 2 3 3 3 4 4 4 5 5", batch) }
	         { n = batch[substr($2, 2)]; if ($1 == "swap") { for (i = 1; i < n; i++) if (done[i] < size[i] + 0 || !seen[i]) print; seen[n] = 1; size[n]++ } else done[n]++ }')"

	begin 'images travel while the batch before is changed'
	want_same 'delivered to the second batch before the first was committed' true "$(jq -rs '
	    (map(select(.host == "h5" and .step == "deliver" and .state == "start"))[0].time) <
	    (map(select(.host == "h4" and .step == "commit" and .state == "ok"))[0].time)' "$tmp/out")"
}

# One that fails on two hosts, wherever they stand: in which batch the second failure falls decides.
test_fails() {
	local pair
	for pair in "${pairs[@]}"; do
		# shellcheck disable=SC2086 # words
		set -- $pair
		begin "fails on h$1 and h$2, one may fail: all that ran it go back"
		write_fleet v1 ''
		fleet deploy prod
		want_code 0
		write_fleet v3 'canary: 1, batch: 25%, max_failures: 1' "h$1" "h$2"
		fleet --json deploy prod
		want_code 1
		rollout_id
		want_same 'v1 serves on' "$all" "$(serving v1)"
		want_same 'v3 was tried on' "$(tried "$1" "$2")" "$(ran .)"
	done
}

# All hosts up to the end of the batch in which the second one fails.
tried() { # NUMBER NUMBER
	local last=$1
	[ "$last" -gt "$2" ] || last=$2
	[ "$1" != 1 ] || last=1 # the canary
	[ "$last" = 1 ] || last=$(((last - 2) / 3 * 3 + 4))
	[ "$last" -le 12 ] || last=12
	# shellcheck disable=SC2046 # numbers
	names $(seq "$last")
}

test_stop() {
	begin 'on_failure: stop begins no further batch, and what works stays'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	write_fleet v4 'canary: 1, batch: 25%, max_failures: 1, on_failure: stop' h3 h6
	fleet --json deploy prod
	want_code 3
	rollout_id
	want_same 'v4 serves on' "$(names 1 2 4 5 7)" "$(serving v4)"
	want_same 'v1 serves on' "$(names 3 6 8 9 10 11 12)" "$(serving v1)"
	want_same 'v4 was tried on' "$(names 1 2 3 4 5 6 7)" "$(ran .)"
	want_same 'v4 was taken back on' "$(names 3 6)" "$(ran reverted)"
	want_same 'what is said of the rest' "shipit -f $tmp/fleet/shipit.yml deploy prod --retry" "$(rest)"

	begin '--retry takes exactly those that are missing'
	write_fleet v4 'batch: 3'
	fleet --json deploy prod --retry
	want_code 0
	rollout_id
	want_same 'v4 came to' "$(names 3 6 8 9 10 11 12)" "$(ran committed)"
	want_same 'v4 serves on' "$all" "$(serving v4)"

	begin '--retry with nothing missing does nothing'
	fleet deploy prod --retry
	want_code 0
	want_out 'came through on all its hosts'

	begin 'a rollback takes back what the deploy and its retry did'
	fleet rollback prod
	want_code 0
	want_same 'v1 serves on' "$all" "$(serving v1)"
}

test_continue() {
	begin 'on_failure: continue goes on'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	write_fleet v2 'batch: 4, on_failure: continue' h1 h6 h7
	fleet --json deploy prod
	want_code 3
	want_same 'v2 serves on' "$(names 2 3 4 5 8 9 10 11 12)" "$(serving v2)"
	want_same 'v1 serves on' "$(names 1 6 7)" "$(serving v1)"
}

test_down() {
	begin 'with one host down the others are done: 4; --retry takes it when it is back'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	"$LAB" power h1 off
	write_fleet v2 'canary: 1, batch: 50%'
	fleet --json deploy prod
	want_code 4
	want_same 'the canary' 'canary: h2' "$(jq -r 'select(.event == "note") | .text' "$tmp/out" | grep canary)"
	want_same 'v2 serves on' "$(names 2 3 4 5 6 7 8 9 10 11 12)" "$(serving v2)"
	"$LAB" power h1 on
	"$LAB" wait h1
	fleet --json deploy prod --retry
	want_code 0
	rollout_id
	want_same 'v2 came to' h1 "$(ran committed)"

	begin '--unreachable fail: nothing is changed'
	"$LAB" power h12 off
	write_fleet v1 'batch: 3'
	fleet deploy prod --unreachable fail
	want_code 1
	want_same 'v2 serves on' "$(names 1 2 3 4 5 6 7 8 9 10 11)" "$(serving v2)"
	"$LAB" power h12 on
	"$LAB" wait h12
}

test_rollback() {
	begin 'a rollback while two hosts are away: the others go back, 4'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	write_fleet v2 'batch: 50%'
	fleet deploy prod
	want_code 0
	"$LAB" power h3 off
	"$LAB" power h8 off
	fleet --json rollback prod
	want_code 4
	want_same 'what is said of the rest' "shipit -f $tmp/fleet/shipit.yml rollback prod" "$(rest)"
	want_same 'v1 serves on' "$(names 1 2 4 5 6 7 9 10 11 12)" "$(serving v1)"

	begin 'and the same command takes them back when they are there again, one by one'
	"$LAB" power h3 on
	"$LAB" wait h3
	want_same 'v2 serves on' h3 "$(serving v2)"
	fleet rollback prod
	want_code 4
	want_same 'v1 serves on' "$(names 1 2 3 4 5 6 7 9 10 11 12)" "$(serving v1)"
	"$LAB" power h8 on
	"$LAB" wait h8
	fleet rollback
	want_code 0
	want_same 'v1 serves on' "$all" "$(serving v1)"

	begin 'once more returns to where it was, everywhere'
	fleet rollback prod
	want_code 0
	want_same 'v2 serves on' "$all" "$(serving v2)"
}

# A service that counts, twice a second, on every host.
write_counting() {
	mkdir -p "$tmp/count"
	{
		cat <<-END
			project: count
			ssh: {config: $LAB_SSH_CONFIG}
			services:
			  ticker:
			    image: box:v1
			    command: [/busybox, sh, -c, 'i=0; while :; do i=\$\$((i + 1)); echo "line \$\$i of \$\$(/busybox hostname)"; /busybox sleep 0.2; done']
			    ready: {running: 1s}
			    stop_grace_period: 0s
			hosts:
		END
		for h in $all; do echo "  $h: {}"; done
		echo 'environments: {prod: {hosts: ["*"]}}'
	} >"$tmp/count/shipit.yml"
}

# What the engine has of it, once: text alone, in its order.
counted_by_engine() { # HOST
	on "$1" docker logs count.prod.ticker 2>&1
}

counted_by_shipit() { # HOST
	jq -r --arg host "$1" 'select(.event == "line" and .host == $host) | .text' "$tmp/lines.json"
}

# All that the engine has is in what shipit said, in the same order and once.
all_counted() { # HOST
	counted_by_engine "$1" >"$tmp/engine.$1"
	counted_by_shipit "$1" >"$tmp/shipit.$1"
	[ "$(wc -l <"$tmp/shipit.$1")" -ge "$(wc -l <"$tmp/engine.$1")" ] &&
	    head -n "$(wc -l <"$tmp/engine.$1")" "$tmp/shipit.$1" | cmp -s - "$tmp/engine.$1"
}

test_logs() {
	local pid rss
	begin 'logs: the last lines of twelve hosts, and of one without its name'
	write_counting
	shipit -f "$tmp/count/shipit.yml" deploy prod
	want_code 0
	shipit -f "$tmp/count/shipit.yml" logs prod -n 2
	want_code 0
	want_same 'lines' 24 "$(grep -c '^h[0-9]* *ticker *| line' "$tmp/out")"
	shipit logs --file "$tmp/count/shipit.yml" prod --limit h3 -n 1
	want_code 0
	want_same 'lines of one' 1 "$(grep -c '^line' "$tmp/out")"
	shipit -f "$tmp/count/shipit.yml" logs prod nothing
	want_code 2
	shipit -f "$tmp/count/shipit.yml" logs prod --since yesterday
	want_code 2

	begin 'logs -f: no line is lost or doubled while a host restarts, one is cut off and a container is restarted'
	env --default-signal=INT "$SHIPIT" -f "$tmp/count/shipit.yml" --json logs prod -f --since 1h >"$tmp/lines.json" 2>"$tmp/out" </dev/null &
	pid=$!
	until_true 30 seen_of_all || wrong 'not all hosts are heard'
	"$LAB" power h2 off
	"$LAB" drop h5
	on h7 docker restart -t 0 count.prod.ticker >/dev/null
	"$LAB" power h2 on
	"$LAB" wait h2
	sleep 20 # the link of h5 is given up meanwhile
	"$LAB" undrop h5
	for h in h2 h5 h7 h9; do
		until_true 60 goes_on $h || wrong "$h is not heard any more"
		all_counted $h || wrong "the lines of $h are not those of the engine"
	done

	begin 'logs -f: a reader that stalls costs no memory, and nothing is lost by it'
	rss=$(rss_of $pid)
	kill -STOP $pid
	sleep 3
	kill -CONT $pid
	[ "$(rss_of $pid)" -lt $((rss + 20000)) ] || wrong "it grew from $rss to $(rss_of $pid) KB"
	for h in h2 h5 h7 h9; do
		until_true 60 all_counted $h || wrong "the lines of $h are not those of the engine"
	done
	kill -INT $pid
	wait $pid
	want_same 'exit' 130 $?
	cat "$tmp/lines.json" >>"$tmp/json.all"

	begin 'logs -f into a reader that goes away ends'
	timeout 60 "$SHIPIT" -f "$tmp/count/shipit.yml" logs prod -f 2>"$tmp/out" | head -n 3 >"$tmp/three"
	want_same 'lines' 3 "$(wc -l <"$tmp/three")"
	want_same 'who ended it' 'not the clock' "$([ "${PIPESTATUS[0]}" = 124 ] || echo 'not the clock')"
	shipit -f "$tmp/count/shipit.yml" down prod --yes
	want_code 0
}

seen_of_all() {
	[ "$(jq -r 'select(.event == "line") | .host' "$tmp/lines.json" 2>/dev/null | sort -u | wc -l)" = 12 ]
}

goes_on() { # HOST: it says what was said just now
	local newest
	newest=$(on "$1" docker logs -n 1 count.prod.ticker 2>&1)
	until_true 5 said_by "$1" "$newest"
}

said_by() { # HOST LINE
	counted_by_shipit "$1" | grep -qxF "$2"
}

rss_of() { # PID
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

test_options() {
	begin '--batch, --canary and --limit'
	write_fleet v1 ''
	fleet deploy prod
	want_code 0
	write_fleet v2 'batch: 6'
	fleet --json deploy prod --batch 2 --canary 1 --limit 'h1*,!h11'
	want_code 0
	want_same 'the batches' 'canary: h1|batch 1 of 1: h10, h12' \
	    "$(jq -r 'select(.event == "note") | .text' "$tmp/out" | grep -E '^(canary|batch)' | paste -sd '|')"
	want_same 'v2 serves on' "$(names 1 10 12)" "$(serving v2)"
	fleet deploy prod --batch none
	want_code 2
	want_out '--batch takes a number of hosts'

	begin 'pause: confirm asks on a terminal, and is refused where there is none'
	write_fleet v3 'batch: 6, pause: confirm'
	setsid -w "$SHIPIT" -f "$tmp/fleet/shipit.yml" deploy prod >"$tmp/out" 2>&1 </dev/null
	code=$?
	want_code 2
	want_out 'pause: confirm' '--yes'
	confirmed n
	want_code 3
	want_out 'Go on with 6 more hosts?' 'no further host is begun'
	want_same 'v3 serves on' "$(names 1 2 3 4 5 6)" "$(serving v3)"
	# The rest is one batch: there is nothing to ask about.
	fleet deploy prod --yes
	want_code 0
	want_same 'v3 serves on' "$all" "$(serving v3)"
	write_fleet v4 'batch: 6, pause: confirm'
	confirmed y
	want_code 0
	want_out 'Go on with 6 more hosts?'
	want_same 'v4 serves on' "$all" "$(serving v4)"
}

# A deploy on a terminal, where ANSWER is typed to the question.
confirmed() { # ANSWER
	"$root/tests/e2e/typist.py" "[y/N]=$1\\n" -- "$SHIPIT" -f "$tmp/fleet/shipit.yml" deploy prod >"$tmp/out" 2>&1
	code=$?
}

# --- signals, and what else ends people's patience

process_state() { # PID
	awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null
}

is_stopped() { # PID
	[ "$(process_state "$1")" = T ]
}

is_over() { # PID
	case $(process_state "$1") in '' | Z) ;; *) return 1 ;; esac
}

# A deploy that stands still at the first STEP of a host when it gets the SIGNALs, each after the one before
# was taken in; then it may go on.
deploy_signalled() { # STEP SIGNAL...
	local step=$1 pid signal
	shift
	SHIPIT_STOP_AT=$step:start setsid env --default-signal=INT,HUP "$SHIPIT" -f "$tmp/fleet/shipit.yml" deploy prod \
	    >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	until_true 60 is_stopped $pid || wrong "it does not come to $step"
	for signal; do
		kill "-$signal" $pid
		kill -CONT $pid
		sleep 0.3
	done
	# Each host stops it at that step.
	until is_over $pid; do
		kill -CONT $pid 2>/dev/null
		sleep 0.05
	done
	wait $pid
	code=$?
	want_same 'what it left running' '' "$(ps -o stat=,args= -s $pid | awk '$1 !~ /^Z/')"
}

on_old_or_new() {
	[ "$(serving "$1" | wc -w)" = 12 ] || [ $(($(serving "$1" | wc -w) + $(serving "$2" | wc -w))) = 12 ]
}

test_signals() {
	local point step signals new=v2 old=v1 swap
	write_fleet v1 ''
	fleet deploy prod
	for point in "${points[@]}"; do
		step=${point%% *} signals=${point#* }
		begin "$signals when a host comes to $step: no host is left without a service"
		write_fleet $new ''
		# shellcheck disable=SC2086 # words
		deploy_signalled $step $signals
		want_code 130
		case $signals in
		*' '*) until_true 30 on_old_or_new $old $new || wrong "$old on $(serving $old), $new on $(serving $new)" ;;
		*) on_old_or_new $old $new || wrong "$old on $(serving $old), $new on $(serving $new)" ;;
		esac
		# What is committed stays.
		[ "$step" = commit ] || [ "$step" = prune ] || until_true 30 all_serve $old || wrong "$old only on $(serving $old)"
		until_true 30 fleet_deploys || wrong 'the next deploy does not succeed'
		want_same "$new serves on" "$all" "$(serving $new)"
		swap=$old old=$new new=$swap
	done

	begin 'a reader that goes away ends no rollout'
	write_fleet $new ''
	timeout 120 "$SHIPIT" -f "$tmp/fleet/shipit.yml" deploy prod 2>"$tmp/out" </dev/null | head -n 1 >"$tmp/one"
	want_same 'exit' 0 "${PIPESTATUS[0]}"
	want_same "$new serves on" "$all" "$(serving $new)"

	begin 'a terminal that is closed is an interrupt'
	write_fleet $old ''
	# In the table alone, not in the report at the end; and it stands there long enough to be drawn.
	sed -i 's/running: 1s/running: 6s/' "$tmp/fleet/shipit.yml"
	"$root/tests/e2e/typist.py" 'waiting running=hangup' -- env TERM=xterm "$SHIPIT" -f "$tmp/fleet/shipit.yml" deploy prod >"$tmp/out" 2>&1
	want_same 'exit' 130 $?
	until_true 30 all_serve $new || wrong "$new only on $(serving $new)"
	fleet deploy prod
	want_code 0
	want_same "$old serves on" "$all" "$(serving $old)"
}

all_serve() { # VERSION
	[ "$(serving "$1")" = "$all" ]
}

# Hosts that were let go hold the lock until they have noticed.
fleet_deploys() {
	fleet deploy prod
	[ "$code" = 0 ]
}

pairs=('2 3' '1 12' '5 11' '12 11')
points=()
for step in connect lock facts deliver create swap ready commit prune; do
	points+=("$step INT" "$step TERM" "$step INT INT")
done
case ${1-soak} in
check)
	parts='first fails stop signals'
	pairs=('5 11')
	points=('deliver TERM' 'swap INT' 'ready INT INT')
	;;
soak) parts='first fails stop continue down rollback options logs signals' ;;
*) parts=$* ;;
esac
lab_up 12
for version in v1 v2 v3 v4; do make_box $version || exit 1; done
for part in $parts; do test_"$part"; done
totals
