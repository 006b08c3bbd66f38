# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# examples/hello, as its page says: two hosts; deploy, change, break, go back.

hello_answers() { # RELEASE
	for host in h1 h2; do want_body "$host" "hello from $1"; done
}

begin 'hello: the first deploy'
build
shipit check prod
want_code 0
shipit deploy prod
want_code 0
hello_answers v1

begin 'hello: the next release, and back'
REV=v2 shipit deploy prod
want_code 0
hello_answers v2
shipit rollback prod
want_code 0
hello_answers v1

begin 'hello: a release that never gets healthy'
sed -i 's/timeout: 30s/timeout: 15s/' shipit.yml
REV=v3 HEALTHY=no shipit deploy prod
want_code 1
hello_answers v1
# What was started again is healthy after its first healthcheck.
for ((i = 0; i < 60; i++)); do
	shipit status prod
	grep -q ' healthy' "$tmp/out" && ! grep -q starting "$tmp/out" && break
	sleep 0.5
done
want_code 0
want_out healthy
want_not_out unhealthy
shipit history prod
want_code 0
want_out reverted
