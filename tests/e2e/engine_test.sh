#!/bin/sh
# The engine's client against a real dockerd and real registries, in a lab of its own.
#
#   engine_test.sh [NAME...]     engine_test, engine_image_test, engine_ledger_test, engine_receive_test,
#                                import_test; default: all

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
LAB=$root/tests/lab/lab
bin=${BUILD:-$root/.build}/tests/e2e
tmp=$(mktemp -d "${TMPDIR:-/tmp}/engine-test.XXXXXX")
SHIPIT_LAB=$tmp/lab
export LAB SHIPIT_LAB
registry='' podman=''

# shellcheck disable=SC2317
clean_up() {
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || :
	[ -z "$podman" ] || { kill "$podman" && wait "$podman"; } 2>/dev/null || :
	"$LAB" down || :
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

"$LAB" up 1 --dir "$SHIPIT_LAB" --owner $$ >/dev/null
"$LAB" engine up
"$LAB" registry up
eval "$("$LAB" env)"

# A registry that asks for a login. The hash is bcrypt of: one-time pass"word
# shellcheck disable=SC2016
echo 'one-time:$2y$05$abcdefghijklmnopqrstuupPB.Uap8Uj/r3Jka.kSVM4bz3j.u2a.' >"$tmp/htpasswd"
cat >"$tmp/registry.yml" <<-END
version: 0.1
http: {addr: "127.0.0.1:0", secret: test}
auth: {htpasswd: {realm: test, path: $tmp/htpasswd}}
storage: {filesystem: {rootdirectory: $tmp/registry}}
END
docker-registry serve "$tmp/registry.yml" >"$tmp/registry.log" 2>&1 &
registry=$!
tries=0
until LOCKED_REGISTRY=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$tmp/registry.log") &&
	[ -n "$LOCKED_REGISTRY" ]; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || { cat "$tmp/registry.log" >&2; exit 1; }
	sleep 0.1
done
export LOCKED_REGISTRY

# Another engine, with images of its own, where podman is installed.
if command -v podman >/dev/null; then
	mkdir "$tmp/podman"
	podman --root "$tmp/podman/root" --runroot "$tmp/podman/run" --tmpdir "$tmp/podman/tmp" \
	    --storage-driver vfs system service -t 0 "unix://$tmp/podman.sock" >"$tmp/podman.log" 2>&1 &
	podman=$!
	tries=0
	until curl -sf --unix-socket "$tmp/podman.sock" http://d/_ping >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { cat "$tmp/podman.log" >&2; exit 1; }
		sleep 0.1
	done
	export PODMAN_HOST="$tmp/podman.sock"
fi

failed=0
[ $# -gt 0 ] || set -- engine_ledger_test engine_image_test engine_load_test engine_receive_test import_test engine_test
for name; do
	"$bin/$name" || failed=1
done
exit $failed
