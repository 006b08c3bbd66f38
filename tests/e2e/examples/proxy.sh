# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# examples/proxy: releases that are replaced behind a proxy, under load. Nothing is lost, nothing is
# made twice.

RATE=200 RELEASES=10

front() { # RELEASE ARG...
	RELEASE=$1 shipit "${@:2}"
}

start_load() {
	exec {load_in}> >(exec "$root/tests/e2e/examples/proxy_load.py" "$(address h1)" 8080 $RATE "$tmp/asked")
	load=$!
}

stop_load() {
	exec {load_in}>&-
	until_true 60 gone "$load" || wrong 'the load does not end'
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

counted() { # by the application: number and release
	# shellcheck disable=SC2016 # for the inner shell
	on h1 sh -c 'cat "$(docker volume inspect -f "{{.Mountpoint}}" front.prod.data)/seen"'
}

begin 'proxy: as its page says'
build
front r0 deploy prod
want_code 0
want_body h1 r0

begin "proxy: $RELEASES releases in a row under $RATE requests a second, a third of them POSTs"
start_load
until_true 20 test -s "$tmp/asked" || wrong 'no answer'
for ((i = 1; i <= RELEASES; i++)); do
	front r$i deploy prod app
	want_code 0
done
stop_load
counted >"$tmp/counted"
sort "$tmp/asked" >"$tmp/out" # shown when something is wrong
grep -vE '^(GET|POST) [0-9]+ 200 ' "$tmp/asked" | head -n 20 >"$tmp/bad"
want_same 'requests that were not answered well' '' "$(cat "$tmp/bad")"
want_same 'numbers counted twice' '' "$(cut -d ' ' -f 1 "$tmp/counted" | sort | uniq -d | head -n 5)"
want_same 'numbers lost, or counted without an answer' '' \
    "$(diff <(awk '$1 == "POST" { print $2 }' "$tmp/asked" | sort) <(cut -d ' ' -f 1 "$tmp/counted" | sort) | head -n 10)"
want_same 'releases that answered' $((RELEASES + 1)) "$(awk '$1 == "GET" { print $4 }' "$tmp/asked" | sort -u | wc -l)"
asked=$(wc -l <"$tmp/asked")
posts=$(wc -l <"$tmp/counted")
if [ "$posts" -lt 100 ] || [ "$posts" -lt $((asked / 3 - 1)) ]; then wrong "only $posts POSTs of $asked requests"; fi
echo "$asked requests, $posts of them POSTs, in $(($(date +%s) - begun)) s"

begin 'proxy: a release that is not ready, under load'
rm "$tmp/asked"
start_load
until_true 20 test -s "$tmp/asked" || wrong 'no answer'
sed -i 's|:80/healthz|:80/nothere|; s|running: 1s|running: 0s, timeout: 4s|' shipit.yml
front bad deploy prod app
want_code 1
stop_load
want_same 'requests that were not answered well' '' "$(grep -vE '^(GET|POST) [0-9]+ 200 ' "$tmp/asked" | head -n 5)"
[ "$(wc -l <"$tmp/asked")" -ge 100 ] || wrong 'hardly anything was asked'
want_body h1 r$RELEASES
