# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# When a new container counts as working: each kind of `ready:`, answered well, late, badly, never, and
# now and then; and start-first.

# box:TAG whose CGI script answers with STATUS; `flap`: well every other time.
make_check() { # TAG STATUS
	local dir=$tmp/check.$1
	mkdir -p "$dir/www/cgi-bin" "$dir/state"
	echo "$1" >"$dir/state/name"
	echo "$2" >"$dir/state/status"
	cat >"$dir/www/cgi-bin/health" <<-'END'
		#!/busybox sh
		status=$(/busybox cat /state/status)
		if [ "$status" = flap ]; then
			n=$(/busybox cat /state/n 2>/dev/null)
			echo $((n + 1)) >/state/n
			status=200
			[ $((n % 2)) = 1 ] || status=503
		fi
		printf 'Status: %s so\r\nX-Version: 7\r\n\r\nall is %s here\n' "$status" "$(/busybox cat /state/name)"
	END
	chmod +x "$dir/www/cgi-bin/health"
	make_box "$1" "$dir"
}

sh='["/busybox", "sh", "-c"'

ready() { # RELEASE READY [LINE...]: deploy that, as project `rdy` on h1
	local image=$1
	ready=$2
	shift 2
	hosts=h1 project=rdy write_inventory "$tmp/rdy/shipit.yml" "box:$image" "$@"
	shipit -f "$tmp/rdy/shipit.yml" deploy prod
}

is_ready() { # NAME RELEASE READY [LINE...]
	begin "ready: $1"
	shift
	ready "$@"
	want_code 0
	want_same 'what runs' "$1" "$(name_of)"
}

name_of() {
	on h1 docker exec rdy.prod.web /busybox cat /state/name
}

is_not_ready() { # NAME RELEASE READY TEXT... -- [LINE...]
	local texts=() release=$2 how=$3 old events
	begin "not ready: $1"
	shift 3
	while [ "$1" != -- ]; do texts+=("$1") && shift; done
	shift
	old=$(inspect h1 '{{.Id}}' rdy.prod.web)
	events=$(date +%s.%N)
	ready "$release" "$how" "$@"
	want_code 1
	want_out "${texts[@]}"
	want_not_out 'was waited for'
	want_same 'the old one' "$old true" "$(inspect h1 '{{.Id}} {{.State.Running}}' rdy.prod.web)"
	want_same 'containers' 1 "$(on h1 docker ps -q --filter label=dev.shipit.prefix=rdy.prod --filter label=dev.shipit.service | wc -l)"
	on h1 docker events --since "$events" --until "$(date +%s.%N)" --filter type=container \
	    --format '{{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}' >"$tmp/events"
}

had_its_time() { # SECONDS of `timeout`: from the new one's start to the end of its life; `bench gap` has how soon after
	local took
	took=$(awk '$2 == "start" && $3 != "rdy.prod.web" { s = $1 } $2 == "die" && $3 != "rdy.prod.web" { print int(($1 - s) / 1000000) }' "$tmp/events")
	[ "${took:-0}" -ge $(($1 * 1000 - 500)) ] || wrong "it was taken back after ${took:-?} ms of $1 s"
}

test_ready() {
	make_check well 200 && make_check better 200 && make_check ill 503 && make_check flap flap || wrong 'no image'
	local url=http://:8090/cgi-bin/health ports='ports: ["8090:80"]'
	is_ready 'http, by the published port' well "http: {url: \"$url\", status: 200, headers: {X-Version: \"7\"}, body: all is well}, running: 0s" "$ports"
	is_ready 'http, at its own address, and tcp, and exec' better \
	    "http: \"http://:80/cgi-bin/health\", tcp: 80, exec: [/busybox, grep, better, /state/name], running: 0s" "$ports"
	is_ready 'late' well "http: \"$url\", tcp: 80, exec: [/busybox, test, -e, /state/late], running: 0s" "$ports" \
	    "command: $sh, \"/busybox sleep 3; /busybox touch /state/late; exec /busybox httpd -f -p 80 -h /www\"]"

	is_not_ready 'http answers with an error' ill "http: \"$url\", running: 0s, timeout: 3s" \
	    'not ready after 3 s' "$url: 503, where 200 to 399 is wanted: all is ill here" -- "$ports"
	had_its_time 3
	is_not_ready 'http answers now and then' flap "http: {url: \"$url\", interval: 100ms}, running: 0s, timeout: 3s" \
	    "$url: 503, where" -- "$ports"
	is_not_ready 'another header' better "http: {url: \"$url\", headers: {X-Version: \"8\"}}, running: 0s, timeout: 3s" \
	    'X-Version of the answer is not as wanted: 7' -- "$ports"
	is_not_ready 'another text' better "http: {url: \"$url\", body: all is well}, running: 0s, timeout: 3s" \
	    'does not contain "all is well": all is better here' -- "$ports"
	is_not_ready 'no answer' better "http: {url: \"$url\", timeout: 1s}, running: 0s, timeout: 3s" \
	    "$url: " 'its last words' 'hello from it' -- "$ports" \
	    "command: $sh, \"echo hello from it; /busybox nc -l -p 80 -e /busybox sleep 1000; /busybox sleep 1000\"]"
	had_its_time 3
	is_not_ready 'nothing behind the published port' better "tcp: 8090, running: 0s, timeout: 3s" \
	    'tcp 8090: ' -- "$ports" 'command: ["/busybox", "sleep", "1000"]'
	is_not_ready 'nothing at its own port' better "tcp: 81, running: 0s, timeout: 3s" 'tcp 81: the host does not connect to' -- "$ports"
	is_not_ready 'a command that fails' better 'exec: [/busybox, sh, -c, "echo not yet; exit 3"], running: 0s, timeout: 3s' \
	    'exec /busybox sh -c echo not yet; exit 3: exit 3: not yet' -- "$ports"
	is_not_ready 'a command that hangs' better 'exec: {command: [/busybox, sleep, "1000"], timeout: 1s}, running: 0s, timeout: 3s' \
	    'exec /busybox sleep 1000: the engine on h1: no answer in time' -- "$ports"
	is_not_ready 'it ends while it is asked' better "http: \"$url\", running: 0s, timeout: 20s" 'exited 9' -- "$ports" \
	    "command: $sh, \"/busybox sleep 2; exit 9\"]"
	start_first
}

start_first() {
	local old
	begin 'start-first: the old one runs until the new one is ready'
	on h1 docker rm -f rdy.prod.web >/dev/null
	ready well 'http: "http://:80/cgi-bin/health", running: 0s' 'order: start-first'
	want_code 0
	old=$(inspect h1 '{{.Id}}' rdy.prod.web)
	on h1 sh -c "docker inspect -f '{{.State.StartedAt}}' $old" >"$tmp/started"
	ready better 'http: "http://:80/cgi-bin/health", running: 2s' 'order: start-first'
	want_code 0
	want_same 'what runs' better "$(name_of)"
	want_same 'the old one' "$(cat "$tmp/started") false no" "$(inspect h1 '{{.State.StartedAt}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' "$old")"
	# It ended after the new one had been up for as long as is wanted.
	want_same 'they overlapped' yes "$(python3 - "$(inspect h1 '{{.State.FinishedAt}}' "$old")" "$(inspect h1 '{{.State.StartedAt}}' rdy.prod.web)" <<-'END'
		import sys, datetime
		ended, begun = (datetime.datetime.fromisoformat(t[:26]) for t in sys.argv[1:])
		print("yes" if (ended - begun).total_seconds() >= 1.9 else (ended, begun))
	END
	)"

	old=$(inspect h1 '{{.Id}} {{.State.StartedAt}}' rdy.prod.web)
	begin 'start-first: a release that is not ready, and the old one was never stopped'
	ready ill 'http: "http://:80/cgi-bin/health", running: 0s, timeout: 3s' 'order: start-first'
	want_code 1
	want_out '503, where 200 to 399 is wanted'
	want_same 'the old one' "$old" "$(inspect h1 '{{.Id}} {{.State.StartedAt}}' rdy.prod.web)"

	begin 'start-first: rollback'
	shipit -f "$tmp/rdy/shipit.yml" rollback prod
	want_code 0
	want_same 'what runs' well "$(name_of)"

	begin 'start-first with a published port is refused'
	ready well 'running: 1s' 'order: start-first' 'ports: ["8090:80"]'
	want_code 2
	want_out '`start-first` cannot be had with published ports'
	ready=''
	on h1 docker rm -f rdy.prod.web >/dev/null
}
