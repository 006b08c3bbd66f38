# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Rollouts beside each other, keys that are not right, shells that are not sh, and help.

# A rollout that takes a while: its healthcheck is slow.
slow_inventory() { # FILE IMAGE
	project=lock write_inventory "$1" "$2" 'ports: ["8087:80"]' \
	    'healthcheck: {test: [CMD, /busybox, "true"], interval: 4s}'
}

test_locks() {
	begin 'a second rollout ends with exit 5 and names who holds the lock'
	slow_inventory "$tmp/lock/shipit.yml" box:v1
	"$SHIPIT" -f "$tmp/lock/shipit.yml" deploy prod --json >"$tmp/first.json" 2>&1 &
	local first=$!
	until_true 30 grep -q '"step": *"create"' "$tmp/first.json" || wrong 'the first does not begin'
	mkdir -p "$tmp/lock2"
	sed 's/box:v1/box:v2/' "$tmp/lock/shipit.yml" >"$tmp/lock2/shipit.yml"
	shipit -f "$tmp/lock2/shipit.yml" deploy prod
	want_code 5
	want_out 'lock.prod' "$(id -un)@" "$(date -u +%Y-%m-%dT)"
	wait $first
	want_same 'exit of the first' 0 $?
	for h in h1 h2 h3; do want_body $h v1 8087; done

	begin 'two rollouts started in the same second: never a mixture'
	local round a b
	for round in 1 2 3 4; do
		slow_inventory "$tmp/lock/shipit.yml" "box:v$((round % 2 + 2))"
		slow_inventory "$tmp/lock2/shipit.yml" box:v1
		"$SHIPIT" -f "$tmp/lock/shipit.yml" deploy prod >"$tmp/a.out" 2>&1 &
		local pid=$!
		shipit -f "$tmp/lock2/shipit.yml" deploy prod
		b=$code
		wait $pid
		a=$?
		case $a:$b in
		0:5 | 5:0 | 0:0) ;;
		*) wrong "exits $a and $b: $(tail -n 5 "$tmp/a.out")" ;;
		esac
		want_same "hosts in round $round" "$(body h1 8087) $(body h1 8087)" "$(body h2 8087) $(body h3 8087)"
	done
}

test_neighbours() {
	begin 'prefixes that look alike do not disturb each other'
	local port=8090 pair
	for pair in a-b:c a:b-c a:c; do
		port=$((port + 1))
		hosts=h1 project=${pair%:*} environment=${pair#*:} write_inventory "$tmp/n/$pair/shipit.yml" "box:v$((port - 8090))" \
		    "ports: [\"$port:80\"]" 'volumes: ["data:/data"]' 'retain: 1'
		shipit -f "$tmp/n/$pair/shipit.yml" deploy "${pair#*:}"
		want_code 0
	done
	want_body h1 v1 8091
	want_body h1 v2 8092
	want_body h1 v3 8093
	on h1 docker run -d --name a.c.web.20260101-000000-abcdef0 --label keep=me \
	    "$(inspect h1 '{{.Image}}' a.c.web)" >/dev/null || wrong 'no neighbour'
	on h1 docker tag "$(inspect h1 '{{.Image}}' a.c.web)" localhost/shipit/a.c.webby:20260101-000000-abcdef0
	for image in v2 v1; do
		hosts=h1 project=a environment=c write_inventory "$tmp/n/a:c/shipit.yml" box:$image 'ports: ["8093:80"]' \
		    'volumes: ["data:/data"]' 'retain: 1'
		shipit -f "$tmp/n/a:c/shipit.yml" deploy c
		want_code 0
	done
	want_body h1 v1 8091
	want_body h1 v2 8092
	want_body h1 v1 8093
	want_same 'the neighbour' running "$(inspect h1 '{{.State.Status}}' a.c.web.20260101-000000-abcdef0)"
	want_same 'its image' 1 "$(on h1 docker images -q localhost/shipit/a.c.webby | wc -l)"
	want_same 'networks' 'a-b.c.default a.b-c.default a.c.default ' \
	    "$(on h1 docker network ls --format '{{.Name}}' | grep '^a[-.].*default' | LC_ALL=C sort | tr '\n' ' ')"
	on h1 docker rm -f a.c.web.20260101-000000-abcdef0 >/dev/null
}

# --- host keys

test_host_keys() {
	mkdir -p "$tmp/keys"
	hosts=h1 project=keys write_inventory "$tmp/keys/shipit.yml" box:v1
	sed -e "s|UserKnownHostsFile .*|UserKnownHostsFile $tmp/keys/known|I" -e 's/StrictHostKeyChecking .*/StrictHostKeyChecking ask/I' \
	    "$LAB_SSH_CONFIG" >"$tmp/keys/ssh_config"
	sed -i "s|$LAB_SSH_CONFIG|$tmp/keys/ssh_config|" "$tmp/keys/shipit.yml"
	local offered fake
	offered=$(ssh-keygen -lf "$LAB_KNOWN_HOSTS" | grep -F "$(address h1)" | grep ED25519 | grep -o 'SHA256:[^ ]*')

	begin 'an unknown host key: no login is tried, the fingerprint and the way out are shown'
	: >"$tmp/keys/known"
	on h1 sh -c 'cat /proc/uptime' >/dev/null
	logins=$(sshd_logins)
	shipit -f "$tmp/keys/shipit.yml" deploy prod
	[ "$code" = 1 ] || [ "$code" = 4 ] || wrong "exit $code"
	want_out "$offered" 'is not known' 'ssh h1'
	[ "$logins" -gt 0 ] || wrong 'the log of sshd tells of no login at all'
	want_same 'login attempts' "$logins" "$(sshd_logins)"

	begin 'a changed host key: both fingerprints are shown, and no login is tried'
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/keys/other"
	printf '%s %s\n' "$(address h1)" "$(cut -d' ' -f1,2 "$tmp/keys/other.pub")" >"$tmp/keys/known"
	fake=$(ssh-keygen -lf "$tmp/keys/other.pub" | cut -d' ' -f2)
	logins=$(sshd_logins)
	shipit -f "$tmp/keys/shipit.yml" deploy prod
	[ "$code" = 1 ] || [ "$code" = 4 ] || wrong "exit $code"
	want_out "$fake" "$offered" 'ssh-keygen -R'
	want_same 'login attempts' "$logins" "$(sshd_logins)"
}

# Lines in the host's sshd log that tell of an authentication, of whatever kind.
sshd_logins() {
	cat "$SHIPIT_LAB"/h1/*.log 2>/dev/null | grep -ciE 'accepted|failed|userauth|invalid user|authentic'
}

# --- shells

shell_case() { # USER SHELL
	begin "login shell $2"
	if ! "$LAB" user h2 "$1" --shell "$2" --docker >/dev/null 2>&1; then
		wrong 'no such user could be made'
		return
	fi
	[ -z "${3-}" ] || on h2 sh -c "$3" || wrong 'could not prepare the home'
	hosts=h2 project=$1 write_inventory "$tmp/$1/shipit.yml" box:v1
	sed 's/^\([[:space:]]*User\) .*/\1 '"$1"'/I' "$LAB_SSH_CONFIG" >"$tmp/$1/ssh_config"
	sed -i "s|$LAB_SSH_CONFIG|$tmp/$1/ssh_config|" "$tmp/$1/shipit.yml"
	shipit -f "$tmp/$1/shipit.yml" deploy prod
	want_code 0
	want_same 'the container' running "$(inspect h2 '{{.State.Status}}' "$1.prod.web")"
}

test_shells() {
	shell_case fisher /usr/bin/fish
	shell_case csher /bin/tcsh
	# shellcheck disable=SC2016 # for the other shell
	shell_case noisy /bin/bash 'home=$(getent passwd noisy | cut -d: -f6); { echo "echo Welcome; echo @shipit is not me"; echo "echo oops >&2"; } >"$home/.bashrc"; cp "$home/.bashrc" "$home/.profile"'

	begin 'docker outside PATH: found by `engine: {command: PATH}`, and the error says so'
	on h3 sh -c 'mkdir -p /odd/bin && cp "$(command -v docker)" /odd/bin/dock' || wrong 'could not copy'
	hosts=h3 project=odd write_inventory "$tmp/odd/shipit.yml" box:v1
	sed -i '2i engine: {command: /odd/dock}' "$tmp/odd/shipit.yml"
	shipit -f "$tmp/odd/shipit.yml" deploy prod
	want_code 1
	want_out 'no command "/odd/dock"' 'engine: {command: PATH}'
	sed -i 's|command: /odd/dock|command: /odd/bin/dock|' "$tmp/odd/shipit.yml"
	shipit -f "$tmp/odd/shipit.yml" deploy prod
	want_code 0
	want_same 'the container' running "$(inspect h3 '{{.State.Status}}' odd.prod.web)"
}

test_help() {
	begin 'every help fits one screen and agrees with the list of commands'
	shipit -h
	want_code 0
	local command
	for command in init check build deploy rollback stop down prune status history config version; do
		want_out "$command"
	done
	for command in '' init check build deploy rollback start stop restart down prune status history config version; do
		# shellcheck disable=SC2086 # none is no word
		shipit $command -h
		want_code 0
		[ "$(wc -l <"$tmp/out")" -le 24 ] || wrong "$command -h has $(wc -l <"$tmp/out") lines"
		[ "$(wc -L <"$tmp/out")" -le 80 ] || wrong "$command -h is $(wc -L <"$tmp/out") columns wide"
	done
	shipit depoly prod
	want_code 2
	want_out deploy
}
