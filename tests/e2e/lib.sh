# shellcheck shell=bash disable=SC2034
# What the end-to-end tests over a lab share: a lab of their own, an engine and a store for this
# side, images, and words for what is expected. Sourced by them; needs bash.

set -u
PATH=/usr/bin:/usr/sbin:/bin:/sbin
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
SHIPIT=$(realpath "${SHIPIT:-$root/shipit}")
LAB=$root/tests/lab/lab
export PATH SHIPIT

passed=0 failed=0 current='' bad=''
tmp=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX")
export SHIPIT_LAB=$tmp/lab XDG_STATE_HOME=$tmp/state SHIPIT_STORE=$tmp/store/store.db
export ASAN_OPTIONS=detect_leaks=1 TSAN_OPTIONS="halt_on_error=0 exitcode=66 suppressions=$root/tests/tsan.supp"

# shellcheck disable=SC2317 # called by trap
clean_up() {
	jobs -p | xargs -r kill 2>/dev/null
	"$LAB" down --dir "$SHIPIT_LAB" >/dev/null 2>&1
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

lab_up() { # HOSTS
	"$LAB" up "$1" --owner $$ --dir "$SHIPIT_LAB" >"$tmp/lab.log" 2>&1 &&
	    "$LAB" engine up >>"$tmp/lab.log" 2>&1 || {
		cat "$tmp/lab.log"
		echo '0 passed, 1 failed'
		exit 1
	}
	eval "$("$LAB" env)"
}

# A registry that is not ours, at $LAB_REGISTRY.
registry_up() {
	"$LAB" registry up >>"$tmp/lab.log" 2>&1 || {
		cat "$tmp/lab.log"
		echo '0 passed, 1 failed'
		exit 1
	}
	eval "$("$LAB" env)"
}

address() { # HOST
	local name=LAB_ADDR_$1
	echo "${!name}"
}

on() { # HOST COMMAND...: as root on the host
	"$LAB" exec "$@"
}

# --- images

# box:TAG - busybox, serving TAG over HTTP; more files from the folder given.
make_box() { # TAG [FOLDER]
	local dir=$tmp/image.$1
	mkdir -p "$dir/www"
	cp /bin/busybox "$dir/busybox"
	echo "$1" >"$dir/www/index.html"
	[ -z "${2-}" ] || cp -r "$2/." "$dir"
	printf 'FROM scratch\nCOPY . /\nCMD ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]\n' >"$dir/Dockerfile"
	docker build -q -t "box:$1" "$dir" >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; return 1; }
	rm -rf "$dir"
}

# --- running shipit

# shipit ARG...: its output in $out, its exit code in $code.
shipit() {
	timeout -k 10 "${limit:-300}" "$SHIPIT" "$@" >"$tmp/out" 2>&1 </dev/null
	code=$?
	out=$(tr -d '\0' <"$tmp/out")
	case " $* " in *' --json '*) grep -a '^{"time"' "$tmp/out" >>"$tmp/json.all" ;; esac
	if grep -qE 'Sanitizer|runtime error:' "$tmp/out"; then
		wrong 'a sanitizer complains'
	fi
}

# --- what is expected

begin() { # NAME
	finish
	current=$1 bad=''
	begun=$(date +%s)
}

wrong() { # TEXT
	bad="$bad
    $1"
}

finish() {
	[ -n "$current" ] || return 0
	if [ -z "$bad" ]; then
		passed=$((passed + 1))
		printf 'ok %s (%d s)\n' "$current" $(($(date +%s) - begun))
	else
		failed=$((failed + 1))
		printf 'FAIL %s (%d s)%s\n' "$current" $(($(date +%s) - begun)) "$bad"
		sed 's/^/    | /' "$tmp/out" 2>/dev/null | tail -n 60
	fi
	current=''
}

# All that was said with --json, against docs/events.schema.json.
check_json() {
	[ -s "$tmp/json.all" ] || return 0
	begin 'what was said with --json holds to its schema'
	"$root/tests/e2e/json_check.py" "$tmp/json.all" >"$tmp/out" 2>&1 || wrong 'some of it does not'
}

totals() {
	check_json
	finish
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

want_code() { # CODE
	[ "$code" = "$1" ] || wrong "exit $code instead of $1"
}

want_out() { # TEXT...: each in the output
	local text
	for text; do
		grep -qF -- "$text" "$tmp/out" || wrong "not said: $text"
	done
}

want_not_out() { # TEXT...
	local text
	for text; do
		! grep -qF -- "$text" "$tmp/out" || wrong "said: $text"
	done
}

want_same() { # WHAT EXPECTED ACTUAL
	[ "$2" = "$3" ] || wrong "$1: expected $2, is $3"
}

# until_true SECONDS COMMAND...
until_true() {
	local end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.1
	done
}

body() { # HOST [PORT]
	curl -s --max-time 5 "http://$(address "$1"):${2:-8080}/"
}

want_body() { # HOST TEXT [PORT]
	local got end=$(($(date +%s) + 10))
	until got=$(body "$1" "${3:-8080}") && [ "$got" = "$2" ]; do
		[ "$(date +%s)" -lt "$end" ] || break
		sleep 0.1
	done
	want_same "what $1 answers" "$2" "$got"
}

inspect() { # HOST FORMAT NAME
	on "$1" docker inspect -f "$2" "$3" 2>&1
}
