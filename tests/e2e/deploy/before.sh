# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# `before`, the one-off container of a new image, and the hooks on this machine.

with_before() { # IMAGE BEFORE [LINE-OF-THE-FILE]
	mkdir -p "$tmp/pre"
	cat >"$tmp/pre/shipit.yml" <<-END
		project: pre
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    image: box:$1
		    before: $2
		    ready: {running: ${running:-1s}, timeout: 20s}
		    stop_grace_period: 1s
		    environment: {WORD: "it's \$\$here"}
		    volumes: ["data:/data"]
		    labels: {route: "yes"}
		    ports: ["8095:80"]
		    ${command:+command: $command}
		hosts: {h1: {}, h2: {}, h3: {}}
		environments: {prod: {hosts: ["*"]}}
		${3-}
	END
}

pre() { # ARG...
	shipit -f "$tmp/pre/shipit.yml" "$@"
}

nothing_of_before() {
	for h in h1 h2 h3; do
		want_same "one-off containers on $h" '' "$(on $h docker ps -aq --filter label=dev.shipit.before)"
	done
}

migrations() { # HOST: how often it ran there
	on "$1" sh -c 'cat "$(docker volume inspect -f "{{.Mountpoint}}" pre.prod.data 2>/dev/null)/ran" 2>/dev/null | wc -l'
}

test_before() {
	local migrate='["/busybox", "sh", "-c", "echo \"migrates with $$WORD\"; echo x >>/data/ran; /busybox wget -q -O - http://web/ || echo nobody there"]'
	begin 'before: once for all hosts, with the variables, volumes and networks of the service'
	with_before v1 "$migrate"
	pre deploy prod
	want_code 0
	want_out "migrates with it's \$here" 'nobody there' 'before web: ok'
	want_same 'runs' '1 0 0' "$(migrations h1) $(migrations h2) $(migrations h3)"
	nothing_of_before
	pre deploy prod
	want_code 0
	want_out unchanged
	want_same 'runs' 1 "$(migrations h1)"
	with_before v2 "$migrate"
	pre deploy prod
	want_code 0
	want_same 'runs' '2 0' "$(migrations h1) $(migrations h2)"
	for h in h1 h2 h3; do want_body $h v2 8095; done

	begin 'before: it fails, and nothing is changed'
	started=$(inspect h1 '{{.State.StartedAt}}' pre.prod.web)
	with_before v3 '["/busybox", "sh", "-c", "echo no such table; exit 7"]'
	pre deploy prod
	want_code 1
	want_out '`before` of web: it exited 7' 'no such table' 'nothing was changed'
	want_same 'h1' "$started" "$(inspect h1 '{{.State.StartedAt}}' pre.prod.web)"
	for h in h1 h2 h3; do want_body $h v2 8095; done
	nothing_of_before

	begin 'before: it takes too long'
	with_before v3 '{command: "/busybox sleep 1000", timeout: 2s}'
	pre deploy prod
	want_code 1
	want_out 'it was stopped after 2 s'
	nothing_of_before

	begin 'before: what it did stays done when the release is taken back'
	with_before v3 "$migrate"
	command='["/busybox", "false"]' with_before v3 "$migrate"
	pre deploy prod
	want_code 1
	want_out 'what `before` of web did stays done'
	want_same 'runs' 3 "$(migrations h1)"
	for h in h1 h2 h3; do want_body $h v2 8095; done
	pre rollback prod
	want_code 0
	want_same 'runs' 3 "$(migrations h1)"
	want_body h1 v1 8095

	begin 'before: Ctrl-C ends it, and kill -9 does not'
	with_before v3 '["/busybox", "sleep", "1000"]'
	env --default-signal=INT "$SHIPIT" -f "$tmp/pre/shipit.yml" deploy prod >"$tmp/out" 2>&1 </dev/null &
	local pid=$!
	until_true 30 before_runs || wrong 'it does not run'
	kill -INT $pid
	wait $pid
	want_same 'exit' 130 $?
	nothing_of_before
	"$SHIPIT" -f "$tmp/pre/shipit.yml" deploy prod >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	until_true 30 before_runs || wrong 'it does not run'
	kill -KILL $pid
	wait $pid 2>/dev/null
	until_true 40 lock_is_free || wrong 'the lock is held'
	with_before v3 "$migrate"
	pre deploy prod
	want_code 1
	want_out 'what an interrupted rollout began as pre.prod.web.before still runs there' 'docker stop pre.prod.web.before'
	on h1 docker stop -t 0 pre.prod.web.before >/dev/null
	pre deploy prod
	want_code 0
	nothing_of_before
	want_body h1 v3 8095
	for h in h1 h2 h3; do on $h docker rm -f pre.prod.web >/dev/null; done
}

before_runs() {
	[ -n "$(on h1 docker ps -q --filter label=dev.shipit.before=web)" ]
}

lock_is_free() {
	local host
	for host in h1 h2 h3; do on $host flock -n /run/lock/shipit.pre.prod true || return 1; done
}

test_hooks() {
	local hooks='hooks: {before_deploy: ./hook, after_deploy: [./hook, "all done"], on_failure: ./hook}'
	begin 'hooks: before and after'
	with_before v1 '[/busybox, "true"]' "$hooks"
	printf '#!/bin/sh\necho "says $SHIPIT_HOOK $*"\nenv | grep ^SHIPIT_ | sort >"$SHIPIT_HOOK.env"\nexit "$(cat status 2>/dev/null || echo 0)"\n' >"$tmp/pre/hook"
	chmod +x "$tmp/pre/hook"
	pre deploy prod
	want_code 0
	want_out 'says before_deploy' 'says after_deploy all done'
	want_same 'before' "prod deploy web h1 h2 h3" "$(hook_variables before_deploy SHIPIT_ENV SHIPIT_COMMAND SHIPIT_SERVICES SHIPIT_HOSTS)"
	want_same 'after' "0 pre.prod" "$(hook_variables after_deploy SHIPIT_EXIT SHIPIT_PREFIX)"
	[ ! -e "$tmp/pre/on_failure.env" ] || wrong 'on_failure ran'

	begin 'hooks: the one before says no'
	echo 3 >"$tmp/pre/status"
	with_before v2 '[/busybox, "true"]' "$hooks"
	pre deploy prod
	want_code 1
	want_out 'the hook before_deploy failed (./hook exited 3)' 'says before_deploy'
	want_not_out 'connect'
	want_body h1 v1 8095
	want_same 'on failure' '1 the hook before_deploy failed (./hook exited 3)' "$(hook_variables on_failure SHIPIT_EXIT SHIPIT_ERROR)"

	begin 'hooks: not in a dry run; a failure is told to the one for it; one that cannot be run'
	rm "$tmp/pre/"*.env
	pre deploy prod --dry-run
	want_code 0
	[ ! -e "$tmp/pre/before_deploy.env" ] || wrong 'it ran in a dry run'
	rm "$tmp/pre/status"
	command='["/busybox", "false"]' with_before v2 '[/busybox, "true"]' "$hooks"
	pre deploy prod
	want_code 1
	want_same 'on failure' 1 "$(hook_variables on_failure SHIPIT_EXIT)"
	[ ! -e "$tmp/pre/after_deploy.env" ] || wrong 'after_deploy ran'
	with_before v2 '[/busybox, "true"]' 'hooks: {after_deploy: ./nothere}'
	pre deploy prod
	want_code 0
	want_out './nothere' 'the rollout stays as it is'
	for h in h1 h2 h3; do on $h docker rm -f pre.prod.web >/dev/null; done
}

# Takes POSTs; a line of JSON for each, after its path and type. /no is refused, /never not answered.
listener='
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(self.path, self.headers["Content-Type"], body, flush=True)
        while self.path == "/never":
            time.sleep(1)
        self.send_response(500 if self.path == "/no" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
'

told() { # FILTER: of all that was told
	cut -d ' ' -f 3- "$tmp/told" | jq -r "$1" | paste -sd '|'
}

test_notify() {
	local pid url
	begin 'notify: of the beginning and the end, in words and for programs'
	python3 -c "$listener" >"$tmp/told" 2>"$tmp/port" </dev/null &
	pid=$!
	until_true 10 [ -s "$tmp/port" ] || wrong 'nobody listens'
	url=http://127.0.0.1:$(cat "$tmp/port")
	with_before v1 '[/busybox, "true"]' "notify: {url: $url/tell?token=s3cret, on: [start, success, failure]}"
	pre deploy prod
	want_code 0
	want_same 'how' '/tell?token=s3cret application/json' "$(cut -d ' ' -f 1,2 "$tmp/told" | sort -u)"
	want_same 'what' 'start|success' "$(told .shipit.event)"
	want_same 'the rollout' 1 "$(told .shipit.rollout | tr '|' '\n' | sort -u | wc -l)"
	want_same 'the words' "deploy of pre to prod by $(id -un)@$(uname -n): 3 done" "$(told 'select(.shipit.exit == 0) | .text')"
	want_not_out s3cret
	: >"$tmp/told"
	pre deploy prod --dry-run
	want_same 'told of a dry run' '' "$(cat "$tmp/told")"

	begin 'notify: of a failure, without its secrets and control characters'
	command='["/busybox", "sh", "-c", "printf \"\\033[31mno\\n\"; exit 3"]' with_before v2 '[/busybox, "true"]' "notify: {url: $url/tell, on: failure}"
	pre deploy prod
	want_code 1
	want_same 'what' 'failure 1' "$(told '"\(.shipit.event) \(.shipit.exit)"')"
	told .content | grep -q '3 reverted; .*exited 3' || wrong "said: $(told .content)"
	! grep -q 'u001b' "$tmp/told" || wrong 'a control character'

	begin 'notify: one that refuses, does not answer or is not there changes nothing, and its URL is not shown'
	for path in no never; do
		with_before v1 '[/busybox, "true"]' "notify: {url: $url/$path}"
		pre deploy prod --force
		want_code 0
		want_out 'nobody was told of the success: 127.0.0.1:'
		want_not_out "/$path"
	done
	kill $pid
	wait $pid 2>/dev/null
	pre deploy prod --force
	want_code 0
	want_out 'nobody was told of the success: 127.0.0.1:'
	for h in h1 h2 h3; do on $h docker rm -f pre.prod.web >/dev/null; done
}

hook_variables() { # HOOK NAME...: their values
	local hook=$1 name
	shift
	for name; do sed -n "s/^$name=//p" "$tmp/pre/$hook.env"; done | xargs -d '\n'
}
