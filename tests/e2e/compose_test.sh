#!/bin/bash
# Compose's keys: containers that shipit makes beside those that docker-compose makes from the same service,
# by the engine's inspect. Each case is one key, or a few that go together.
#
#   compose_test.sh [check|soak]      check: every third case
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

# Two defaults are shipit's own (docs/inventory.md): restart, and the rotation of logs.
defaults='HostConfig.RestartPolicy HostConfig.LogConfig'

# What a case is called, what it ignores, its keys; a line each, the keys to the empty line. `privileged` is
# not among them: a lab may not have what it asks for.
cases() {
	cat <<-'END'
		command, entrypoint, user, working_dir
		-
		command: [/busybox, sleep, "1000"]
		user: "1000:1000"
		working_dir: /www

		command as a text, entrypoint as a list
		-
		entrypoint: [/busybox, sleep]
		command: "'1000'"

		environment, as a mapping and with odd values
		-
		command: [/busybox, sleep, "1000"]
		environment: {A: b, EMPTY: "", SPACED: "a b", NUMBER: 1, WORD: "yes", DOLLAR: "$$x"}

		hostname, domainname, extra_hosts
		-
		command: [/busybox, sleep, "1000"]
		hostname: shop
		domainname: example.com
		extra_hosts: ["db:10.0.0.9", "other:10.0.0.10"]

		dns, dns_search, dns_opt
		-
		command: [/busybox, sleep, "1000"]
		dns: [10.0.0.2, 10.0.0.3]
		dns_search: example.com
		dns_opt: ["ndots:2"]

		ports
		-
		command: [/busybox, sleep, "1000"]
		ports: ["8080:80", "127.0.0.1:8081:81/udp", "9000"]
		expose: [80]

		volumes, tmpfs
		-
		command: [/busybox, sleep, "1000"]
		volumes: ["data:/data", "/etc/hostname:/named:ro", "/anonymous"]
		tmpfs: [/run, "/tmp:size=64m"]

		memory
		-
		command: [/busybox, sleep, "1000"]
		mem_limit: 64m
		mem_reservation: 32m
		memswap_limit: 128m
		mem_swappiness: 10
		shm_size: 16m
		oom_kill_disable: true
		oom_score_adj: 100

		processors
		-
		command: [/busybox, sleep, "1000"]
		cpus: 0.5
		cpuset: "0"
		cpu_shares: 512

		processors, by quota
		-
		command: [/busybox, sleep, "1000"]
		cpu_period: 50000
		cpu_quota: 25000

		processes and limits
		-
		command: [/busybox, sleep, "1000"]
		pids_limit: 50
		ulimits: {nproc: 100, nofile: {soft: 1024, hard: 4096}}

		capabilities, security
		-
		command: [/busybox, sleep, "1000"]
		cap_add: [NET_ADMIN, SYS_TIME]
		cap_drop: [MKNOD]
		security_opt: ["no-new-privileges:true"]
		group_add: ["44"]
		read_only: true

		sysctls
		-
		command: [/busybox, sleep, "1000"]
		sysctls: {net.core.somaxconn: "1024"}

		devices
		-
		command: [/busybox, sleep, "1000"]
		devices: ["/dev/null:/dev/mynull:rw"]

		init, tty, stdin_open, stop_signal, stop_grace_period
		-
		command: [/busybox, sleep, "1000"]
		init: true
		tty: true
		stdin_open: true
		stop_signal: SIGINT
		stop_grace_period: 3s

		pid, ipc, uts, userns_mode
		-
		command: [/busybox, sleep, "1000"]
		pid: host
		ipc: host
		userns_mode: host

		network_mode host
		-
		command: [/busybox, sleep, "1000"]
		network_mode: host

		network_mode none
		-
		command: [/busybox, sleep, "1000"]
		network_mode: none

		healthcheck
		-
		command: [/busybox, sleep, "1000"]
		healthcheck: {test: ["CMD", "/busybox", "true"], interval: 1s, timeout: 2s, retries: 3, start_period: 1s}

		healthcheck, disabled
		-
		command: [/busybox, sleep, "1000"]
		healthcheck: {disable: true}

		logging and restart, where they are said
		said
		command: [/busybox, sleep, "1000"]
		logging: {driver: json-file, options: {max-size: 1m}}
		restart: unless-stopped

	END
}

# One service in both tools' files.
write_case() { # KEYS
	mkdir -p "$tmp/case"
	{
		printf 'version: "2.4"\nservices:\n  web:\n    image: box:v1\n'
		printf '%s\n' "$1" | sed 's/^/    /'
		! grep -q 'data:/data' <<<"$1" || printf 'volumes: {data: {}}\n'
	} >"$tmp/case/docker-compose.yml"
	{
		printf 'project: case\nssh: {config: %s}\nservices:\n  web:\n    image: box:v1\n    ready: {running: 0s}\n' "$LAB_SSH_CONFIG"
		grep -q stop_grace_period <<<"$1" || printf '    stop_grace_period: 10s\n'
		printf '%s\n' "$1" | sed 's/^/    /'
		printf 'hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n'
	} >"$tmp/case/shipit.yml"
}

by_compose() {
	tar -C "$tmp/case" -c docker-compose.yml | on h1 sh -c 'mkdir -p /run/case && tar -C /run/case -x && cd /run/case &&
	    docker-compose --ansi never up -d --no-build 2>&1 && docker inspect case_web_1 >/run/inspect.json; code=$?
	    docker-compose --ansi never kill >/dev/null 2>&1; docker-compose --ansi never down -v >/dev/null 2>&1; exit $code' >"$tmp/out" 2>&1 || return 1
	on h1 cat /run/inspect.json >"$tmp/theirs.json"
}

by_shipit() {
	shipit -f "$tmp/case/shipit.yml" deploy prod
	[ "$code" = 0 ] || return 1
	on h1 docker inspect case.prod.web >"$tmp/ours.json"
	on h1 docker rm -f case.prod.web >/dev/null
}

compare() { # NAME IGNORED KEYS
	local ignored=$defaults
	begin "$1"
	[ "$2" != said ] || ignored=
	write_case "$3"
	by_compose || { wrong 'docker-compose does not take it'; return; }
	by_shipit || { wrong 'shipit does not deploy it'; return; }
	# shellcheck disable=SC2086 # words
	"$root/tests/e2e/compose/same.py" "$tmp/theirs.json" "$tmp/ours.json" $ignored >"$tmp/out" 2>&1 || wrong "$(cat "$tmp/out")"
}

every=1 n=0
[ "${1-soak}" != check ] || every=3
lab_up 1
make_box v1 || exit 1
docker save box:v1 | on h1 docker load >"$tmp/out" 2>&1 || exit 1
while read -r name && read -r ignored; do
	keys=
	while IFS= read -r line && [ -n "$line" ]; do keys="$keys$line
"; done
	[ $((n++ % every)) != 0 ] || compare "$name" "$ignored" "${keys%
}" 0</dev/null
done < <(cases)
totals
