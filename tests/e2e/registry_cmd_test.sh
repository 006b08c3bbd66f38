#!/bin/bash
# `shipit registry`: a store that skopeo fills through `serve`, then listed, made smaller and checked;
# whom `serve` lets in, and how it ends.
# shellcheck source-path=SCRIPTDIR disable=SC2154
. "$(dirname "$0")/lib.sh"
export SHIPIT_STORE=$tmp/store/store.db
unset SHIPIT_REGISTRY_AUTH

# serve ARGUMENT...: in the background, all of its output in $tmp/serve; its address in $address, pid in
# $pid.
serve() {
	: >"$tmp/serve" # else the address of before may be read
	# The shell has its background jobs ignore SIGINT.
	env --default-signal=INT "$SHIPIT" registry serve "$@" >"$tmp/serve" 2>&1 &
	pid=$!
	address=''
	until_true 30 said_address || { cat "$tmp/serve"; wrong 'it does not serve'; }
}

said_address() {
	address=$(sed -n 's/^serving the images of this machine on //p; s/.*"event":"serving","address":"\([^"]*\)".*/\1/p' "$tmp/serve")
	[ -n "$address" ]
}

# ends SIGNAL: it ends on that, with 0.
ends() {
	kill -s "$1" "$pid"
	until_true 30 gone || { wrong 'it does not end'; kill -KILL "$pid"; }
	wait "$pid"
	code=$?
	cp "$tmp/serve" "$tmp/out"
	want_code 0
	! grep -qE 'Sanitizer|runtime error:' "$tmp/serve" || wrong 'a sanitizer complains'
}

push() { # TAG SKOPEO-OPTION...: another image each time
	local tag=$1
	shift
	"$root/tests/e2e/registry/multi.py" "$tmp/$tag" &&
	    skopeo copy -q --all --dest-tls-verify=false "$@" "oci:$tmp/$tag:multi" "docker://$address/app:$tag"
}

gone() {
	! kill -0 "$pid" 2>/dev/null
}

# event NAME: the events of that name, of what was said with --json.
event() {
	grep "^{" "$tmp/out" | jq -c "select(.event == \"$1\")"
}

begin 'without a store: a line, and none is made'
for command in list gc verify; do
	shipit registry $command
	want_code 0
	want_out "there is no $SHIPIT_STORE yet"
	want_same 'lines' 1 "$(wc -l <"$tmp/out")"
done
shipit registry list --json
want_same 'events' summary "$(jq -r .event "$tmp/out")"
[ ! -e "$SHIPIT_STORE" ] || wrong 'a store was made'

begin 'serve: skopeo pushes and pulls; each request is a line; Ctrl-C ends it'
serve --listen 127.0.0.1:0
push one || wrong 'skopeo cannot push'
push two || wrong 'skopeo cannot push'
skopeo copy -q --format v2s2 --dest-tls-verify=false "oci:$tmp/one:multi" "docker://$address/other/app:v2" ||
    wrong 'skopeo cannot push another format'
skopeo inspect --tls-verify=false "docker://$address/app:one" >/dev/null || wrong 'skopeo cannot inspect'
want_same 'tags' '["one","two"]' "$(curl -s "http://$address/v2/app/tags/list" | jq -c .tags)"
printf 'GET /v2/\033[31m HTTP/1.0\r\n\r\n' | timeout 10 bash -c "exec 3<>/dev/tcp/${address%:*}/${address#*:}; cat >&3; cat <&3" >/dev/null
ends INT
want_out "docker push localhost:${address#*:}/app" ' PUT /v2/app/manifests/two 201 ' ' GET /v2/\x1b[31m 404 ' stopped
! grep -q $'\033' "$tmp/out" || wrong 'a control character came through'

begin 'list'
shipit registry list
want_code 0
want_out IMAGE app:one app:two other/app:v2 linux/amd64,linux/arm64 "3 images in $SHIPIT_STORE"
shipit registry list --json
want_same 'images' '["app:one","app:two","other/app:v2"]' "$(event image | jq -sc 'map(.repository + ":" + .tag) | sort')"
want_same 'what is shared' 'true' "$(event image | jq -s 'all(.shared > 500000 and .shared <= .stored and .size > 0)')"
want_same 'the file' "$SHIPIT_STORE" "$(event store | jq -r .file)"
want_same 'the summary' 'registry list 0' "$(event summary | jq -r '"\(.command) \(.exit)"')"

begin 'verify: all is well'
shipit registry verify
want_code 0
want_out 'all is well' 'looked at 6 manifests'
shipit registry verify --json
want_same 'manifests, damaged' '[6,0]' "$(event verify | jq -c '[.manifests, .damaged]')"

begin 'gc: within the size nothing goes; beyond it all goes that nobody asked for lately'
shipit registry gc --max-size 1GB
want_code 0
want_out 'nothing to free'
shipit registry gc --max-size 1k --json
want_code 0
want_same 'what went' '["app:two","other/app:v2"]' "$(event removed | jq -sc 'map(.image) | sort')"
want_same 'tags, limit, over' '[2,1024,true]' "$(event gc | jq -c '[.tags, .limit, .over > 0]')"
shipit registry gc --max-size 1k
want_code 0
want_out 'more than 1.0 kB: all that is left'
shipit registry list --json
want_same 'images' '["app:one"]' "$(event image | jq -sc 'map(.repository + ":" + .tag)')"
shipit registry verify
want_code 0

begin 'verify: damage is told, a line each, and what to do'
serve --listen 127.0.0.1:0 -q
push three || wrong 'skopeo cannot push'
ends TERM
want_same 'said with -q' 1 "$(wc -l <"$tmp/out")"
python3 -c "
import sqlite3
store = sqlite3.connect('$SHIPIT_STORE')
store.execute('UPDATE bytes SET data = zeroblob(length(data)) WHERE chunk = (SELECT max(chunk) FROM bytes)')
store.commit()"
shipit registry verify
want_code 1
want_out 'chunk ' 'not all is well' 'hint: move that file away'
shipit registry verify --json
want_code 1
want_same 'damage' "$(event damage | wc -l)" "$(event verify | jq .damaged)"
[ "$(event damage | wc -l)" -gt 0 ] || wrong 'no event of damage'
rm -r "$(dirname "$SHIPIT_STORE")"

begin 'serve: addresses that others reach are refused, and so is one without credentials'
shipit registry serve --listen 0.0.0.0:0
want_code 2
want_out 'others than this machine can reach 0.0.0.0' --beyond-loopback SHIPIT_REGISTRY_AUTH
shipit registry serve --listen '[::]:0' --beyond-loopback
want_code 2
want_out 'set SHIPIT_REGISTRY_AUTH=USER:PASSWORD'
SHIPIT_REGISTRY_AUTH=secret-of-ann shipit registry serve --listen 0.0.0.0:0 --beyond-loopback
want_code 2
want_not_out secret-of-ann
shipit registry serve --listen example.com:5000
want_code 2
want_out 'takes ADDRESS:PORT'

begin 'serve: with credentials, nobody else gets anything; also beyond loopback'
export SHIPIT_REGISTRY_AUTH=ann:se:cret
for where in 127.0.0.1 0.0.0.0; do
	serve --listen $where:0 --beyond-loopback --json
	address=127.0.0.1:${address##*:}
	want_same 'without' 401 "$(curl -s -o /dev/null -w '%{http_code}' "http://$address/v2/_catalog")"
	want_same 'with others' 401 "$(curl -s -o /dev/null -w '%{http_code}' -u ann:other "http://$address/v2/_catalog")"
	! push "x${where%%.*}" 2>/dev/null || wrong 'skopeo pushed without credentials'
	push "y${where%%.*}" --dest-creds ann:se:cret || wrong 'skopeo cannot push'
	ends INT
	want_same 'accounts' '[null,"ann"]' "$(event request | jq -sc 'map(.account) | unique')"
	want_same 'the last' 'summary 0' "$(tail -n 1 "$tmp/out" | jq -r '"\(.event) \(.exit)"')"
	want_not_out se:cret
done
unset SHIPIT_REGISTRY_AUTH

begin 'serve: a port that is taken'
serve --listen '[::1]:0'
want_same 'IPv6' 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://$address/v2/")"
shipit registry serve --listen "$address"
want_code 1
want_out "cannot listen on $address" 'another program listens there' '--listen [::1]:0 takes a free port'
ends TERM

begin 'nothing hangs when nobody reads'
timeout 20 "$SHIPIT" registry serve --listen 127.0.0.1:0 | head -n 1 >"$tmp/out"
want_same 'status' 0 "${PIPESTATUS[0]}"
want_out 'serving the images'
timeout 20 "$SHIPIT" registry serve --listen 127.0.0.1:0 2>"$tmp/out" | true
want_same 'status' 0 "${PIPESTATUS[0]}"
want_same 'complaints' '' "$(cat "$tmp/out")"
timeout 20 "$SHIPIT" registry list --json | true
want_same 'status' 0 "${PIPESTATUS[0]}"

totals
