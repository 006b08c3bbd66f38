#!/bin/bash
# The embedded registry, by clients that nobody here wrote (docker, podman, skopeo), by the spec, and
# by clients that mean no good.
#
#   registry_test.sh [check|soak] [PART...]   clients, conformance, access, hostile, window; default: all
#
# BUILD, SHIPIT: of another build; SANITIZED=1: it is a sanitized one, whose memory is no measure.
# REGISTRY_PEER=1: the clients and the checks that apply against Debian's docker-registry instead, to
# see that they are right.
# shellcheck source-path=SCRIPTDIR disable=SC2154
. "$(dirname "$0")/lib.sh"
here=$root/tests/e2e/registry
DRIVER=${BUILD:-$root/.build}/tests/e2e/registry_driver
. "$(dirname "$0")/registry/clients.sh"

mode=${1:-check}
[ $# = 0 ] || shift
only=" $* "

wanted() {
	[ "$only" = '  ' ] || [[ $only == *" $1 "* ]]
}

# serve NAME ARGUMENT...: a server with a store of its own; its address in $address, pid in $pid. It
# serves until its standard input ends.
declare -A held
serve() {
	local name=$1 fd
	shift
	mkfifo "$tmp/$name.in"
	SHIPIT_STORE=$tmp/$name.db "$DRIVER" serve "$@" <"$tmp/$name.in" >"$tmp/$name.address" 2>"$tmp/$name.log" &
	pid=$!
	exec {fd}>"$tmp/$name.in"
	held[$name]=$fd
	until_true 20 test -s "$tmp/$name.address" || {
		cat "$tmp/$name.log"
		echo '0 passed, 1 failed'
		exit 1
	}
	address=$(cat "$tmp/$name.address")
}

# The program itself, likewise; $tmp/NAME.log has a JSON line for each request.
serve_shipit() { # NAME
	SHIPIT_STORE=$tmp/$1.db "$SHIPIT" registry serve --listen 127.0.0.1:0 --json >"$tmp/$1.log" 2>&1 </dev/null &
	pid=$!
	until_true 20 grep -q '"serving"' "$tmp/$1.log" || {
		cat "$tmp/$1.log"
		echo '0 passed, 1 failed'
		exit 1
	}
	address=$(jq -r 'select(.event == "serving").address' "$tmp/$1.log")
}

driver() {
	SHIPIT_STORE=$tmp/main.db "$DRIVER" "$@"
}

# adds_up NAME: what a program of checks said, and its "N passed, N failed" to ours.
adds_up() {
	local p f
	finish
	grep -v ' passed, ' "$tmp/$1.out"
	read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$tmp/$1.out" | tail -n 1)
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
	if [ "${f:-1}" != 0 ]; then
		echo "--- the end of the log of $1"
		tail -n 20 "$tmp/$1.log"
	fi
}

# The server is well after all that was done to it: it runs, ends when it is told to, and its store is
# in order.
ends_well() { # NAME PID
	begin "$1: the server ends when it is told to, and its store is in order"
	kill -0 "$2" 2>/dev/null || wrong 'it does not run any more'
	end "$1" "$2"
	until_true 20 gone "$2" || wrong 'it does not end'
	! grep -qE 'Sanitizer|runtime error:' "$tmp/$1.log" || wrong "$(grep -E -A 20 'Sanitizer|runtime error:' "$tmp/$1.log")"
	SHIPIT_STORE=$tmp/$1.db "$SHIPIT" registry verify >"$tmp/out" 2>&1 || wrong 'verify finds something'
	finish
}

end() { # NAME PID
	local fd=${held[$1]-}
	if [ -n "$fd" ]; then exec {fd}>&-; else kill "$2" 2>/dev/null; fi
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# A window on another registry: reads pass, nothing else does.
test_window() {
	begin 'a window on another registry: reads pass, writes do not'
	docker tag box:v2 "$LAB_REGISTRY/up/app:v2"
	works docker push "$LAB_REGISTRY/up/app:v2"
	serve window --upstream "$LAB_REGISTRY" --account one:1-secret:r:up/app
	W=$address
	works docker --config "$tmp/window" login -u one -p 1-secret "$W"
	works docker --config "$tmp/window" pull "$W/up/app:v2"
	runs "$W/up/app:v2" v2 /busybox cat /www/index.html
	docker tag "$W/up/app:v2" "$W/up/app:v3"
	said docker --config "$tmp/window" push "$W/up/app:v3"
	want_code 1
	want_same 'tags upstream' '["v2"]' "$(curl -s "http://$LAB_REGISTRY/v2/up/app/tags/list" | jq -c .tags)"
	for path in up/other/tags/list up/app/../../_catalog _catalog; do
		status=$(curl -s --path-as-is -o /dev/null -w '%{http_code}' -u one:1-secret "http://$W/v2/$path")
		case $status in 4*) ;; *) wrong "$path: $status" ;; esac
	done
	want_same 'without credentials' 401 "$(curl -s -o /dev/null -w '%{http_code}' "http://$W/v2/")"
	for method in POST PUT PATCH DELETE; do
		status=$(curl -s -o /dev/null -w '%{http_code}' -u one:1-secret -X $method "http://$W/v2/up/app/manifests/v2")
		case $status in 401 | 403 | 405) ;; *) wrong "$method: $status" ;; esac
	done
	end window "$pid"
}

test_read_only() {
	begin 'a read-only server serves, and takes nothing'
	serve reader --read-only
	for request in 'POST /v2/x/blobs/uploads/' 'PUT /v2/x/manifests/v1' 'DELETE /v2/x/manifests/v1'; do
		# shellcheck disable=SC2086 # two words
		set -- $request
		status=$(curl -s -o "$tmp/out" -w '%{http_code}' -X "$1" "http://$address$2")
		case $status in 403 | 405) ;; *) wrong "$request: $status" ;; esac
		grep -qE 'UNSUPPORTED|DENIED' "$tmp/out" || wrong "$request: $(cat "$tmp/out")"
	done
	want_same 'a read' 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://$address/v2/")"
	end reader "$pid"
}

# While docker, podman and skopeo talk with one server, the checks have others to themselves.
start_hostile() {
	serve hostile
	hostile=$pid
	soak=''
	[ "$mode" != soak ] || soak=--soak
	# shellcheck disable=SC2086 # none or one
	python3 "$here/hostile.py" "$address" "$hostile" $soak >"$tmp/hostile.out" 2>&1 &
	checking=$!
}

if wanted clients || wanted window || [ -n "${REGISTRY_PEER-}" ]; then
	lab_up 1
	registry_up
	for tag in v1 v2 v3; do make_box $tag || exit 1; done
fi

# After the lab: that would keep the server's pipe open, which tells it to end.
if wanted hostile && [ -z "${REGISTRY_PEER-}" ]; then start_hostile; fi

if [ -n "${REGISTRY_PEER-}" ]; then
	R=$LAB_REGISTRY log=$tmp/none
	: >"$log"
	python3 "$here/conformance.py" "$R" --peer >"$tmp/peer.out" 2>&1
	adds_up peer
	test_docker
	test_podman
	test_skopeo
	totals
	exit
fi

if wanted conformance; then
	serve conformance
	server=$pid
	python3 "$here/conformance.py" "$address" >"$tmp/conformance.out" 2>&1
	adds_up conformance
	ends_well conformance "$server"
fi

if wanted access; then
	serve access --account writer:w-secret:rw:* --account one:1-secret:r:mine/app --account both:2-secret:rw:mine/app
	server=$pid
	python3 "$here/access.py" "$address" >"$tmp/access.out" 2>&1
	adds_up access
	ends_well access "$server"
fi

if wanted clients; then
	serve_shipit main
	R=$address log=$tmp/main.log server=$pid
	test_docker
	test_podman
	test_skopeo
	test_import
	test_read_only
	ends_well main "$server"
	serve login --account writer:w-secret:rw:* --account one:1-secret:r:mine/app
	A=$address
	test_login
	ends_well login "$pid"
fi

! wanted window || test_window

if wanted hostile; then
	wait "$checking"
	adds_up hostile
	ends_well hostile "$hostile"
fi
totals
