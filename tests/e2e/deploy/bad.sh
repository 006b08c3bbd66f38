# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Releases that are bad, in every way that the inventory or the host can make them so.

# A bad release: exit 1, the old one serves, nothing is left of the new one. What facts can know is found
# before the old one is stopped: its start time stays.
bad_release() { # NAME BEFOREHAND TEXT... -- LINE...
	local name=$1 beforehand=$2 texts=() started
	shift 2
	while [ "$1" != -- ]; do texts+=("$1") && shift; done
	shift
	begin "a bad release: $name"
	started=$(inspect h1 '{{.State.StartedAt}}' bad.prod.web)
	project=bad write_inventory "$tmp/bad/shipit.yml" box:v2 "$@"
	[ -z "${networks-}" ] || printf '%s\n' "$networks" >>"$tmp/bad/shipit.yml"
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 1
	want_out "${texts[@]}"
	for h in h1 h2; do want_body $h v1 8082; done
	want_same 'containers' 1 "$(on h1 docker ps -aq --filter label=dev.shipit.prefix=bad.prod --filter label=dev.shipit.service | wc -l)"
	want_same 'policy of the old one' always "$(inspect h1 '{{.HostConfig.RestartPolicy.Name}}' bad.prod.web)"
	if [ "$beforehand" = beforehand ]; then
		want_same 'start of the old one' "$started" "$(inspect h1 '{{.State.StartedAt}}' bad.prod.web)"
	fi
}

test_bad_releases() {
	local hosts='h1 h2' networks='' ready=''
	begin 'a good release to start from'
	project=bad write_inventory "$tmp/bad/shipit.yml" box:v1 'ports: ["8082:80"]'
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 0

	bad_release 'it exits at once' swapped 'exited 7' 'line 25' -- 'ports: ["8082:80"]' \
	    'command: [/busybox, sh, -c, "i=0; while [ $$i -lt 25 ]; do i=$$((i+1)); echo line $$i; done; exit 7"]'
	want_out 'line 6'
	want_not_out 'line 5'
	bad_release 'it never becomes healthy' swapped 'unhealthy' -- 'ports: ["8082:80"]' \
	    'healthcheck: {test: [CMD, /busybox, "false"], interval: 1s, retries: 2}'
	ready='running: 1s, timeout: 4s'
	bad_release 'it is not healthy in time' swapped 'not healthy after 4 s' -- 'ports: ["8082:80"]' \
	    'healthcheck: {test: [CMD, /busybox, "false"], interval: 3s, retries: 20}' 'labels: {x: y}'
	ready=''
	bad_release 'its command does not exist' swapped '/no/such/thing' -- 'ports: ["8082:80"]' 'command: [/no/such/thing]'

	on h1 docker run -d --name squatter -p 8083:80 --entrypoint /busybox \
	    "$(inspect h1 '{{.Image}}' bad.prod.web)" sleep 1000 >/dev/null || wrong 'no squatter'
	bad_release 'its port is taken by a container' beforehand 'port 8083' 'squatter' -- 'ports: ["8082:80", "8083:80"]'
	on h1 docker rm -f squatter >/dev/null
	on h1 busybox nc -l -p 8084 >/dev/null 2>&1 &
	squatter=$!
	until_true 10 on h1 sh -c 'grep -q ":1F94 " /proc/net/tcp /proc/net/tcp6' || wrong 'nc does not listen'
	bad_release 'its port is taken by a program' beforehand 'port 8084' -- 'ports: ["8082:80", "8084:80"]'
	kill $squatter 2>/dev/null
	wait $squatter 2>/dev/null
	networks='networks: {nowhere: {external: true}}'
	bad_release 'its network does not exist' beforehand 'network nowhere' -- 'ports: ["8082:80"]' 'networks: [nowhere]'
	networks=''
	bad_release 'its device does not exist' beforehand '/dev/nowhere' -- 'ports: ["8082:80"]' 'devices: [/dev/nowhere]'

	begin 'a bad release: there is no such image'
	project=bad write_inventory "$tmp/bad/shipit.yml" box:nothere 'ports: ["8082:80"]'
	shipit -f "$tmp/bad/shipit.yml" deploy prod
	want_code 1
	want_out 'box:nothere'
	want_body h1 v1 8082
}
