# shellcheck shell=bash disable=SC2034,SC2154
# The cases that run on the host itself.

# --- commands and facts

test_commands_in_one_write() {
	start_keeper
	tell 'engine 0 docker' beat 'path /etc' '' beat 'lock t.e a@b now' 'path /no/such file ' 'path relative' nonsense 'commit *' "engine 0 \$(id)" 'engine 0' end
	expect 'engine /usr/bin/docker /*' 'path yes /etc' locked 'path no /no/such file ' \
		'error command path' 'error command nonsense' 'error command commit *' 'error command engine*' 'error command engine' bye
	gone
}

test_line_in_pieces() {
	local piece
	start_keeper
	stop_heart
	for piece in pa 'th ' /e tc $'\nbe' $'at\npath /' $'usr\n'; do
		printf %s "$piece" >&"${to[$k]}"
		sleep 0.05
	done
	expect 'path yes /etc' 'path yes /usr'
	printf 'path /half' >&"${to[$k]}" # no newline: not a command
	close_input
	gone >"$tmp/rest"
	is "$(cat "$tmp/rest")" ''
}

test_facts() {
	local port
	start_keeper
	port=$(free_port)
	take_port "$port"
	tell 'facts /var/lib/docker'
	expect 'fact free *'
	check below "$(minus "${heard#fact free }" "$(df -Pk /var/lib/docker | awk 'NR == 2 { print $4 }')")" 100000
	expect 'fact clock *'
	check below "$(minus "$(date +%s)" "${heard#fact clock }")" 3
	local ports=' '
	until hear && [ "$heard" = facts ]; do ports+="${heard#fact listen } "; done
	check grep -q ' 22 ' <<<"$ports"
	check grep -q " $port " <<<"$ports"
	tell 'facts /no/such/folder'
	expect 'fact free -'
}

test_path_that_one_may_not_see() {
	mkdir -p /tmp/closed/inner
	chmod 700 /tmp/closed
	start_keeper_as bob
	tell 'path /tmp/closed' 'path /tmp/closed/inner' 'path /tmp/nothing/inner'
	expect 'path yes /tmp/closed' 'path unknown /tmp/closed/inner' 'path no /tmp/nothing/inner'
}

test_engines() {
	start_keeper DOCKER_HOST=unix:///run/../run/docker.sock
	tell 'engine 0 nosuchengine' 'engine 0 false' 'engine 0 docker' 'engine 0 /usr/bin/docker'
	expect 'error engine'
	check grep -q nosuchengine <<<"$text"
	expect 'error engine' 'engine /usr/bin/docker /run/../run/docker.sock' 'engine /usr/bin/docker /run/../run/docker.sock'
	tell end
	expect bye
	gone
	start_keeper DOCKER_HOST=tcp://127.0.0.1:1
	tell 'engine 0 docker'
	expect 'error engine'
	check grep -q 'Cannot connect' <<<"$text"
	tell end
	expect bye
	gone
	start_keeper DOCKER_CONTEXT=nothing
	tell 'engine 0 docker'
	expect 'error engine'
	check grep -q nothing <<<"$text"
	start_keeper_as eve
	tell 'engine 0 docker'
	expect 'error engine'
	check grep -q 'permission denied' <<<"$text"
}

test_engine_of_a_context() {
	mkdir -p "$tmp/config"
	start_keeper DOCKER_CONFIG="$tmp/config"
	DOCKER_CONFIG=$tmp/config docker context create here --docker host=unix:///run/../run/docker.sock
	DOCKER_CONFIG=$tmp/config docker context use here
	tell 'engine 0 docker' try
	expect 'engine /usr/bin/docker /run/../run/docker.sock' tried
	DOCKER_CONFIG=$tmp/config docker context use default
	tell 'engine 0 docker' try
	expect 'engine /usr/bin/docker /var/run/docker.sock' tried
}

# The socket is there, and what is asked before a swap finds that the command does not work.
test_engine_that_cannot_be_used() {
	mkdir -p "$tmp/bin"
	printf '#!/bin/sh\necho odd words >&2\nexit 3\n' >"$tmp/bin/docker"
	chmod +x "$tmp/bin/docker"
	start_keeper PATH="$tmp/bin:$remote_path"
	tell 'engine 0 docker' try 'lock t.e a@b now'
	expect "engine $tmp/bin/docker /var/run/docker.sock" 'error engine'
	check grep -q 'odd words' <<<"$text"
	tell 'engine 0 docker' 'lock t.e a@b now'
	expect locked "engine $tmp/bin/docker /var/run/docker.sock" 'error engine'
}

test_old_dd() { # which does not know fullblock
	mkdir -p "$tmp/bin"
	printf '#!/bin/sh\ncase "$*" in *fullblock*) exit 1 ;; esac\nexec /usr/bin/dd "$@"\n' >"$tmp/bin/dd"
	chmod +x "$tmp/bin/dd"
	start_keeper PATH="$tmp/bin:$remote_path"
	tell 'path /etc' end
	expect 'path yes /etc' bye
}

test_odd_path() {
	start_keeper PATH="${remote_path%%:*}:/nowhere"
	tell 'engine 0 docker' 'lock t.e a@b now' end
	expect 'engine /usr/bin/docker *' locked bye
}

test_swap_out_of_turn() {
	make_old
	make_new "$serve"
	start_keeper
	tell commit revert
	swap
	expect 'error commit' 'error revert' 'error swap'
	tell 'engine 0 docker'
	swap
	expect 'engine *' 'error swap'
	tell 'lock t.e a@b now'
	timeout=1s swap
	timeout=08 swap
	expect locked 'error swap' 'error swap'
	to_ready
	swap
	expect 'error swap'
}

# --- the swap

test_commit() {
	policy=unless-stopped
	make_old
	make_new "$serve"
	begin
	running=1
	swap
	expect 'swap stopping' 'swap starting' 'swap started'
	local started=$at
	expect 'swap waiting running -' 'swap ready'
	check below 0.95 "$(minus "$at" "$started")"
	is "$(state "$new")" '/t.e.web.r2 true no'
	is "$(state "$old")" '/t.e.web false always'
	tell beat commit
	expect 'swap committed'
	took_over
	tell commit
	expect 'swap committed'
	tell revert
	expect 'swap committed'
	finish
	took_over
}

test_overlap_commit() { # the old one runs until then
	policy=unless-stopped overlap=1
	make_old
	make_new "$serve"
	begin
	local started
	started=$(started_at "$old")
	to_ready
	is "$(state "$new")" '/t.e.web.r2 true no'
	is "$(state "$old")" '/t.e.web true always'
	tell commit
	expect 'swap committed'
	took_over
	is "$(started_at "$old")" "$started"
	finish
	took_over
}

test_overlap_revert() { # for whatever reason: the old one is never stopped
	overlap=1 oldpolicy=on-failure:3
	make_old
	begin
	local started
	started=$(started_at "$old")
	for why in fails asked; do
		if [ $why = fails ]; then
			make_new 'exit 3'
			swap
			expect 'swap starting' 'swap started' 'swap failed ready exited 3' 'swap reverted'
		else
			make_new "$serve"
			to_ready
			tell revert
			expect 'swap reverted'
		fi
		as_before
		is "$(started_at "$old")" "$started"
		$on docker rm -f "$new" >/dev/null
	done
	finish
}

test_overlap_killed_in_commit() { # the old one is being stopped, which takes a while
	overlap=1 grace=3
	script='trap "" TERM; while :; do sleep 1; done' make_old
	make_new "$serve"
	begin
	to_ready
	tell commit
	await policy_is "$old" no
	kill -KILL "$(swap_process)"
	until [[ ${heard-} == 'swap reverted' ]]; do hear; done
	as_before
	finish
	as_before
}

policy_is() { # ID POLICY
	[ "$($on docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$1")" = "$2" ]
}

test_one_swap_after_the_other() {
	make_old
	make_new "$serve"
	begin
	to_ready
	tell commit
	expect 'swap committed'
	$on docker rm "$old" >/dev/null
	old=$new
	for times in 1 2; do
		make_new 'exit 3'
		running=3
		swap
		expect 'swap stopping' 'swap starting' 'swap started' 'swap failed ready exited 3' 'swap reverted'
		is "$(state "$old")" '/t.e.web true always'
		$on docker rm "$new" >/dev/null
	done
	finish
}

test_policies() {
	begin
	for oldpolicy in always unless-stopped on-failure:3 no; do
		policy=$oldpolicy
		make_old
		make_new "$serve"
		to_ready
		is "$(state "$old")" '/t.e.web false always'
		is "$(state "$new")" '/t.e.web.r2 true no'
		tell revert
		expect 'swap reverted'
		as_before
		to_ready
		tell commit
		expect 'swap committed'
		took_over
		remove_containers
	done
	finish
}

test_policies_left_alone() {
	begin
	for verdict in revert commit; do
		oldpolicy=unless-stopped make_old
		make_new "$serve" --restart always
		oldpolicy=- policy=- to_ready
		is "$(state "$old")" '/t.e.web false unless-stopped'
		tell $verdict
		expect "swap *ed"
		case $verdict in
		revert) is "$(state "$old")" '/t.e.web true unless-stopped' ;;
		commit) is "$(state "$old")" '/t.e.web.r1 false unless-stopped' ;;
		esac
		is "$($on docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$new")" always
		remove_containers
	done
	finish
}

test_revert_on_request() {
	oldpolicy=unless-stopped
	make_old
	make_new "$serve"
	begin
	to_ready
	tell revert
	expect 'swap reverted'
	as_before
	tell commit revert
	expect 'swap reverted' 'swap reverted'
	finish
	as_before
}

test_revert_before_it_is_ready() {
	make_old
	make_new "$serve"
	begin
	running=60 timeout=90
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap waiting *'
	tell commit # too early: forgotten
	tell revert
	expect 'swap reverted'
	as_before
	finish
}

test_swap_and_revert_in_one_write() {
	make_old
	make_new "$serve"
	begin
	running=60 timeout=90
	tell "$(swap_line)"$'\nrevert\nbeat'
	sleep 0.3
	tell beat
	until [ "${heard-}" = 'swap reverted' ]; do hear; done
	as_before
	finish
}

test_revert_by_end() {
	make_old
	make_new "$serve"
	begin
	to_ready
	tell end
	expect 'swap reverted' bye
	gone
	as_before
	check lock_free
}

test_revert_by_end_of_input() {
	make_old
	make_new "$serve"
	begin
	to_ready
	hang_up
	await lock_free
	as_before
	await fails test -e "/proc/${pid[1]}"
}

test_revert_by_silence() {
	local begun
	make_old
	make_new "$serve"
	begin SHIPIT_SILENCE=2
	swap
	stop_heart
	for beats in 1 2 3 4 5 6; do
		sleep 0.5
		tell beat
	done
	begun=$EPOCHREALTIME
	expect 'swap stopping' 'swap starting' 'swap started' 'swap ready' 'swap reverted'
	check below 1.9 "$(minus "$at" "$begun")"
	check below "$(minus "$at" "$begun")" 10
	gone
	as_before
	check lock_free
}

test_commit_then_end_of_input() {
	make_old
	make_new "$serve"
	begin
	to_ready
	tell commit
	hang_up
	await lock_free
	took_over
}

test_first_deploy() {
	make_new "$serve"
	begin
	to_ready
	tell commit
	expect 'swap committed'
	took_over
	finish
}

test_first_deploy_fails() {
	make_new 'exit 7'
	begin
	running=1
	swap
	expect 'swap starting' 'swap started' 'swap failed ready exited 7' 'swap reverted'
	as_before
	finish
}

test_old_one_that_did_not_run() {
	oldpolicy=unless-stopped
	for verdict in revert commit; do
		make_old
		$on docker stop -t 1 "$old" >/dev/null
		oldruns=0
		make_new "$serve"
		begin
		to_ready
		is "$(state "$old")" '/t.e.web false unless-stopped'
		tell $verdict
		expect "swap *ed"
		if [ $verdict = commit ]; then took_over; else as_before; fi
		finish
		remove_containers
	done
}

# --- new ones that do not work

soon_after() { # TIME: the old one serves again; 2 s is the aim, on a machine that has nothing else to do
	minus "$(started_at "$old")" "$1" >"$tmp/after"
	check below "$(cat "$tmp/after")" 30
	echo "old one back after $(cat "$tmp/after") s" >"$tmp/note"
}

test_exits_at_once() {
	local verdict
	make_old
	make_new 'exit 3'
	begin
	running=5
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap failed ready exited 3'
	verdict=$at
	expect 'swap reverted'
	as_before
	soon_after "$verdict"
	finish
}

test_exits_later() {
	make_old
	make_new 'sleep 3; exit 4'
	begin
	running=60 timeout=90
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap waiting running -' 'swap failed ready exited 4' 'swap reverted'
	as_before
	finish
}

test_exits_while_it_waits_for_commit() {
	make_old
	make_new 'sleep 1; exit 5'
	begin
	to_ready
	expect 'swap failed ready exited 5' 'swap reverted'
	tell commit
	expect 'swap reverted'
	as_before
	finish
}

test_ends_before_commit() { # after the last look at it: with no policy yet, nothing would start it again
	local swapping
	begin
	for overlap in 0 1; do
		make_old
		make_new "$serve"
		to_ready
		swapping=$(swap_process)
		kill -STOP "$swapping"
		$on docker kill "$new" >/dev/null
		tell commit
		await is_told "$swapping"
		kill -CONT "$swapping"
		expect 'swap failed commit *'
		check grep -q 'the new one exited 137' <<<"$text"
		expect 'swap reverted'
		as_before
		remove_containers
	done
	finish
}

is_told() { # PID: USR1 has come, and waits to be taken
	local pending
	pending=$(awk '/^ShdPnd/ { print $2 }' "/proc/$1/status")
	[ $((16#$pending & 0x200)) != 0 ]
}

test_healthy() {
	make_old
	make_new "sleep 1; touch /well; $serve" --health-cmd 'test -e /well' --health-interval 300ms --health-retries 100
	begin
	healthy=1
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap waiting running starting' 'swap ready'
	tell commit
	expect 'swap committed'
	took_over
	finish
}

test_unhealthy() {
	local verdict
	make_old
	make_new "$stubborn" --health-cmd false --health-interval 1500ms --health-retries 2
	begin
	healthy=1
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap waiting running starting' 'swap failed ready unhealthy'
	verdict=$at
	expect 'swap reverted'
	as_before
	soon_after "$verdict"
	finish
}

test_never_healthy() {
	make_old
	make_new "$serve" --health-cmd false --health-interval 60s
	begin
	healthy=1 timeout=2
	swap
	expect 'swap stopping' 'swap starting' 'swap started' 'swap waiting running starting' \
		'swap failed ready not healthy after 2 s' 'swap reverted'
	as_before
	finish
}

test_start_fails() { # what the engine finds out only then
	local port option
	begin
	for option in '--publish PORT:80' '--network gone' '--device /dev/gone'; do
		make_old
		port=$(free_port)
		take_port "$port"
		$on docker network create gone >/dev/null
		# shellcheck disable=SC2086 # two words
		make_new "$serve" ${option/PORT/$port}
		$on docker network rm gone >/dev/null
		swap
		expect 'swap stopping' 'swap starting' 'swap failed start *'
		local verdict=$at
		check grep -Eq "address already in use|network .* not found|/dev/gone" <<<"$text"
		expect 'swap reverted'
		as_before
		soon_after "$verdict"
		remove_containers
	done
	finish
}

test_old_one_cannot_come_back() {
	local port
	port=$(free_port)
	oldpolicy=unless-stopped
	make_old --publish "$port:80"
	make_new "$serve"
	begin
	to_ready
	take_port "$port"
	tell revert
	expect 'swap down'
	check grep -q 'address already in use' <<<"$text"
	is "$(state "$old")" '/t.e.web false always' # so that the engine tries again when it starts
	tell revert
	expect 'swap down'
	finish
}

test_old_one_comes_back_at_the_third_try() {
	local port
	port=$(free_port)
	make_old --publish "$port:80"
	make_new "$serve"
	begin
	to_ready
	take_port "$port"
	tell revert
	await old_start_failed
	kill "$thief"
	expect 'swap reverted'
	as_before
	finish
}

old_start_failed() {
	$on docker inspect -f '{{.State.Error}}' "$old" | grep -q 'already in use'
}

test_prepare_fails() { # and nothing happens to the old one
	local before
	oldpolicy=unless-stopped
	make_old
	before=$(started_at "$old")
	new=$(printf '0%.0s' {1..64})
	begin
	swap
	expect 'swap failed prepare *'
	check grep -q "No such" <<<"$text"
	expect 'swap reverted'
	is "$(state "$old")" '/t.e.web true unless-stopped'
	is "$(started_at "$old")" "$before"
	finish
}

test_commit_fails() { # a name that is taken, a policy that does not exist
	begin
	oldpolicy=unless-stopped
	for obstacle in t.e.web.r1 no_such_policy; do
		make_old
		make_new "$serve"
		policy=always
		case $obstacle in
		t.e.*) $on docker create --name $obstacle box true >/dev/null ;;
		*) policy=$obstacle ;;
		esac
		to_ready
		tell commit
		expect 'swap failed commit *'
		check grep -q "$obstacle" <<<"${text//invalid restart policy/no_such_policy}"
		expect 'swap reverted'
		as_before
		remove_containers
	done
	finish
}

test_new_one_that_will_not_stop() {
	make_old
	make_new "$stubborn"
	begin
	grace=3
	to_ready
	tell revert
	local asked=$EPOCHREALTIME
	expect 'swap reverted'
	check below 2.9 "$(minus "$at" "$asked")"
	as_before
	finish
}

# --- killed

test_main_killed() {
	make_old
	make_new "$serve"
	begin
	to_ready
	kill -KILL "${pid[1]}"
	expect 'swap reverted'
	await lock_free
	as_before
}

test_main_killed_without_swap() {
	begin
	kill -KILL "${pid[1]}"
	await lock_free
}

test_main_killed_during_stop() {
	script=$stubborn make_old
	make_new "$serve"
	begin
	grace=2
	swap
	expect 'swap stopping'
	kill -KILL "${pid[1]}"
	await lock_free
	as_before
}

test_swap_killed() {
	make_old
	make_new "$serve"
	begin
	grace=0
	to_ready
	kill -KILL "$(swap_process)"
	tell beat beat
	expect 'swap failed keeper *' 'swap reverted'
	as_before
	tell commit
	expect 'swap reverted'
	finish
}

test_swap_killed_during_stop() { # the engine goes on stopping the old one
	script=$stubborn make_old
	make_new "$serve"
	begin
	grace=2
	swap
	expect 'swap stopping'
	kill -KILL "$(swap_process)"
	tell beat
	expect 'swap failed keeper *'
	tell beat
	expect 'swap reverted'
	as_before
	finish
}

test_swap_killed_during_revert() {
	make_old
	make_new "$stubborn"
	begin
	grace=2
	to_ready
	tell revert
	kill -KILL "$(swap_process)"
	tell beat
	expect 'swap failed keeper *'
	kill -KILL "$(swap_process)"
	tell beat
	expect 'swap failed keeper *' 'swap reverted'
	as_before
	finish
}

test_terminated() { # by whom, does not matter: these signals are not for it
	make_old
	make_new "$serve"
	begin
	to_ready
	kill -TERM "${pid[1]}" "$(swap_process)"
	kill -HUP "${pid[1]}" "$(swap_process)"
	kill -INT "${pid[1]}" "$(swap_process)"
	kill -USR1 "${pid[1]}"
	tell 'path /etc' commit
	expect 'path yes /etc' 'swap committed'
	took_over
	finish
}

# --- the lock

test_lock_is_busy() {
	begin
	k=2
	start_keeper_as bob
	tell 'lock t.e bob@desk 2027-01-01T00:00:00Z' 'lock t.other bob@desk 2027-01-01T00:00:00Z' 'lock t.e b@c d'
	expect 'busy ann@laptop 2026-11-22T17:54:32Z' locked 'error lock'
	tell end
	expect bye
	gone
	start_keeper
	tell 'lock t.e ann@other 2027-01-01T00:00:00Z'
	expect 'busy ann@laptop 2026-11-22T17:54:32Z'
	k=1
	tell 'lock t.e ann@laptop 2026-11-22T17:54:32Z' # its own
	expect locked
	finish
	k=2
	tell 'lock t.e ann@other 2027-01-01T00:00:00Z'
	expect locked
	finish
}

test_lock_of_another_user() { # a file that root made, and labels that others left
	: >/run/lock/shipit.t.e
	echo 'root@laptop then' >/run/lock/shipit.t.e.by-0
	touch -d yesterday /run/lock/shipit.t.e.by-0
	start_keeper_as bob
	tell 'lock t.e bob@desk 2027-01-01T00:00:00Z'
	expect locked
	k=2
	start_keeper
	tell 'lock t.e ann@laptop now'
	expect 'busy bob@desk 2027-01-01T00:00:00Z'
}

test_labels_that_lie() {
	begin
	k=2
	start_keeper
	touch -d 2020-01-01 /run/lock/shipit.t.e.by-0
	head -c 100000 /dev/zero | tr '\0' x >/run/lock/shipit.t.e.by-77
	tell 'lock t.e a b'
	expect 'busy - -'
	printf 'a\033[31m b\n' >/run/lock/shipit.t.e.by-77
	tell 'lock t.e a b'
	expect 'busy - -'
	ln -sf /etc/passwd /run/lock/shipit.t.e.by-77
	tell 'lock t.e a b'
	expect 'busy - -'
	rm /run/lock/shipit.t.e.by-77
	mkfifo /run/lock/shipit.t.e.by-77
	tell 'lock t.e a b'
	expect 'busy - -'
	rm /run/lock/shipit.t.e.by-*
	tell 'lock t.e a b'
	expect 'busy - -'
}

test_lock_file_that_is_none() {
	ln -s /etc/passwd /run/lock/shipit.t.a
	mkfifo /run/lock/shipit.t.b
	start_keeper
	tell 'lock t.a a b' 'lock t.b a b' 'lock ../t a b' 'lock t.c a b'
	expect 'error lock' 'error lock' 'error lock' locked
}

test_lock_freed_after_kill() {
	begin
	kill -KILL "${pid[1]}"
	await lock_free
	check test -e /run/lock/shipit.t.e.by-0 # a label that nobody took away
	k=2
	start_keeper
	tell 'lock t.e bob@desk now'
	expect locked
	k=1
	is "$(cat /run/lock/shipit.t.e.by-0)" 'bob@desk now'
}

test_lock_not_held_by_children() { # as podman's conmon would, which outlives the command that starts it
	mkdir -p /tmp/engine
	cat >/tmp/engine/docker <<-'END'
		#!/bin/sh
		sleep 300 </dev/null >/dev/null 2>&1 &
		echo $! >>/tmp/engine/pids
		exec /usr/bin/docker "$@"
	END
	chmod +x /tmp/engine/docker
	make_old
	make_new "$serve"
	start_keeper
	tell 'engine 0 /tmp/engine/docker' 'lock t.e a b'
	expect 'engine /tmp/engine/docker /*' locked
	to_ready
	is "$(holders 5)" "$(sort -n <<<"${pid[1]}"$'\n'"$(swap_process)")"
	tell revert
	expect 'swap reverted'
	finish
	sort -u /tmp/engine/pids >>"$tmp/started"
}
