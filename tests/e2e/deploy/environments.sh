# shellcheck shell=bash disable=SC2154
# Two environments on one host: one builds on the other and differs in a service.

test_environments() {
	mkdir -p "$tmp/two"
	cat >"$tmp/two/shipit.yml" <<-END
		project: two
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    image: "box:\${VERSION}"
		    ready: {running: 1s, timeout: 20s}
		    stop_grace_period: 1s
		    environment: {TIER: web}
		    labels: {tier: web}
		hosts: {h1: {}}
		environments:
		  prod:
		    hosts: [h1]
		    environment: {VERSION: v1, LOG: warn}
		  staging:
		    extends: prod
		    environment: {VERSION: v2}
		    overrides:
		      web: {mem_limit: 64m, environment: {TIER: test}, labels: {extra: "1"}}
	END
	local what='{{.HostConfig.Memory}} {{index .Config.Labels "tier"}} {{index .Config.Labels "extra"}}'

	begin 'an environment that extends another, on the same host'
	shipit -f "$tmp/two/shipit.yml" deploy prod
	want_code 0
	shipit -f "$tmp/two/shipit.yml" deploy staging
	want_code 0
	want_same 'prod' '0 web ' "$(inspect h1 "$what" two.prod.web)"
	want_same 'staging' '67108864 web 1' "$(inspect h1 "$what" two.staging.web)"
	want_same 'the variables of prod' 'LOG=warn TIER=web VERSION=v1' \
		"$(on h1 docker exec two.prod.web /busybox env | grep -E '^(LOG|TIER|VERSION)=' | sort | xargs)"
	want_same 'the variables of staging' 'LOG=warn TIER=test VERSION=v2' \
		"$(on h1 docker exec two.staging.web /busybox env | grep -E '^(LOG|TIER|VERSION)=' | sort | xargs)"
	want_same 'the image of prod' v1 "$(on h1 docker exec two.prod.web /busybox cat /www/index.html)"
	want_same 'the image of staging' v2 "$(on h1 docker exec two.staging.web /busybox cat /www/index.html)"

	begin 'neither sees the other as drift, and a second deploy changes nothing'
	shipit -f "$tmp/two/shipit.yml" status
	want_code 0
	want_not_out drift: 'no longer'
	shipit -f "$tmp/two/shipit.yml" deploy staging
	want_code 0
	want_out unchanged
	on h1 docker rm -f two.prod.web two.staging.web >/dev/null
}
