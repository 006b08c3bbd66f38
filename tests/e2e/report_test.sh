#!/bin/bash
# What a rollout leaves in files: --report, as a browser sees it, and --log-file. One host of the three fails,
# with words in its log that would like to be a script, or to drive a terminal.
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

evil='<script>document.title="owned"</script><img src=x onerror=alert(1)> & "quoted"'

write_inventory() { # VERSION [BROKEN-HOST]
	mkdir -p "$tmp/report"
	file=$tmp/report/shipit.yml
	{
		cat <<-END
			project: report
			ssh: {config: $LAB_SSH_CONFIG}
			services:
			  web:
			    image: box:$1
			    command:
			      - /busybox
			      - sh
			      - -c
			      - |
			        printf '\\033]0;owned\\007\\033[2J%s\\n' "\$\$EVIL"
			        [ -z "\$\$BROKEN" ] || exit 7
			        exec /busybox httpd -f -p 80 -h /www
			    environment: {EVIL: '$evil'}
			    ready: {running: 1s, timeout: 20s}
			    stop_grace_period: 0s
			hosts:
		END
		for h in h1 h2 h3; do
			if [ "$h" = "${2-}" ]; then echo "  $h: {environment: {BROKEN: \"1\"}}"; else echo "  $h: {}"; fi
		done
		echo 'environments: {prod: {hosts: ["*"], rollout: {on_failure: continue}}}'
	} >"$file"
}

test_report() {
	begin 'a report of a rollout with a failure, in a browser at 1280 and 390 pixels, light and dark'
	write_inventory v1
	shipit -f "$file" deploy prod --report "$tmp/first.html" --log-file "$tmp/log"
	want_code 0
	write_inventory v2 h2
	"$LAB" power h3 off
	shipit -f "$file" deploy prod --report "$tmp/second.html" --log-file "$tmp/log"
	want_code 3
	"$LAB" power h3 on
	"$LAB" wait h3
	for page in first second; do
		"$root/tests/e2e/report_check.py" "$tmp/$page.html" h1 h2 h3 >"$tmp/out" 2>&1 || wrong "$page: $(cat "$tmp/out")"
	done

	begin 'what happened is in it; what a container says stays text'
	cp "$tmp/second.html" "$tmp/out"
	want_out 'What went wrong' 'h2: ready' '&lt;script&gt;document.title=&quot;owned&quot;' 'onerror=alert(1)&gt; &amp; ' \
	    '\x1b]0;owned\x07\x1b[2J' 'unreachable' '1 done' '1 reverted' "default-src 'none'" '--retry'
	want_not_out '<script' '<img' $'\033'
	[ ! -e "$tmp/second.html.part" ] || wrong 'a half page is left'
	! grep -q 'What went wrong' "$tmp/first.html" || wrong 'something went wrong in the first, it says'

	begin 'a log file has every step, and the rollouts before'
	cp "$tmp/log" "$tmp/out"
	want_same 'rollouts' 2 "$(grep -c '^== ' "$tmp/log")"
	want_out 'h1: connect: ok' 'h1: swap web: ok' 'h1: commit web: ok' 'deploy prod: 3 done' 'h2: ready web: failed' '1 reverted'
	want_not_out $'\033'

	begin 'where it cannot be written, nothing is begun'
	before=$(inspect h1 '{{.Id}}' report.prod.web)
	write_inventory v1
	shipit -f "$file" deploy prod --report "$tmp/nowhere/x.html"
	want_code 2
	want_out 'cannot write the report'
	shipit -f "$file" deploy prod --log-file "$tmp"
	want_code 2
	want_out 'cannot write the log'
	shipit -f "$file" deploy prod --dry-run --report "$tmp/dry.html"
	want_code 2
	want_out 'a dry run does nothing'
	[ ! -e "$tmp/dry.html" ] || wrong 'there is a report of a dry run'
	want_same 'the container' "$before" "$(inspect h1 '{{.Id}}' report.prod.web)"

	begin 'a full disk at the end costs the page, not the rollout'
	mkdir "$tmp/full"
	mount -t tmpfs -o size=4k,nr_inodes=10 tmpfs "$tmp/full"
	shipit -f "$file" deploy prod --report "$tmp/full/x.html"
	code_was=$code
	umount "$tmp/full"
	code=$code_was
	want_code 0
	want_out 'cannot write the report' '1 done, 2 unchanged'
}

# On a terminal, while the host says it and at the end.
test_escapes() {
	begin 'escapes in logs and errors never reach a terminal raw'
	write_inventory v2 h2
	"$root/tests/e2e/typist.py" -- env TERM=xterm "$SHIPIT" -f "$file" deploy prod >"$tmp/out" 2>&1
	want_same 'exit' 3 $?
	want_out '\x1b]0;owned\x07'
	want_not_out $'\033]0' $'\033[2J' $'\007'
	"$root/tests/e2e/typist.py" -- env TERM=xterm "$SHIPIT" -f "$file" logs prod >"$tmp/out" 2>&1
	want_out '\x1b]0;owned\x07'
	want_not_out $'\033]0' $'\033[2J' $'\007'
}

lab_up 3
make_box v1 && make_box v2 || exit 1
test_report
test_escapes
totals
