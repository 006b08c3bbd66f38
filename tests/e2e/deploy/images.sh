# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Where images come from, and who may have them on their way: files of other builders, several
# platforms, what the store knows already, strangers on a host, a registry that is not ours.

# Without the engine of this side.
shipit_alone() {
	DOCKER_HOST=unix:///nowhere/docker.sock shipit "$@"
}

test_files() {
	local hosts=h1 project=files
	begin 'images in files are deployed, without any engine on this side'
	mkdir -p "$tmp/files"
	docker save -o "$tmp/files/v1.tar" box:v1 || wrong 'no archive'
	skopeo copy -q docker-archive:"$tmp/files/v1.tar" "oci:$tmp/files/v1:web:1" || wrong 'no layout'
	docker save -o "$tmp/files/two.tar" box:v2 box:v3 || wrong 'no archive of two'
	write_inventory "$tmp/files/shipit.yml" oci:v1 'ports: ["8185:80"]'
	shipit_alone -f "$tmp/files/shipit.yml" deploy prod
	want_code 0
	want_body h1 v1 8185
	write_inventory "$tmp/files/shipit.yml" docker-archive:./two.tar:box:v2 'ports: ["8185:80"]'
	shipit_alone -f "$tmp/files/shipit.yml" deploy prod
	want_code 0
	want_body h1 v2 8185
	shipit_alone -f "$tmp/files/shipit.yml" rollback prod
	want_code 0
	want_body h1 v1 8185

	begin 'a dry run of an image in a file says what it would do, and imports nothing'
	write_inventory "$tmp/files/shipit.yml" oci:v1:web:1 'ports: ["8185:80"]'
	cp -r "$tmp/store" "$tmp/store.before"
	TMPDIR=$tmp/files SHIPIT_STORE=$tmp/files/store.db shipit_alone -f "$tmp/files/shipit.yml" deploy prod --dry-run
	want_code 0
	want_out 'web: unchanged'
	write_inventory "$tmp/files/shipit.yml" docker-archive:two.tar:box:v3 'ports: ["8185:80"]'
	TMPDIR=$tmp/files SHIPIT_STORE=$tmp/files/store.db shipit_alone -f "$tmp/files/shipit.yml" deploy prod --dry-run
	want_code 0
	want_out 'web: replace' 'docker run'
	want_same 'files' 'shipit.yml two.tar v1 v1.tar' "$(cd "$tmp/files" && echo *)"

	begin 'a file that is not there, or has no such image, ends it before a host is asked'
	write_inventory "$tmp/files/shipit.yml" oci:nowhere 'ports: ["8185:80"]'
	shipit_alone -f "$tmp/files/shipit.yml" deploy prod
	want_code 1
	want_out "oci:$tmp/files/nowhere"
	want_not_out h1:
	write_inventory "$tmp/files/shipit.yml" docker-archive:two.tar 'ports: ["8185:80"]'
	shipit_alone -f "$tmp/files/shipit.yml" deploy prod
	want_code 1
	want_out 'it has several images: box:v2, box:v3'
	want_body h1 v1 8185
}

test_platforms() {
	local hosts=h1 project=many started
	begin 'of an image for several platforms a host takes what fits it'
	mkdir -p "$tmp/many"
	skopeo copy -q --src-daemon-host "$DOCKER_HOST" docker-daemon:box:v1 "oci:$tmp/many/v1:x" || wrong 'no layout'
	skopeo copy -q --src-daemon-host "$DOCKER_HOST" docker-daemon:box:v2 "oci:$tmp/many/v2:x" || wrong 'no layout'
	python3 "$here/platforms.py" "$tmp/many/v1" arm64 amd64 >"$tmp/many/v1.ids" || wrong 'no index'
	python3 "$here/platforms.py" "$tmp/many/v2" arm64 >"$tmp/many/v2.ids" || wrong 'no index'
	write_inventory "$tmp/many/shipit.yml" oci:v1 'ports: ["8186:80"]'
	shipit_alone -f "$tmp/many/shipit.yml" deploy prod
	want_code 0
	want_body h1 v1 8186
	want_same 'the image' "$(sed -n 's/^amd64 //p' "$tmp/many/v1.ids")" "$(inspect h1 '{{.Image}}' many.prod.web)"
	want_same 'its label' "$(sed -n 's/^amd64 //p' "$tmp/many/v1.ids")" \
	    "$(inspect h1 '{{index .Config.Labels "dev.shipit.image"}}' many.prod.web)"
	want_same 'the release, named after the first of them' "$(sed -n 's/^arm64 sha256:\(.......\).*/\1/p' "$tmp/many/v1.ids")" \
	    "$(current_release h1 many.prod.web | cut -d - -f 3)"
	shipit_alone -f "$tmp/many/shipit.yml" deploy prod --dry-run
	want_out 'web: unchanged'

	begin 'an image for another platform only: an error before anything is changed'
	started=$(inspect h1 '{{.State.StartedAt}}' many.prod.web)
	write_inventory "$tmp/many/shipit.yml" oci:v2 'ports: ["8186:80"]'
	shipit_alone -f "$tmp/many/shipit.yml" deploy prod
	want_code 1
	want_out 'the image of web is for linux/arm64, this host is linux/amd64' 'build it for linux/amd64'
	want_same 'start of the old one' "$started" "$(inspect h1 '{{.State.StartedAt}}' many.prod.web)"
	want_same 'containers' 1 "$(on h1 docker ps -aq --filter label=dev.shipit.prefix=many.prod --filter label=dev.shipit.service | wc -l)"
	want_same 'images' 1 "$(on h1 docker images -q localhost/shipit/many.prod.web | sort -u | wc -l)"
}

test_known() {
	local hosts=h1 project=known
	begin 'what the store has is not imported again, and said to be there'
	write_inventory "$tmp/known/shipit.yml" box:v3 'ports: ["8187:80"]'
	shipit -f "$tmp/known/shipit.yml" deploy prod --json -vv
	want_code 0
	want_out 'registry: GET /v2/known.prod.web/manifests/'
	want_not_out Authorization
	want_out '"step":"import","state":"ok"'
	shipit -f "$tmp/known/shipit.yml" deploy prod
	want_code 0
	want_out 'import web: ok' 'already in the store'

	begin 'a store that cannot be opened ends it before a host is asked'
	echo 'this is no database, but a text that somebody keeps there' >"$tmp/known/text"
	SHIPIT_STORE=$tmp/known/text shipit -f "$tmp/known/shipit.yml" deploy prod
	want_code 1
	want_out "$tmp/known/text"
	want_not_out h1:
	want_same 'the file' 'this is no database, but a text that somebody keeps there' "$(cat "$tmp/known/text")"
}

# --- built by this machine's engine

test_build() {
	begin "build: Compose's keys reach the engine"
	mkdir -p "$tmp/built"
	cp /bin/busybox "$tmp/built"
	cat >"$tmp/built/run.docker" <<-'END'
		FROM scratch AS run
		ARG WORD
		COPY busybox /busybox
		RUN ["/busybox", "sh", "-c", "/busybox cat /etc/hosts >/hosts; ulimit -n >/files; /busybox df -k /dev/shm | /busybox tail -n 1 >/shm; echo $WORD >/word"]
		CMD ["/busybox", "sleep", "100000"]
		FROM run AS never
		RUN ["/busybox", "false"]
	END
	cat >"$tmp/built/shipit.yml" <<-END
		project: built
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    build: {context: ., dockerfile: run.docker, target: run, args: {WORD: seven}, labels: {team: "a b"},
		      tags: [built-web:latest], extra_hosts: {mirror: 10.7.7.7}, shm_size: 3m, ulimits: {nofile: {soft: 61, hard: 67}}}
		    image: built-web:1
		    ready: {running: 1s}
		    stop_grace_period: 0s
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
	shipit -f "$tmp/built/shipit.yml" deploy prod
	want_code 0
	want_same 'what its command saw' "10.7.7.7 61 3072 seven" "$(on h1 docker exec built.prod.web /busybox sh -c \
		'for f in hosts files shm word; do /busybox cat /$f; done' |
		awk '/mirror/ { print $1 } /^61$/ { print } /shm/ { print $2 } /seven/ { print }' | xargs)"
	want_same 'its label' 'a b' "$(inspect h1 '{{index .Config.Labels "team"}}' built.prod.web)"
	want_same 'its names' "$(docker image inspect -f '{{.Id}}' built-web:1)" "$(docker image inspect -f '{{.Id}}' built-web:latest)"

	begin 'build: a stage that there is not, and a step that fails, end it before any host'
	id=$(inspect h1 '{{.Id}}' built.prod.web)
	for target in nothing never; do
		sed "s/target: run/target: $target/" "$tmp/built/shipit.yml" >"$tmp/built/$target.yml"
		shipit -f "$tmp/built/$target.yml" deploy prod
		want_code 1
		want_out 'nothing was changed on any host'
		want_not_out h1:
	done
	want_same 'the container' "$id" "$(inspect h1 '{{.Id}}' built.prod.web)"
}

# --- strangers on a host

# Ports of 127.0.0.1 that somebody listens on there.
local_ports() { # HOST
	on "$1" ss -Hltn src 127.0.0.1 | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -u
}

# Deploy $project to h1, stop at the first bytes, and let strangers try while it goes on.
under_way() {
	local before shipit port tag got
	before=$(local_ports h1)
	"$LAB" limit h1 4mbit
	SHIPIT_STOP_AT=deliver:progress timeout -k 10 300 "$SHIPIT" -f "$tmp/$project/shipit.yml" deploy prod \
	    >"$tmp/out" 2>&1 </dev/null &
	shipit=$!
	until_true 60 stopped_below $shipit || wrong 'it does not stop at deliver:progress'
	port=$(comm -13 <(echo "$before") <(local_ports h1) | head -n 1)
	[ -n "$port" ] || wrong 'no port is forwarded'
	go_on "$stopped" &
	tag=$(sed -n '1s/.*, \([0-9]*-[0-9]*-r[0-9a-f]*\).*/\1/p' "$tmp/out")
	[ -n "$tag" ] || wrong 'the rollout has no id'
	got=$(on h1 setpriv --reuid=65534 --regid=65534 --clear-groups python3 - "$port" "$project.prod.web" "$tag" \
	    <"$here/stranger.py" 2>&1)
	want_same 'what another user gets' '144 refused' "$got"
	kill -0 $shipit 2>/dev/null || wrong 'it was over before the stranger was'
	"$LAB" unlimit h1
	wait $shipit
	code=$?
	want_code 0
	want_same 'forwarded ports afterwards' "$before" "$(local_ports h1)"
}

# It stops anew at each progress.
go_on() { # PID
	while kill -CONT "$1" 2>/dev/null; do sleep 0.02; done
}

# The program below `timeout` stopped itself: its id in $stopped.
stopped_below() { # PID
	stopped=$(pgrep -P "$1") && [ "$(awk '/^State/ { print $2 }' "/proc/$stopped/status" 2>/dev/null)" = T ]
}

large_box() { # TAG
	mkdir -p "$tmp/large"
	head -c 12000000 /dev/urandom >"$tmp/large/data"
	make_box "$1" "$tmp/large" || wrong 'no image'
	rm -rf "$tmp/large"
}

test_strangers() {
	local hosts=h1 project=strange
	begin 'another user of the host gets 401 at the forwarded port, and nothing else'
	large_box large1
	write_inventory "$tmp/strange/shipit.yml" box:large1 'ports: ["8188:80"]'
	under_way
	want_body h1 large1 8188
}

# --- a registry that is not ours

test_external() {
	local hosts='h1 h2' project=outside registry
	begin 'an external registry: deploy, upgrade, rollback'
	registry_up
	registry=$LAB_REGISTRY
	write_inventory "$tmp/outside/shipit.yml" box:v1 'ports: ["8189:80"]'
	SHIPIT_STORE=$tmp/outside/store.db shipit -f "$tmp/outside/shipit.yml" deploy prod
	want_code 0
	want_out 'push web: ok'
	for h in h1 h2; do want_body $h v1 8189; done
	write_inventory "$tmp/outside/shipit.yml" box:v2 'ports: ["8189:80"]'
	SHIPIT_STORE=$tmp/outside/store.db shipit -f "$tmp/outside/shipit.yml" deploy prod
	want_code 0
	for h in h1 h2; do want_body $h v2 8189; done
	want_same 'tags there' 2 "$(curl -s "http://$LAB_REGISTRY/v2/outside.prod.web/tags/list" | jq '.tags | length')"
	"$LAB" registry stop >/dev/null
	shipit -f "$tmp/outside/shipit.yml" rollback prod
	want_code 0
	for h in h1 h2; do want_body $h v1 8189; done
	[ ! -e "$tmp/outside/store.db" ] || wrong 'the store was opened'

	begin 'an external registry that does not answer ends it before a host is asked'
	shipit -f "$tmp/outside/shipit.yml" deploy prod
	want_code 1
	want_out "$LAB_REGISTRY"
	want_not_out h1:
	"$LAB" registry start >/dev/null

	begin 'an external registry is hidden from strangers, too'
	hosts=h1
	large_box large2
	write_inventory "$tmp/outside/shipit.yml" box:large2 'ports: ["8189:80"]'
	under_way
	want_body h1 large2 8189
}

# --- how far it is

# STEP in PHASE, by the events in $tmp/out: more than nothing, never back, never beyond the total.
want_progress() { # STEP PHASE
	jq -es --arg step "$1" --arg phase "$2" \
	    '[.[] | select(.step == $step and .state == "progress" and .text == $phase and .total > 0)] |
	    length > 1 and .[-1].bytes > 0 and all(.bytes <= .total) and ([.[].bytes] | . == sort)' "$tmp/out" >/dev/null ||
	    wrong "the progress of $1: $(jq -c --arg step "$1" 'select(.step == $step) | [.state, .text, .bytes, .total]' "$tmp/out" | tr '\n' ' ')"
}

test_progress() {
	local hosts=h1 project=far
	begin 'import and deliver say in bytes how far they are'
	large_box large3
	write_inventory "$tmp/far/shipit.yml" box:large3
	"$LAB" limit h1 40mbit
	shipit -f "$tmp/far/shipit.yml" deploy prod --json
	"$LAB" unlimit h1
	want_code 0
	want_progress import importing
	want_progress deliver downloading
}
