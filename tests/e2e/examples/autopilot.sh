# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # variables of lib.sh; for the inner shell
# examples/autopilot: by hand, two at once, a failure that is told, and then by Debian's cron: AUTOPILOT_CYCLES minutes of it,
# each with a newer base.

# A base in a registry, whose list of packages has httpd in this version; "broken": it has no shell.
push_base() { # VERSION
	local dir=$tmp/base
	mkdir -p "$dir/bin" "$dir/var/lib/dpkg"
	cp /bin/busybox "$dir/bin/busybox"
	ln -sf busybox "$dir/bin/sh"
	ln -sf busybox "$dir/bin/httpd"
	[ "$1" != broken ] || rm "$dir/bin/sh"
	printf 'Package: httpd\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n' "$1" >"$dir/var/lib/dpkg/status"
	printf 'FROM scratch\nCOPY . /\n' | docker build -q -f - -t "$BASE" "$dir" >/dev/null 2>&1
	docker push -q "$BASE" >/dev/null 2>&1 || wrong "base $1 cannot be pushed"
	docker rmi "$BASE" >/dev/null 2>&1
}

# autopilot, with what it says in $out.
fly() { # ARG...
	timeout -k 10 200 ./autopilot "$@" >"$tmp/out" 2>&1 </dev/null
	code=$?
	out=$(cat "$tmp/out")
}

version_on() { # HOST
	on "$1" docker exec pilot.prod.web /bin/busybox sed -n 's/^Version: //p' /var/lib/dpkg/status 2>&1
}

serves() { # VERSION
	local host
	for host in h1 h2; do [ "$(version_on $host)" = "$1" ] && curl -fs --max-time 5 "http://$(address $host):8080/" >/dev/null || return 1; done
}

runs_ended() { # CODE
	grep -c "ended with $1\$" "$STATE/prod.log"
}

# cron, with nobody's tables but this one: in a mount namespace of its own, ended by its pid.
start_cron() {
	mkdir -p "$tmp/cron/crontabs" "$tmp/cron/cron.d"
	printf '# nothing\n' >"$tmp/cron/etc-crontab"
	{
		printf '%s=%s\n' SHELL /bin/sh HOME "$HOME" PATH "$(dirname "$SHIPIT"):/usr/sbin:/usr/bin:/sbin:/bin" BASE "$BASE" STATE "$STATE" \
		    DOCKER_HOST "$DOCKER_HOST" LAB_SSH_CONFIG "$LAB_SSH_CONFIG" SHIPIT_STORE "$SHIPIT_STORE" XDG_STATE_HOME "$XDG_STATE_HOME" \
		    MAIL_TO you@example.com SENDMAIL "$SENDMAIL"
		# The example's own line, each minute.
		sed -n "s|^17 4 \* \* 0 .*\"\$HOME/autopilot/autopilot\"|* * * * * $example/autopilot|p" crontab
	} >"$tmp/cron/crontabs/root"
	chmod 600 "$tmp/cron/crontabs/root"
	unshare --mount --propagation private sh -c '
		mount -t tmpfs tmpfs /run && mount --bind "$1/cron.d" /etc/cron.d && mount --bind "$1/etc-crontab" /etc/crontab &&
		mount --bind "$1/crontabs" /var/spool/cron/crontabs && exec cron -f' sh "$tmp/cron" >"$tmp/cron.log" 2>&1 &
	cron=$!
	tail -n 1 "$tmp/cron/crontabs/root" | grep -q '^\* \* \* \* \* .* prod$' || wrong 'the crontab has no line that could be tried'
}

begin 'autopilot: units that systemd takes'
mkdir -p "$tmp/units"
cp shipit-refresh@.* "$tmp/units"
sed -i "s|%h/autopilot/autopilot|$example/autopilot|" "$tmp/units/shipit-refresh@.service"
systemd-analyze verify --man=no "$tmp/units/shipit-refresh@prod.timer" "$tmp/units/shipit-refresh@prod.service" >"$tmp/out" 2>&1 || wrong 'it does not'
systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' shipit-refresh@.timer)" >>"$tmp/out" 2>&1 || wrong 'no such time'

begin 'autopilot: a deploy, and a refresh by hand that says nothing'
registry_up
export BASE=$LAB_REGISTRY/base:1 STATE=$tmp/autopilot SENDMAIL=$tmp/sendmail
printf '#!/bin/sh\ncat >%s/mail\n' "$tmp" >"$SENDMAIL"
chmod +x "$SENDMAIL"
[ "$(basename "$SHIPIT")" = shipit ] || wrong 'the program has another name'
PATH=$(dirname "$SHIPIT"):$PATH
push_base 1
shipit deploy prod
want_code 0
serves 1 || wrong 'it does not serve'
push_base 2
fly prod
want_code 0
want_same 'what it says' '' "$out"
serves 2 || wrong 'the newer base is not there'
grep -qF 'web: httpd 1 → 2' "$STATE/prod.log" || wrong 'the log has no packages'
grep -qF 'httpd 1' "$STATE/prod.html" || wrong 'the page has no packages'

begin 'autopilot: not two at once'
flock --close "$STATE/prod.lock" sleep 60 &
holder=$!
until_true 10 sh -c "! flock -n '$STATE/prod.lock' true" || wrong 'the lock is not held'
fly prod
want_code 75
want_out 'another refresh of prod is still at work'
kill "$holder"
wait "$holder" 2>/dev/null
until_true 10 flock -n "$STATE/prod.lock" true || wrong 'the lock is still held'

begin 'autopilot: a base that breaks it is told by mail, or printed for cron, and the old release serves'
push_base broken
fly prod
want_code 1
want_out 'ended with 1. Its last words:' '/bin/sh'
serves 2 || wrong 'the old release does not serve'
printf 'Broken once more.\n' >index.html
MAIL_TO=you@example.com fly prod
want_code 1
want_same 'what it says' '' "$out"
for text in 'To: you@example.com' 'Subject: refresh of prod failed (1)' "$STATE/prod.html"; do
	grep -qF "$text" "$tmp/mail" || wrong "not in the mail: $text"
done

begin "autopilot: by cron, ${AUTOPILOT_CYCLES:-1} times, each with a newer base"
rm -f "$tmp/mail"
ended=$(runs_ended 0)
start_cron
for cycle in $(seq "${AUTOPILOT_CYCLES:-1}"); do
	push_base "3.$cycle"
	until_true 150 serves "3.$cycle" || { wrong "cycle $cycle: the newer base is not there"; break; }
	until_true 60 sh -c "[ \"\$(grep -c 'ended with 0\$' '$STATE/prod.log')\" -ge $((ended + cycle)) ]" || wrong "cycle $cycle: it did not end well"
done
kill "$cron"
wait "$cron" 2>/dev/null
tail -n 30 "$STATE/prod.log" >"$tmp/out"
[ ! -e "$tmp/mail" ] || wrong "a mail: $(cat "$tmp/mail")"
until_true 100 flock -n "$STATE/prod.lock" true || wrong 'something is still at work'
