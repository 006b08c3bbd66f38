# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2030,SC2031
# Secrets: that they arrive as they are, that changing one is a change, and that they are nowhere
# else. Each value has the word in it that is looked for.

word=zebra7731

secret_values() { # SUFFIX
	secret_env="it's \"$word\" \$HOME \`id\` $1
and a second line"
	export SHIPIT_TEST_DB_URL=$secret_env
	printf -- '-----BEGIN KEY-----\n%s %s\n\n-----END KEY-----\n' "$word" "$1" >"$tmp/secret/tls.key"
	printf '\001\377\000%s %s\n\r\n' "$word" "$1" >"$tmp/secret/bytes"
	printf '\t%s \033[1mé' "$word" >"$tmp/secret/token"
}

with_secrets() { # IMAGE [LINE...]
	local image=$1
	shift
	mkdir -p "$tmp/sec"
	{
		cat <<-END
			project: sec
			ssh: {config: $LAB_SSH_CONFIG}
			secrets:
			  db_url: {env: SHIPIT_TEST_DB_URL}
			  tls.key: {file: ../secret/tls.key}
			  vault: {command: [sh, -c, "cat ../secret/bytes"]}
			  token: {command: [cat, ../secret/token]}
			services:
			  web:
			    image: box:$image
			    ports: ["8097:80"]
			    user: "1000"
			    ready: {running: 1s, timeout: 20s}
			    stop_grace_period: 1s
			    environment: {DB_URL: {secret: db_url}, TOKEN: {secret: token}, PLAIN: x}
			    secrets:
			      - tls.key
			      - {source: vault, target: /www/private/vault, mode: "0440", uid: 1000, gid: 7}
		END
		for line; do printf '    %s\n' "$line"; done
		echo 'hosts: {h1: {}}'
		echo 'environments: {prod: {hosts: [h1]}}'
	} >"$tmp/sec/shipit.yml"
}

sec() { # ARG...
	shipit -f "$tmp/sec/shipit.yml" "$@"
}

in_container() { # WORD...
	on h1 docker exec sec.prod.web /busybox "$@"
}

secrets_arrived() {
	want_same 'the variable' "$secret_env" "$(in_container sh -c 'printf "%s" "$DB_URL"')"
	want_same 'the other variable' "$(printf '\t%s \033[1mé' $word)" "$(in_container sh -c 'printf "%s" "$TOKEN"')"
	want_same 'the file' "$(sha256sum <"$tmp/secret/tls.key")" "$(in_container cat /run/secrets/tls.key | sha256sum)"
	want_same 'the bytes' "$(sha256sum <"$tmp/secret/bytes")" "$(in_container cat /www/private/vault | sha256sum)"
	want_same 'its mode and owner' '440 1000 7' "$(in_container stat -c '%a %u %g' /www/private/vault)"
	want_same "the other's mode and owner" '444 0 0' "$(in_container stat -c '%a %u %g' /run/secrets/tls.key)"
}

# All command lines of this machine, and so of the hosts on it, over and over; and what the host has
# in /run and /tmp.
watch_processes() {
	while [ ! -e "$tmp/watched" ]; do
		grep -lsaF "$word" /proc/[0-9]*/cmdline >>"$tmp/seen"
		echo x >>"$tmp/looks"
	done
}

nowhere() { # WHAT COMMAND...: its output has no secret
	local what=$1
	shift
	"$@" >"$tmp/searched" 2>&1
	[ -s "$tmp/searched" ] || wrong "$what: nothing to be searched"
	! grep -qaF "$word" "$tmp/searched" || wrong "$what has a secret: $(grep -aF "$word" "$tmp/searched" | head -n 3)"
}

other_containers() {
	on h1 sh -c 'for c in $(docker ps -aq); do
		[ "$(docker inspect -f "{{index .Config.Labels \"dev.shipit.service\"}}" $c)" = web ] || docker inspect $c; done'
}

files_of_host() {
	echo searched
	on h1 sh -c "grep -rlsaF $word / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=dev --exclude-dir=$(basename "$engine_root")"
}

files_of_laptop() {
	echo searched
	grep -rlsaF "$word" "$tmp" --exclude-dir=secret --exclude-dir=lab --exclude-dir=sec --exclude=searched
}

test_secrets() {
	local old events runs
	mkdir -p "$tmp/secret"
	make_box secret || wrong 'no image'

	begin 'secrets: variables and files, of every source, as they are'
	secret_values one
	with_secrets v1
	events=$(date +%s.%N)
	rm -f "$tmp/watched" "$tmp/seen" "$tmp/looks"
	watch_processes &
	sec -vv deploy prod
	touch "$tmp/watched"
	wait $!
	want_code 0
	want_out 'secrets: ok'
	secrets_arrived
	nowhere 'what -vv says' cat "$tmp/out"

	begin 'secrets: nowhere but in the container'
	[ "$(wc -l <"$tmp/looks")" -gt 20 ] || wrong "looked only $(wc -l <"$tmp/looks") times"
	[ ! -s "$tmp/seen" ] || wrong "a command line has one: $(cat "$tmp/seen")"
	nowhere 'another container' other_containers
	nowhere 'its labels' inspect h1 '{{json .Config.Labels}}' sec.prod.web
	nowhere 'an event' on h1 docker events --since "$events" --until "$(date +%s.%N)"
	nowhere 'the ledger' on h1 docker cp sec.prod.shipit:/ledger -
	nowhere 'a dry run' "$SHIPIT" -f "$tmp/sec/shipit.yml" deploy prod --dry-run
	nowhere 'a dry run with --force' "$SHIPIT" -f "$tmp/sec/shipit.yml" deploy prod --dry-run --force
	nowhere '--json' "$SHIPIT" -f "$tmp/sec/shipit.yml" deploy prod --json
	nowhere 'config' "$SHIPIT" -f "$tmp/sec/shipit.yml" config prod
	nowhere 'status' "$SHIPIT" -f "$tmp/sec/shipit.yml" status prod --json
	nowhere 'history' "$SHIPIT" -f "$tmp/sec/shipit.yml" history prod --json
	engine_root=$(on h1 docker info -f '{{.DockerRootDir}}')
	nowhere 'a file of the host' files_of_host
	nowhere "a file of the laptop's" files_of_laptop
	on h1 grep -qrsaF "$word" "$engine_root" || wrong "it is not even in the engine's store: the search finds nothing"

	begin 'secrets: without a change nothing is replaced, and a dry run says what it takes to make it'
	old=$(inspect h1 '{{.Id}}' sec.prod.web)
	sec deploy prod
	want_code 0
	want_out unchanged
	want_same 'the container' "$old" "$(inspect h1 '{{.Id}}' sec.prod.web)"
	sec deploy prod --dry-run --force
	want_out '--env DB_URL --env TOKEN' 'the secret tls.key is put into it as /run/secrets/tls.key'

	begin 'secrets: another value is another release'
	secret_values two
	sec deploy prod
	want_code 0
	[ "$old" != "$(inspect h1 '{{.Id}}' sec.prod.web)" ] || wrong 'the container is the same'
	secrets_arrived

	begin 'secrets: rollback to the retained container needs none of them'
	unset SHIPIT_TEST_DB_URL
	mv "$tmp/secret" "$tmp/secret.away"
	sec rollback prod
	want_code 0
	want_same 'the container' "$old" "$(inspect h1 '{{.Id}}' sec.prod.web)"
	sec rollback prod
	want_code 0

	begin 'secrets: one that cannot be had ends it before anything is done'
	sec deploy prod
	want_code 2
	want_out 'the secret db_url cannot be had: the variable SHIPIT_TEST_DB_URL is not set here'
	want_not_out connect
	mv "$tmp/secret.away" "$tmp/secret"

	begin 'secrets: a rollback that has to make the container again wants them, and names what changed'
	old=$(inspect h1 '{{index .Config.Labels "dev.shipit.release"}}' "$old")
	on h1 docker rm "sec.prod.web.$old" >/dev/null
	runs=$(inspect h1 '{{.Id}} {{.State.StartedAt}}' sec.prod.web)
	sec rollback prod
	want_code 2
	want_out 'the secret db_url cannot be had'
	want_same 'what runs' "$runs" "$(inspect h1 '{{.Id}} {{.State.StartedAt}}' sec.prod.web)"
	secret_values two
	printf 'as before %s' $word >"$tmp/secret/bytes"
	sec rollback prod
	want_code 0
	want_out 'with the secret db_url as it is now' 'with the secret vault as it is now'
	want_not_out 'secret token as'
	secrets_arrived

	begin 'secrets: `before` has them, and what a program says of them is not told'
	with_secrets v1 'before: [/busybox, sh, -c, "echo has: $$TOKEN; cat /run/secrets/tls.key | /busybox wc -c"]'
	secret_values three
	sec deploy prod --force
	want_code 0
	want_out 'has: ****' "$(wc -c <"$tmp/secret/tls.key")"
	nowhere 'what it said' cat "$tmp/out"
	with_secrets v1 'command: [/busybox, sh, -c, "echo connecting with $$DB_URL; exit 3"]'
	sec deploy prod
	want_code 1
	want_out 'connecting with ****' 'exited 3'
	nowhere 'what it said' cat "$tmp/out"
	nowhere 'the ledger' on h1 docker cp sec.prod.shipit:/ledger -

	begin 'secrets: a crash leaves no core file with them'
	with_secrets v1
	mkdir -p "$tmp/core"
	(cd "$tmp/core" && ulimit -c unlimited && sh -c 'kill -ABRT $$' 2>/dev/null)
	if [ "$(cat /proc/sys/kernel/core_pattern)" = core ] && ! ls "$tmp/core"/core* >/dev/null 2>&1; then
		wrong 'nothing leaves a core file here: the search finds nothing'
	fi
	rm -f "$tmp/core"/core*
	(
		cd "$tmp/core" && ulimit -c unlimited
		SHIPIT_STOP_AT=create:ok "$SHIPIT" -f "$tmp/sec/shipit.yml" deploy prod --force >"$tmp/out" 2>&1 </dev/null &
		until_true 60 is_stopped $! || exit 1
		kill -ABRT $! && kill -CONT $!
		wait $!
	)
	want_same 'its end' 134 $?
	! ls "$tmp/core"/core* >/dev/null 2>&1 || wrong 'there is a core file'
	until_true 60 deployed
	want_code 0
	unset SHIPIT_TEST_DB_URL
}

# What nobody needs is gone from the host, and somebody else wants to go back.
test_pruned() {
	local v1 v2 bob=$tmp/bob home=$XDG_STATE_HOME store=$SHIPIT_STORE
	mkdir -p "$tmp/secret" "$bob/sec"
	secret_values one
	cp -r "$tmp/secret" "$bob/secret"
	with_secrets v1
	on h1 docker rm -f sec.prod.web >/dev/null 2>&1
	sec deploy prod
	v1=$(current_release h1 sec.prod.web)
	with_secrets v2
	sec deploy prod
	v2=$(current_release h1 sec.prod.web)
	[ "$v1" != "$v2" ] || wrong 'one release'
	"$LAB" user h1 bob --docker >/dev/null || wrong 'no user'
	sed 's/^\([[:space:]]*User\) .*/\1 bob/I' "$LAB_SSH_CONFIG" >"$bob/ssh_config"

	begin 'after docker system prune -af: from another laptop a precise refusal, and the old one serves'
	on h1 docker system prune -af >/dev/null || wrong 'no prune'
	sed "s|$LAB_SSH_CONFIG|$bob/ssh_config|" "$tmp/sec/shipit.yml" >"$bob/sec/shipit.yml"
	export XDG_STATE_HOME=$bob/state SHIPIT_STORE=$bob/store.db
	HOME=$bob shipit -f "$bob/sec/shipit.yml" rollback prod
	want_code 1
	want_out "release $v1 of web is not on this host" 'not in the store of this machine, either'
	want_same 'what runs' "$v2" "$(current_release h1 sec.prod.web)"
	want_body h1 v2 8097
	[ ! -e "$bob/store.db" ] || wrong 'it made a store'

	begin 'and where the image can be had it goes back, secrets and all'
	export SHIPIT_STORE=$store
	HOME=$bob shipit -f "$bob/sec/shipit.yml" rollback prod --dry-run
	want_code 0
	want_out 'after delivering its image'
	HOME=$bob shipit -f "$bob/sec/shipit.yml" rollback prod
	want_code 0
	want_out 'deliver web: ok'
	want_body h1 v1 8097
	want_same 'the release' "$v1" "$(current_release h1 sec.prod.web)"
	secrets_arrived

	begin 'and from there without the secrets: refused, and it serves on'
	on h1 docker rm "sec.prod.web.$v2" >/dev/null
	unset SHIPIT_TEST_DB_URL
	HOME=$bob shipit -f "$bob/sec/shipit.yml" rollback prod
	want_code 2
	want_out "release $v2 of web cannot be made again" 'the secret db_url cannot be had'
	want_body h1 v1 8097
	export XDG_STATE_HOME=$home
}

# The lock goes with the keeper, which may live a little longer than what started it.
deployed() {
	sec deploy prod
	[ "$code" != 5 ]
}

is_stopped() { # PID
	[ "$(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null)" = T ]
}
