#!/bin/bash
# Compose's keys: containers that shipit makes beside those that docker-compose makes from the same service,
# by the engine's inspect. Each case is one key, or a few that go together; every key that docs/compose.md calls
# honoured has one.
#
#   compose_test.sh [check|soak [TEXT]]      check: every third case; TEXT: those with it in their names
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

# What a case is called, how it is looked at, its keys; a line each, to the empty line. "TOP KEY" is a key of the file, and
# not of the service. How:
#
#   -             as docker-compose 1.29 has it
#   said          likewise, with what has a default of shipit's
#   created       likewise, and no container is started: a lab has no such device
#   spec          as the lines "WANT PATH JSON" say, by today's specification: 1.29 does not know it, or does otherwise
#   refused TEXT  before anything is changed
#
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

		ports, expose
		-
		command: [/busybox, sleep, "1000"]
		ports: ["8080:80", "127.0.0.1:8081:81/udp", "9000"]
		expose: ["80", "3000", "5000-5002", "53/udp"]

		ports, long
		-
		command: [/busybox, sleep, "1000"]
		ports: [{target: 80, published: 8080, protocol: udp, mode: host}]

		ports with an address, long
		spec
		WANT HostConfig/PortBindings {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
		command: [/busybox, sleep, "1000"]
		ports: [{target: 80, published: 8080, host_ip: 127.0.0.1}]

		labels, label_file
		spec
		WANT Config/Labels/a "over the file"
		WANT Config/Labels/b "of the file"
		command: [/busybox, sleep, "1000"]
		labels: {a: over the file}
		label_file: web.env

		env_file
		-
		command: [/busybox, sleep, "1000"]
		environment: {a: over the file}
		env_file: [web.env]

		env_file, long
		spec
		WANT Config/Env/0 "a=in the file"
		WANT Config/Env/1 "b=of the file"
		command: [/busybox, sleep, "1000"]
		env_file: [{path: web.env, required: true}, {path: none.env, required: false}]

		volumes, tmpfs
		-
		command: [/busybox, sleep, "1000"]
		volumes: ["data:/data", "/etc/hostname:/named:ro", "/anonymous"]
		tmpfs: [/run, "/tmp:size=64m"]

		volumes with modes
		created
		command: [/busybox, sleep, "1000"]
		volumes: ["data:/data:nocopy", "/etc:/named:ro,rslave"]

		volumes, long
		created
		command: [/busybox, sleep, "1000"]
		volumes: [{type: volume, source: data, target: /data, read_only: true, volume: {nocopy: true}}, {type: bind, source: /etc, target: /named, bind: {propagation: rslave}}, {type: tmpfs, target: /mem, tmpfs: {size: 1048576}}]

		volumes, long, as only today's specification has them
		spec
		WANT HostConfig/Binds ["/etc:/etc2:rw,z"]
		WANT HostConfig/Mounts/1 {"Type": "bind", "Source": "/usr", "Target": "/usr2"}
		WANT HostConfig/Mounts/0 {"Type": "tmpfs", "Target": "/mem", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 488}}
		command: [/busybox, sleep, "1000"]
		volumes: [{type: bind, source: /etc, target: /etc2, bind: {selinux: z}}, {type: bind, source: /usr, target: /usr2, bind: {create_host_path: false}}, {type: tmpfs, target: /mem, tmpfs: {size: 1m, mode: 0750}}]

		volumes, create_host_path of what is not there
		refused bind source path does not exist
		command: [/busybox, sleep, "1000"]
		volumes: [{type: bind, source: /nowhere, target: /named, bind: {create_host_path: false}}]

		volumes, subpath with an engine that has none
		refused `subpath` of web takes an engine with API 1.45 (Docker 26), this host's speaks 1.41
		command: [/busybox, sleep, "1000"]
		volumes: [{type: volume, source: data, target: /data, volume: {subpath: shop}}]

		named volumes
		-
		command: [/busybox, sleep, "1000"]
		volumes: ["made:/data", "called:/called"]
		TOP volumes: {made: {driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: size=1m}, labels: {team: shop}}, called: {name: case_other_called}}

		a volume that is there
		-
		command: [/busybox, sleep, "1000"]
		volumes: ["old:/data"]
		TOP volumes: {old: {external: true, name: there}}

		networks
		-
		command: [/busybox, sleep, "1000"]
		networks: [front, back]
		TOP networks: {front: {driver: bridge, driver_opts: {com.docker.network.driver.mtu: "1400"}, attachable: true, labels: {team: shop}}, back: {internal: true, name: case_other_back}}

		networks with addresses
		-
		command: [/busybox, sleep, "1000"]
		networks: {front: {aliases: [www, shop], ipv4_address: 10.99.7.9, ipv6_address: "2001:db8:7::9", link_local_ips: [169.254.8.8], priority: 10}, back: {priority: 1}}
		TOP networks: {front: {enable_ipv6: true, ipam: {driver: default, options: {com.example.note: "1"}, config: [{subnet: 10.99.7.0/24, gateway: 10.99.7.1, ip_range: 10.99.7.128/25, aux_addresses: {printer: 10.99.7.7}}, {subnet: "2001:db8:7::/64"}]}}, back: {}}

		a network that is there
		-
		command: [/busybox, sleep, "1000"]
		networks: [old]
		TOP networks: {old: {external: true, name: there}}

		driver_opts of a service's network
		spec
		WANT NetworkSettings/Networks/case.prod.front/DriverOpts {"com.example.speed": "10"}
		command: [/busybox, sleep, "1000"]
		networks: {front: {driver_opts: {com.example.speed: "10"}}}

		mac_address
		-
		command: [/busybox, sleep, "1000"]
		mac_address: 02:42:ac:11:00:77

		mac_address of a network, with an engine that has none
		refused `mac_address` of web takes an engine with API 1.44 (Docker 25), this host's speaks 1.41
		command: [/busybox, sleep, "1000"]
		networks: {front: {mac_address: "02:42:ac:11:00:77"}}

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

		processors, in real time
		created
		command: [/busybox, sleep, "1000"]
		cpu_rt_period: 1400us
		cpu_rt_runtime: 400us

		deploy.resources
		spec
		WANT HostConfig/NanoCpus 500000000
		WANT HostConfig/Memory 67108864
		WANT HostConfig/MemoryReservation 33554432
		WANT HostConfig/PidsLimit 50
		command: [/busybox, sleep, "1000"]
		deploy: {resources: {limits: {cpus: "0.5", memory: 64M, pids: 50}, reservations: {cpus: "0.25", memory: 32M}}}

		deploy.resources, devices
		spec created
		WANT HostConfig/DeviceRequests [{"Driver": "nvidia", "Count": 2, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": {"a": "b"}}]
		command: [/busybox, sleep, "1000"]
		deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 2, capabilities: [gpu], options: {a: b}}]}}}

		gpus
		spec created
		WANT HostConfig/DeviceRequests [{"Driver": "", "Count": 0, "DeviceIDs": ["0"], "Capabilities": [["gpu", "utility"]], "Options": null}]
		command: [/busybox, sleep, "1000"]
		gpus: [{device_ids: ["0"], capabilities: [utility]}]

		blkio_config
		created
		command: [/busybox, sleep, "1000"]
		blkio_config: {weight: 300, weight_device: [{path: /dev/null, weight: 400}], device_read_bps: [{path: /dev/null, rate: 12mb}], device_read_iops: [{path: /dev/null, rate: 120}], device_write_bps: [{path: /dev/null, rate: 1024k}], device_write_iops: [{path: /dev/null, rate: 30}]}

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

		privileged
		created
		command: [/busybox, sleep, "1000"]
		privileged: true

		annotations, with an engine that has none
		refused `annotations` of web takes an engine with API 1.43 (Docker 24), this host's speaks 1.41
		command: [/busybox, sleep, "1000"]
		annotations: {com.example.note: "1"}

		platform
		-
		command: [/busybox, sleep, "1000"]
		platform: linux/PLATFORM

		platform of other hosts
		refused web is for linux/s390x (`platform`), this host is linux/PLATFORM
		command: [/busybox, sleep, "1000"]
		platform: linux/s390x

		pull_policy
		spec
		WANT State/Running true
		command: [/busybox, sleep, "1000"]
		pull_policy: missing

		storage_opt, which no lab can have: its engine says no to it
		refused storage
		command: [/busybox, sleep, "1000"]
		storage_opt: {size: 10M}

		device_cgroup_rules
		-
		command: [/busybox, sleep, "1000"]
		device_cgroup_rules: ["c 1:3 mr", "a 7:* rmw"]

		devices, long
		spec
		WANT HostConfig/Devices [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mynull", "CgroupPermissions": "rw"}]
		command: [/busybox, sleep, "1000"]
		devices: [{source: /dev/null, target: /dev/mynull, permissions: rw}]

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

		uts, cgroup
		spec
		WANT HostConfig/UTSMode "host"
		WANT HostConfig/CgroupnsMode "host"
		command: [/busybox, sleep, "1000"]
		uts: host
		cgroup: host

		cgroup_parent, runtime
		-
		command: [/busybox, sleep, "1000"]
		cgroup_parent: /shop
		runtime: runc

		pid, ipc, userns_mode
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

		healthcheck, start_interval with an engine that has none
		refused `start_interval` of web takes an engine with API 1.44 (Docker 25), this host's speaks 1.41
		command: [/busybox, sleep, "1000"]
		healthcheck: {test: ["CMD", "/busybox", "true"], start_interval: 1s}

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

# Two defaults are shipit's own (docs/inventory.md): restart, and the rotation of logs.
defaults='HostConfig.RestartPolicy HostConfig.LogConfig'

# One service in both tools' files.
write_case() { # KEYS
	local keys top
	keys=$(grep -vE '^(TOP|WANT) ' <<<"$1" | sed "s/PLATFORM/$platform/")
	top=$(sed -n 's/^TOP //p' <<<"$1")
	rm -rf "$tmp/case"
	mkdir -p "$tmp/case"
	printf 'a=in the file\nb=of the file\n' >"$tmp/case/web.env"
	{
		printf 'version: "2.4"\nservices:\n  web:\n    image: box:v1\n'
		printf '%s\n' "$keys" | sed 's/^/    /'
		! grep -q 'data:/data\|source: data' <<<"$1" || printf 'volumes: {data: {}}\n'
		printf '%s\n' "$top"
	} >"$tmp/case/docker-compose.yml"
	{
		printf 'project: case\nssh: {config: %s}\nservices:\n  web:\n    image: box:v1\n    ready: {running: 0s}\n' "$LAB_SSH_CONFIG"
		grep -q stop_grace_period <<<"$1" || printf '    stop_grace_period: 10s\n'
		printf '%s\n' "$keys" | sed 's/^/    /'
		printf 'hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\n%s\n' "$top"
	} >"$tmp/case/shipit.yml"
}

# The specification has no version; what stands there says which of 1.29's two readings it is.
by_compose() { # up-OPTION...
	tar -C "$tmp/case" -c docker-compose.yml web.env | on h1 sh -c 'mkdir -p /run/case && tar -C /run/case -x && cd /run/case &&
	    docker-compose --ansi never up "$@" --no-build 2>&1 && docker inspect case_web_1 >/run/inspect.json &&
	    docker network inspect $(docker network ls -q --filter label=com.docker.compose.project=case) >/run/networks.json 2>/dev/null
	    docker volume inspect $(docker volume ls -q --filter label=com.docker.compose.project=case) >/run/volumes.json 2>/dev/null
	    docker inspect case_web_1 >/dev/null 2>&1; code=$?
	    docker-compose --ansi never kill >/dev/null 2>&1; docker-compose --ansi never down -v >/dev/null 2>&1; exit $code' sh "$@" >"$tmp/out" 2>&1 || return 1
	on h1 cat /run/inspect.json >"$tmp/theirs.json"
	on h1 cat /run/networks.json >"$tmp/networks.theirs.json"
	on h1 cat /run/volumes.json >"$tmp/volumes.theirs.json"
}

ours_is() { # CONTAINER
	local of=label=dev.shipit.prefix=case.prod
	on h1 docker inspect "$1" >"$tmp/ours.json"
	on h1 sh -c 'docker network inspect $(docker network ls -q --filter '"$of"') 2>/dev/null || :' >"$tmp/networks.ours.json"
	on h1 sh -c 'docker volume inspect $(docker volume ls -q --filter '"$of"') 2>/dev/null || :' >"$tmp/volumes.ours.json"
}

# Away with all of it: the next case makes its own networks and volumes.
clear_case() {
	on h1 sh -c 'docker ps -aq --filter label=dev.shipit.prefix=case.prod | xargs -r docker rm -fv
	    docker network ls -q --filter label=dev.shipit.prefix=case.prod | xargs -r docker network rm
	    docker volume ls -q --filter label=dev.shipit.prefix=case.prod | xargs -r docker volume rm' >/dev/null 2>&1
}

by_shipit() {
	shipit -f "$tmp/case/shipit.yml" deploy prod
	[ "$code" = 0 ] && ours_is case.prod.web
}

# Only as far as the container is made.
made_by_shipit() {
	local pid id=
	SHIPIT_STOP_AT=create:ok "$SHIPIT" -f "$tmp/case/shipit.yml" deploy prod >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	for _ in $(seq 100); do
		id=$(on h1 docker ps -aq --filter label=dev.shipit.service=web --filter status=created)
		[ -z "$id" ] || [ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" != T ] || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -n "$id" ] && ours_is "$id"
	code=$?
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return "$code"
}

refused() { # TEXT
	shipit -f "$tmp/case/shipit.yml" deploy prod
	[ "$code" != 0 ] || { wrong 'shipit deploys it'; return; }
	grep -qF -- "$1" "$tmp/out" || wrong "it does not say: $1"
	[ -z "$(on h1 docker ps -aq --filter label=dev.shipit.service=web)" ] || wrong 'a container is left'
}

same() { # ARGUMENT...
	"$root/tests/e2e/compose/same.py" "$@" >"$tmp/out" 2>&1 || wrong "$(cat "$tmp/out")"
}

compare() { # NAME HOW KEYS
	local ignored=$defaults up='-d' make=by_shipit
	begin "$1"
	write_case "$3"
	case "$2" in
	refused*)
		refused "$(sed "s/^refused //; s/PLATFORM/$platform/" <<<"$2")"
		clear_case
		return
		;;
	said) ignored= ;;
	esac
	case "$2" in *created*) up='--no-start' make=made_by_shipit ;; esac
	"$make" || { wrong 'shipit does not deploy it'; clear_case; return; }
	clear_case
	case "$2" in
	spec*)
		same --want "$tmp/ours.json" < <(sed -n 's/^WANT //p' <<<"$3")
		return
		;;
	esac
	by_compose "$up" || { wrong 'docker-compose does not take it'; return; }
	# shellcheck disable=SC2086 # words
	same "$tmp/theirs.json" "$tmp/ours.json" $ignored
	same --kind network "$tmp/networks.theirs.json" "$tmp/networks.ours.json"
	same --kind volume "$tmp/volumes.theirs.json" "$tmp/volumes.ours.json"
}

# --- every key that is honoured has a case

# Looked at elsewhere: `build` by deploy_test.sh, readiness and order as well, secrets by deploy_test.sh secrets.
elsewhere='build depends_on image secrets services condition context file environment'

has_cases() {
	local section='' key line
	cases >"$tmp/cases"
	while read -r line; do
		case $line in
		'### '*) section=${line#'### '} ;;
		'| `'*'` | honoured |'*)
			key=${line#'| `'}
			key=${key%%'`'*}
			case $section in '`build`' | 'A secret' | 'A secret of a service') continue ;; esac
			case " $elsewhere " in *" $key "*) continue ;; esac
			grep -qE "(^|[[:space:]{,])$key:" "$tmp/cases" || wrong "no case has \`$key\` of: $section"
			;;
		esac
	done <"$root/docs/compose.md"
}

begin 'every honoured key has a case'
has_cases

every=1 n=0 only=${2-}
[ "${1-soak}" != check ] || every=3
lab_up 1
make_box v1 || exit 1
docker save box:v1 | on h1 docker load >"$tmp/out" 2>&1 || exit 1
on h1 sh -c 'docker network create there && docker volume create there' >/dev/null
platform=$(docker image inspect -f '{{.Architecture}}' box:v1)
while read -r name && read -r how; do
	keys=
	while IFS= read -r line && [ -n "$line" ]; do keys="$keys$line
"; done
	[[ $name == *"$only"* ]] || continue
	[ $((n++ % every)) != 0 ] || compare "$name" "$how" "${keys%
}" 0</dev/null
done < <(cases)

# --- networks and volumes that are there already

write_made() { # NETWORK-DEFINITION WORD
	cat >"$tmp/case/shipit.yml" <<-END
		project: case
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    image: box:v1
		    command: [/busybox, sleep, "$2"]
		    ready: {running: 0s}
		    networks: {front: {aliases: [www], ipv4_address: 10.98.7.9}}
		    volumes: ["data:/data"]
		networks: {front: $1}
		volumes: {data: {labels: {team: shop}}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
}

front_is() { # FORMAT VALUE
	local is
	is=$(on h1 docker network inspect -f "$1" case.prod.front 2>&1)
	[ "$is" = "$2" ] || wrong "$1 of the network is $is, and not $2"
}

pool='ipam: {config: [{subnet: 10.98.7.0/24}]}'
web() { on h1 docker inspect -f "$1" case.prod.web; }

begin 'a network is made as the file says'
mkdir -p "$tmp/case"
write_made "{attachable: true, internal: true, labels: {team: shop}, $pool}" 1000
shipit -f "$tmp/case/shipit.yml" deploy prod
want_code 0
front_is '{{.Attachable}} {{.Internal}} {{.Labels.team}} {{(index .IPAM.Config 0).Subnet}}' 'true true shop 10.98.7.0/24'
front_is '{{index .Labels "dev.shipit.prefix"}}' case.prod
[ "$(on h1 docker volume inspect -f '{{.Labels.team}} {{index .Labels "dev.shipit.prefix"}}' case.prod.data)" = 'shop case.prod' ] ||
    wrong 'the volume has other labels'
first=$(web '{{.Id}}')

begin 'one that is there and differs is told, where nothing else changes'
write_made "{attachable: true, labels: {team: other}, $pool}" 1000
shipit -f "$tmp/case/shipit.yml" deploy prod
want_code 0
want_out 'the network case.prod.front stays as it is: its internal is true, and the file says false' 'its label team is shop, and the file says other'
[ "$(web '{{.Id}}')" = "$first" ] || wrong 'the container was replaced'

begin 'and a new container is not put into it'
write_made "{attachable: true, $pool}" 1001
shipit -f "$tmp/case/shipit.yml" deploy prod
[ "$code" != 0 ] || wrong 'shipit deploys it'
want_out 'the network case.prod.front, which web wants, is there and is another one: its internal is true, and the file says false'
[ "$(web '{{.Id}} {{.State.Running}}')" = "$first true" ] || wrong 'the old container does not go on'
front_is '{{.Internal}}' true

begin 'a rollback makes the network again as it was'
write_made "{attachable: true, internal: true, labels: {team: shop}, $pool}" 1002
shipit -f "$tmp/case/shipit.yml" deploy prod
want_code 0
second=$(web '{{.Id}}')
on h1 docker rm -f "$first" "$second" >/dev/null
on h1 docker network rm case.prod.front >/dev/null
write_made "{$pool}" 1003
shipit -f "$tmp/case/shipit.yml" rollback prod
want_code 0
front_is '{{.Attachable}} {{.Internal}} {{.Labels.team}}' 'true true shop'
[ "$(web '{{index .Config.Cmd 2}} {{(index .NetworkSettings.Networks "case.prod.front").IPAMConfig.IPv4Address}}')" = '1000 10.98.7.9' ] ||
    wrong "it is another container: $(web '{{.Config.Cmd}}')"

begin 'down takes away what it made'
shipit -f "$tmp/case/shipit.yml" down prod --yes
want_code 0
! on h1 docker network inspect case.prod.front >/dev/null 2>&1 || wrong 'the network is still there'
on h1 docker volume inspect case.prod.data >/dev/null 2>&1 || wrong 'the volume is gone'

totals
