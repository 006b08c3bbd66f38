#!/bin/bash
# Compose projects as they are in public repositories: each deploys, and its services run with what it says, or it
# is refused by the names of exactly the keys that cannot be honoured. Their shapes were written anew; images are the lab's
# own, as there is no registry. In a project's folder `facts` has lines
#
#   SERVICE FORMAT = VALUE    what the engine's inspect says in that format
#   SERVICE FORMAT ~ LINE     a line of that
#
# and `refused` what the messages begin with, all of them.
#
#   compose_projects_test.sh [NAME...]
# shellcheck source-path=SCRIPTDIR disable=SC2154 # lib.sh
. "$(dirname "$0")/lib.sh"
projects=$root/tests/e2e/compose_projects

# lab:latest - runs whatever it is told, serves HTTP on port 80, and has the programs that checks of health ask.
make_lab_image() {
	local dir=$tmp/lab.image name
	mkdir -p "$dir/bin" "$dir/www" "$dir/tmp"
	cp /bin/busybox "$dir/bin/busybox"
	for name in sh sleep httpd nc grep mkdir ps; do
		ln -s busybox "$dir/bin/$name"
	done
	printf '#!/bin/sh\nexit 0\n' >"$dir/bin/pg_isready"
	for name in redis-cli mc curl wget; do
		cp "$dir/bin/pg_isready" "$dir/bin/$name"
	done
	# shellcheck disable=SC2016 # for the inner shell
	printf '#!/bin/sh\ntrap "exit 0" TERM\nhttpd -p 80 -h /www\nsleep 100000 &\nwait $!\n' >"$dir/entry"
	cp "$dir/entry" "$dir/bin/minio"
	echo lab >"$dir/www/index.html"
	printf 'FROM scratch\nCOPY . /\nENTRYPOINT ["/entry"]\n' >"$dir/Dockerfile"
	chmod +x "$dir/entry" "$dir/bin/"*
	docker build -q -t lab:latest "$dir" >"$tmp/out" 2>&1
}

want_fact() { # SERVICE FORMAT HOW VALUE
	local got
	got=$(inspect h1 "$2" "$name.prod.$1")
	case $3 in
	=) want_same "$1: $2" "$4" "${got% }" ;;
	*) grep -qxF -- "$4" <<<"$got" || wrong "$1: $2: no line $4 in $got" ;;
	esac
}

want_running() { # SERVICE...
	local service state
	for service; do
		# shellcheck disable=SC1083 # a format
		state=$(inspect h1 {{.State.Status}} "$name.prod.$service")
		want_same "$service" running "$state"
	done
}

deploys() {
	shipit -f "$tmp/$name/shipit.yml" deploy prod
	want_code 0
	[ "$code" = 0 ] || return 0
	# shellcheck disable=SC2046 # words
	want_running $("$SHIPIT" -f "$tmp/$name/shipit.yml" config prod --json 2>/dev/null | jq -r '.environments.prod.services | keys[]')
	while IFS= read -r line; do
		[[ $line =~ ^([^ ]+)\ (.*)\ ([=~])\ (.*)$ ]] || { wrong "no fact: $line"; continue; }
		want_fact "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}"
	done <"$projects/$name/facts"
	[ -n "$bad" ] || shipit -f "$tmp/$name/shipit.yml" --yes down prod
	want_code 0
}

is_refused() {
	shipit -f "$tmp/$name/shipit.yml" check --offline
	want_code 2
	sed "s|^$tmp/$name/||" "$tmp/out" | grep -E '^[^ :]+:[0-9]+:[0-9]+: ' >"$tmp/said"
	want_same 'the number of mistakes' "$(grep -c . "$projects/$name/refused")" "$(grep -c . "$tmp/said")"
	while IFS= read -r line; do
		grep -qF -- "$line" "$tmp/said" || wrong "not said: $line"
	done <"$projects/$name/refused"
}

lab_up 1
make_lab_image || { cat "$tmp/out"; echo '0 passed, 1 failed'; exit 1; }
for folder in "$projects"/*/; do
	name=$(basename "$folder")
	case " $* " in '  ' | *" $name "*) ;; *) continue ;; esac
	cp -r "$folder" "$tmp/$name"
	echo "ssh: {config: $LAB_SSH_CONFIG}" >>"$tmp/$name/shipit.yml"
	if [ -e "$folder/refused" ]; then
		begin "$name is refused, and why"
		is_refused
	else
		begin "$name deploys"
		deploys
	fi
done
totals
