# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# examples/attachments: large files through little memory, and no acknowledged upload lost, whatever happens in
# the middle of it.

web=attachments.prod.web

# What SQLite on the host says about the database in the volume.
rows() { # QUERY
	# shellcheck disable=SC2016 # for the inner shell
	on h1 sh -c '/usr/bin/python3 -c "import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row)" \
	    "$(docker volume inspect -f "{{.Mountpoint}}" attachments.prod.data)/attachments.db" "$1"' sh "$1"
}

well() { # PORT
	curl -fs --max-time 5 "http://$(address h1):$1/healthz" >/dev/null
}

answers_as() { # RELEASE
	for port in 8080 8081; do
		want_same "who answers at $port" "release $1 is well" "$(curl -s "http://$(address h1):$port/healthz")"
	done
}

uploads_begin() { # FILE
	uploads=$1
	: >"$uploads"
	exec {uploads_in}> >(exec "$root/tests/e2e/examples/attachments_load.py" upload "$(address h1)" 8080 8081 "$uploads")
	uploader=$!
	until_true 20 acknowledged 10 || wrong 'hardly any upload is acknowledged'
}

acknowledged() { # HOW MANY
	[ "$(grep -c '^acknowledged' "$uploads")" -ge "$1" ]
}

uploads_end() {
	exec {uploads_in}>&-
	until_true 60 uploads_ended || wrong 'the uploads do not end'
	echo "$(grep -c '^acknowledged' "$uploads") uploads acknowledged, $(grep -c '^broken' "$uploads") broken off"
}

uploads_ended() {
	! kill -0 "$uploader" 2>/dev/null
}

all_there() {
	grep -vE '^(failed|broken)' "$uploads" >"$tmp/out" # shown when something is wrong
	want_same 'acknowledged uploads that are not as they were' '' \
	    "$("$root/tests/e2e/examples/attachments_load.py" check "$(address h1)" 8080 "$uploads" 2>&1 | head -n 10)"
}

# SIGKILL to the program in a container; the engine starts it again.
murder() { # CONTAINER PORT
	local before
	before=$(inspect h1 '{{.State.Pid}}' "$1")
	on h1 kill -9 "$before"
	until_true 10 another "$1" "$before" || wrong "$1 was not started again"
	until_true 30 well "$2" || wrong "$1 does not answer any more"
}

another() { # CONTAINER PID
	local now
	now=$(inspect h1 '{{.State.Pid}}' "$1")
	[ "$now" != 0 ] && [ "$now" != "$2" ]
}

begin 'attachments: two containers, one database'
build
# So that what was broken off is removed while we wait.
sed -i 's/^    ports: \["8080:8080"\]/&\n    environment: {SILENCE: "3"}/' shipit.yml
shipit check prod
want_code 0
shipit deploy prod
want_code 0
if ! well 8080 || ! well 8081; then
	wrong 'it does not answer'
	return
fi
echo 'for <you>' >"$tmp/a b.txt"
want_same 'the answer to an upload' "1 $(sha256sum <"$tmp/a b.txt" | cut -d ' ' -f 1)" \
    "$(curl -sS -F "file=@$tmp/a b.txt" "http://$(address h1):8080/")"
want_same 'what the other container has' 'for <you>' "$(curl -sS "http://$(address h1):8081/files/1")"
curl -sS "http://$(address h1):8081/" | grep -qF '<a href="/files/1">a b.txt</a>' || wrong 'the page does not show it'
want_same 'a form without a file' 400 \
    "$(curl -sS -o /dev/null -w '%{http_code}' -F file=x "http://$(address h1):8080/")"
want_same 'two files' 400 "$(curl -sS -o /dev/null -w '%{http_code}' -F file=@/etc/passwd -F file=@/etc/group "http://$(address h1):8080/")"

begin 'attachments: 200 MB up and down through 64 MB of memory'
want_same 'the limit' "$((64 << 20)) $((64 << 20))" "$(inspect h1 '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $web)"
head -c 200M /dev/urandom >"$tmp/large"
digest=$(sha256sum <"$tmp/large" | cut -d ' ' -f 1)
for port in 8080 8081; do
	curl -sS -F "file=@$tmp/large" "http://$(address h1):$port/" &
done >"$tmp/answers"
# shellcheck disable=SC2046 # numbers
wait $(jobs -p)
want_same 'uploads, two at a time' 2 "$(grep -c " $digest\$" "$tmp/answers")"
large=$(head -n 1 "$tmp/answers" | cut -d ' ' -f 1)
for port in 8080 8081; do
	want_same "what is downloaded from $port" "$digest" \
	    "$(curl -sS "http://$(address h1):$port/files/$large" | sha256sum | cut -d ' ' -f 1)"
done
want_same 'the last 50 MB of it' "$(tail -c 50M "$tmp/large" | sha256sum)" \
    "$(curl -sS -r $((150 << 20))- "http://$(address h1):8080/files/$large" | sha256sum)"
for name in $web ${web}2; do
	want_same "$name killed for want of memory, and restarts" 'false 0' \
	    "$(inspect h1 '{{.State.OOMKilled}} {{.RestartCount}}' "$name")"
done
rm "$tmp/large"

begin 'attachments: deploy and rollback in the middle of uploads'
uploads_begin "$tmp/uploads.deploy"
RELEASE=two shipit deploy prod
want_code 0
answers_as two
shipit rollback prod
want_code 0
answers_as one
uploads_end
all_there

begin 'attachments: kill -9 in the middle of uploads'
uploads_begin "$tmp/uploads.kill"
for _ in 1 2 3; do
	murder $web 8080
	murder ${web}2 8081
done
uploads_end
grep -q '^broken' "$uploads" || wrong 'no upload was broken off'
all_there
uploads=$tmp/uploads.deploy
all_there

begin 'attachments: of what was broken off nothing is left'
want_same 'the database' ok "$(rows 'PRAGMA integrity_check')"
sleep 13 # more than four times SILENCE
shipit restart prod
want_code 0
want_same 'files without an end' 0 "$(rows 'SELECT count(*) FROM file WHERE sha256 IS NULL')"
want_same 'pieces of no file' 0 "$(rows 'SELECT count(*) FROM piece WHERE file NOT IN (SELECT id FROM file)')"
want_same 'files whose pieces are not all of them' 0 \
    "$(rows 'SELECT count(*) FROM file WHERE size != (SELECT coalesce(sum(length(data)), 0) FROM piece WHERE file = file.id)')"
all_there

begin 'attachments: no file but the database, and the limit is one'
want_same 'what the container changed' '' "$(on h1 docker diff $web)"
shipit exec prod web -- /usr/bin/python3 -c 'open("/other", "w")'
want_code 1
want_out 'Read-only file system'
shipit exec prod web -- /usr/bin/python3 -c 'b"x" * (80 << 20)'
want_code 137
