#!/bin/bash
# Each folder of examples/ is deployed as its page says: examples/NAME by tests/e2e/examples/NAME.sh, which is
# sourced here. It finds two hosts with nothing on them, the example as a copy of its own in $example, and is
# in that folder; what it leaves on the hosts is removed. An example without a test is a failure.
#
#   examples_test.sh [NAME...]        only these
# shellcheck source-path=SCRIPTDIR disable=SC2154 # variables of lib.sh
. "$(dirname "$0")/lib.sh"

all=$(cd "$root/examples" && for folder in */; do echo "${folder%/}"; done)

# The example as it is in the repository: nothing that somebody built in it.
copy() { # NAME
	example=$tmp/examples/$1
	mkdir -p "$example"
	(cd "$root/examples/$1" && git ls-files -z --cached --others --exclude-standard 2>/dev/null | xargs -0r cp --parents -t "$example")
	[ -e "$example/shipit.yml" ] || cp -r "$root/examples/$1/." "$example"
}

# Its build.sh, where it has one.
build() {
	[ -x ./build.sh ] || return 0
	./build.sh >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; wrong 'it cannot be built'; }
}

# shellcheck disable=SC2016,SC2086 # for the inner shell; a list of words
wipe() {
	for host in $LAB_HOSTS; do
		on "$host" sh -c 'docker ps -aq | xargs -r docker rm -fv; docker volume ls -q | xargs -r docker volume rm -f
			docker network prune -f' >/dev/null 2>&1
	done
}

try() { # NAME
	begin "examples/$1: a page, an inventory that is in order, a test"
	copy "$1"
	cd "$example" || exit 1
	[ -e README.md ] || wrong 'there is no README.md'
	[ -e "$root/tests/e2e/examples/$1.sh" ] || wrong "there is no tests/e2e/examples/$1.sh"
	shipit check --offline
	want_code 0
	# shellcheck source=/dev/null # they are checked one by one
	[ -n "$bad" ] || . "$root/tests/e2e/examples/$1.sh"
	finish
	wipe
}

lab_up 2
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $all
for name; do try "$name"; done
totals
