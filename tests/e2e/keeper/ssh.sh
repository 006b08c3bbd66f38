# shellcheck shell=bash disable=SC2034,SC2154
# The cases that need a laptop: a session over SSH with a tunnel, and what becomes of it.

tunnel=23456

open_session() { # USER [OPTION...]
	local program=sh
	[ "$shell" != ash ] || program="env PATH=$applets:/usr/sbin:/usr/bin:/sbin:/bin sh"
	[ "$shell" != bash ] || program='bash --posix'
	[ -z "${silence-}" ] || program="env SHIPIT_SILENCE=$silence $program"
	open_keeper ssh -F "$LAB_SSH_CONFIG" -o ExitOnForwardFailure=yes -R "127.0.0.1:$tunnel:127.0.0.1:9" \
		"${@:2}" "$1@$host" "$program -c '$loader'"
}

begin_session() { # USER [OPTION...]: and a swap that waits for commit
	make_old
	make_new "$serve"
	open_session "$@"
	tell 'engine 0 docker' 'lock t.e ann@laptop 2026-11-22T17:54:32Z'
	expect 'engine * /var/run/docker.sock' locked
	check tunnel_open
	to_ready
}

tunnel_open() {
	in_host grep -q "0100007F:$(printf %04X $tunnel) 00000000:0000 0A" /proc/net/tcp
}

reverted() { # and nothing of the session is left
	await lock_free
	as_before
	await fails tunnel_open
	await fails in_host test -e "/proc/${pid[1]}"
}

listener() {
	in_host cat /run/sshd.pid
}

ssh_link_cut() { # the server learns nothing for hours
	local begun listener
	listener=$(listener)
	begin_session root
	begun=$EPOCHREALTIME
	"$lab" drop "$host"
	await fails tunnel_open
	check below "$(minus "$EPOCHREALTIME" "$begun")" 25
	reverted
	"$lab" undrop "$host"
	hang_up
	is "$(listener)" "$listener"
	ssh -F "$LAB_SSH_CONFIG" "$host" true </dev/null
}

ssh_laptop_frozen() {
	silence=4
	begin_session bob
	kill -STOP "${session[1]}"
	reverted
	kill -CONT "${session[1]}"
	expect 'swap reverted' || :
	gone
}

ssh_dropbear() { # whose process for a session is root's: it ends for root only
	local port=2022 main
	[ -n "$(command -v dropbear)" ] || skip 'there is no dropbear'
	in_host dropbearkey -t ed25519 -f /etc/ssh/dropbear_key >/dev/null
	in_host setsid --fork dropbear -F -r /etc/ssh/dropbear_key -p $port -P /run/dropbear.pid
	await in_host test -s /run/dropbear.pid
	main=$(in_host cat /run/dropbear.pid)
	silence=4
	begin_session root -p $port -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
	kill -STOP "${session[1]}"
	reverted
	check in_host test -e "/proc/$main"
	in_host kill "$main"
}

ssh_engine_restarts() { # and the revert waits for it
	begin_session bob
	"$lab" kill "$host" dockerd
	tell revert
	sleep 1
	"$lab" start "$host" dockerd
	until [ "${heard-}" = 'swap reverted' ]; do hear; done
	is "$(state "$old")" '/t.e.web true always'
	is "$(state "$new")" '/t.e.web.r2 false no'
}

ssh_client_killed() {
	local user
	for user in root bob; do
		begin_session $user
		kill -KILL "${session[1]}"
		hang_up
		reverted
		remove_containers
	done
}

ssh_keeper_killed() { # the laptop is told
	begin_session bob
	in_host kill -KILL "${pid[1]}"
	gone
	reverted
}

ssh_login_shells() { # that say things before and have words of their own
	local user
	noise_allowed=yes
	in_host sh -c '
		sed -i "1i echo hello from bash; echo @shipitx" /home/bob/.bashrc
		mkdir -p /home/fay/.config/fish
		echo "echo hello from fish" >/home/fay/.config/fish/config.fish
		echo "echo hello from tcsh" >/home/tim/.tcshrc
		chown -R fay: /home/fay; chown tim: /home/tim/.tcshrc'
	for user in bob fay tim; do
		open_session $user
		tell 'engine 0 docker' 'lock t.e a@b now' 'path /etc' end
		expect 'engine *' locked 'path yes /etc' bye
		gone
	done
	check grep -q 'hello from bash' "$tmp/log"
	check grep -q 'hello from fish' "$tmp/log"
	check grep -q 'hello from tcsh' "$tmp/log"
	in_host rm -rf /home/bob/.bashrc /home/fay/.config /home/tim/.tcshrc
}
