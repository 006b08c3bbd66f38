#!/bin/sh
# Sessions against a real sshd, in the plain build and with both sanitizers (those that are built, or
# the folders given). Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
[ $# -gt 0 ] || set -- .build .build/asan .build/tsan

for folder; do
	program=$folder/tests/e2e/session_test
	[ -x "$program" ] || continue
	echo "== $folder"
	case $folder in
	*san) SESSION_MB=20 ;;
	*) SESSION_MB=200 ;;
	esac
	export SESSION_MB
	out=$("$program" 2>&1)
	status=$?
	printf '%s\n' "$out"
	ok=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
	bad=$(printf '%s\n' "$out" | grep -cE '^\[  (FAILED  \] test_|ERROR   \] test_)')
	[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + ok)) failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
