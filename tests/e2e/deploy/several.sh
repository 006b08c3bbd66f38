# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Several services on a host, which depend on each other.

trio() { # IMAGE-OF-ALL [COMMAND-OF-WEB]: web needs api, which needs db; written the other way round
	mkdir -p "$tmp/trio"
	cat >"$tmp/trio/shipit.yml" <<-END
		project: trio
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web: {image: "box:$1", depends_on: {api: {condition: service_healthy}}, ready: {running: 1s, timeout: 10s}, stop_grace_period: 1s${2:+, command: $2}}
		  api: {image: "box:$1", depends_on: [db], ready: {tcp: 80, running: 0s}, stop_grace_period: 1s, order: start-first}
		  db: {image: "box:$1", ready: {running: 1s}, stop_grace_period: 1s, restart: unless-stopped}
		hosts: {h1: {}, h2: {}}
		environments: {prod: {hosts: [h1, h2]}}
	END
}

trio_state() { # all that is there of it on a host, but when it was started
	on "$1" sh -c 'docker inspect -f "{{.Id}} {{.Name}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}} {{.Config.Labels}}" \
	    $(docker ps -aq --no-trunc --filter label=dev.shipit.prefix=trio.prod --filter label=dev.shipit.service | sort)'
}

test_several() {
	local before1 before2
	begin 'three services, in the order in which they depend on each other'
	trio v1
	shipit -f "$tmp/trio/shipit.yml" --json deploy prod
	want_code 0
	want_same 'the order on h1' 'db api web' "$(jq -r 'select(.host == "h1" and .step == "swap" and .state == "ok") | .service' "$tmp/out" | xargs)"

	begin 'the last one fails: the others go back, the last first, and the host is as before'
	trio v3
	shipit -f "$tmp/trio/shipit.yml" deploy prod
	want_code 0
	before1=$(trio_state h1) before2=$(trio_state h2)
	trio v2 '["/busybox", "sh", "-c", "/busybox sleep 0.5; exit 3"]'
	shipit -f "$tmp/trio/shipit.yml" --json deploy prod
	want_code 1
	want_same 'the order of going back on h1' 'api db' "$(jq -r 'select(.host == "h1" and .step == "commit" and .state == "reverted") | .service' "$tmp/out" | xargs)"
	want_same 'h1' "$before1" "$(trio_state h1)"
	want_same 'h2' "$before2" "$(trio_state h2)"
	want_same 'running' '3 3' "$(grep -c ' true always\| true unless' <<<"$before1") $(trio_state h2 | grep -c ' true ')"

	begin 'a rollback after that takes back the rollout before, of all three'
	shipit -f "$tmp/trio/shipit.yml" rollback prod
	want_code 0
	for h in h1 h2; do
		for s in db api web; do
			want_same "$s on $h" v1 "$(on $h docker exec trio.prod.$s /busybox cat /www/index.html)"
		done
	done

	begin 'and then it works, also with one host at work at a time'
	trio v2
	limit=120 shipit -f "$tmp/trio/shipit.yml" deploy prod --parallel 1
	want_code 0
	for h in h1 h2; do
		want_same "web on $h" v2 "$(on $h docker exec trio.prod.web /busybox cat /www/index.html)"
	done
	shipit -f "$tmp/trio/shipit.yml" deploy prod
	want_code 0
	want_out unchanged
	for h in h1 h2; do on $h sh -c 'docker rm -f trio.prod.web trio.prod.api trio.prod.db' >/dev/null; done
}
