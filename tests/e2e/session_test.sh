#!/bin/sh
# Sessions against a real sshd, in the plain build and with both sanitizers (those that are built, or
# the folders given). Ends with "N passed, N failed".
#
#   session_test.sh [FOLDER...]     by libssh2
#   session_test.sh openssh FOLDER  the same by the system's ssh, and what `auto` makes of servers and keys
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
TRANSPORT=libssh2
if [ "${1:-}" = openssh ]; then
	TRANSPORT=openssh
	shift
fi
export TRANSPORT
[ $# -gt 0 ] || set -- .build .build/asan .build/tsan

run() { # PROGRAM...
	out=$("$@" 2>&1)
	status=$?
	printf '%s\n' "$out"
	ok=$(printf '%s\n' "$out" | grep -cE '^(\[       OK \]|ok    )')
	bad=$(printf '%s\n' "$out" | grep -E '^\[  (FAILED|ERROR ) +\] [a-z_]+$' | sort -u | grep -c .)
	[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + ok)) failed=$((failed + bad))
}

for folder; do
	programs=$folder/tests/e2e/session
	[ -x "$programs/program_test" ] || continue
	echo "== $folder"
	case $folder in
	*san) SESSION_MB=20 ;;
	*) SESSION_MB=400 ;;
	esac
	export SESSION_MB
	for test in program forward hostkey login end; do run "$programs/${test}_test"; done
	# Packets are dropped there: in a network of its own.
	# shellcheck disable=SC2016 # for the inner shell
	[ "${folder%tsan}" != "$folder" ] ||
	    run env OWN_NETWORK=1 unshare --net sh -c 'ip link set lo up && exec "$0"' "$programs/fault_test"
	[ $TRANSPORT = libssh2 ] || run "$programs/auto_test"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
