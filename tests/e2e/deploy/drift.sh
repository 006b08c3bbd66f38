# shellcheck shell=bash disable=SC2154,SC2034
# What somebody did to the containers by hand: status says so, a deploy mends it.

drift() { # ARG...
	shipit -f "$tmp/drift/shipit.yml" "$@"
}

with_web() { # IMAGE [LINE...]
	local image=$1
	shift
	hosts=h1 project=drift write_inventory "$tmp/drift/shipit.yml" "box:$image" 'ports: ["8098:80"]' "$@"
}

test_drift() {
	local image id release
	with_web v1
	drift deploy prod
	image=$(inspect h1 '{{.Image}}' drift.prod.web)
	with_web v2
	drift deploy prod

	begin 'drift: docker rm -f is seen, and mended'
	drift status prod
	want_code 0
	want_not_out drift:
	on h1 docker rm -f drift.prod.web >/dev/null
	drift status prod
	want_code 0
	want_out absent 'drift:' 'its container is gone'
	drift status prod --json
	want_out '"drift":true'
	drift deploy prod
	want_code 0
	want_body h1 v2 8098
	drift status prod
	want_not_out drift:

	begin 'drift: docker run of another version is seen, replaced and kept'
	on h1 docker rm -f drift.prod.web >/dev/null
	on h1 docker run -d --name drift.prod.web --restart unless-stopped -p 8098:80 "$image" >/dev/null || wrong 'no docker run'
	id=$(inspect h1 '{{.Id}}' drift.prod.web)
	want_body h1 v1 8098
	drift status prod
	want_code 0
	want_out 'drift:' 'was run by hand'
	drift deploy prod
	want_code 0
	want_body h1 v2 8098
	want_same 'what was run by hand' 'exited no' "$(inspect h1 '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' "$id")"
	drift status prod
	want_not_out drift:

	begin 'drift: a rollback returns to it, with the restart policy that it had'
	drift rollback prod
	want_code 0
	want_same 'the container' "$id unless-stopped" "$(inspect h1 '{{.Id}} {{.HostConfig.RestartPolicy.Name}}' drift.prod.web)"
	want_body h1 v1 8098

	begin 'drift: a release that fails leaves it serving'
	with_web v2 'command: [/busybox, "false"]'
	drift deploy prod
	want_code 1
	want_body h1 v1 8098
	want_same 'the container' "$id unless-stopped" "$(inspect h1 '{{.Id}} {{.HostConfig.RestartPolicy.Name}}' drift.prod.web)"
	with_web v2 'retain: 1'
	drift deploy prod
	want_code 0
	want_same 'nobody removes it' exited "$(inspect h1 '{{.State.Status}}' "$id")"
	on h1 docker rm -f drift.prod.web "$id" >/dev/null
}

test_adopt() {
	local id image
	with_web v1
	drift deploy prod
	image=$(inspect h1 '{{.Image}}' drift.prod.web)
	on h1 docker rm -f drift.prod.web >/dev/null
	begin 'a port that a hand-run container holds: the error names the way out'
	id=$(on h1 docker run -d --name compose_web_1 --restart always -p 8099:80 "$image")
	hosts=h1 project=adopted write_inventory "$tmp/adopt/shipit.yml" box:v3 'ports: ["8099:80"]'
	shipit -f "$tmp/adopt/shipit.yml" deploy prod
	want_code 1
	want_out 'port 8099' 'compose_web_1' 'shipit deploy --adopt'
	want_same 'it' true "$(inspect h1 '{{.State.Running}}' "$id")"

	begin '--adopt takes its place, and rollback gives it back'
	shipit -f "$tmp/adopt/shipit.yml" deploy prod --adopt --dry-run
	want_out 'compose_web_1 is adopted'
	want_same 'its name' /compose_web_1 "$(inspect h1 '{{.Name}}' "$id")"
	shipit -f "$tmp/adopt/shipit.yml" deploy prod --adopt
	want_code 0
	want_body h1 v3 8099
	want_same 'it' exited "$(inspect h1 '{{.State.Status}}' "$id")"
	shipit -f "$tmp/adopt/shipit.yml" rollback prod
	want_code 0
	want_same 'it' "$id true always" "$(inspect h1 '{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' adopted.prod.web)"
	on h1 docker rm -f "$id" >/dev/null
}
