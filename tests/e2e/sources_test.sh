#!/bin/bash
# Inventories of several files, of folders and of programs: deploys to real hosts that a program names, and what
# becomes of programs that fail, hang, or are asked by two shipits at once.
#
#   sources_test.sh [PART...]
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC2016 # variables of lib.sh; inner shells
. "$(dirname "$0")/lib.sh"

dir=$tmp/sources
export XDG_CACHE_HOME=$tmp/cache
mkdir -p "$dir"
cd "$dir" || exit 1

write_files() {
	cat >shipit.yml <<-END
		project: sources
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web: {image: "box:v1", ports: ["8080:80"], ready: {running: 1s}, stop_grace_period: 1s}
		environments: {prod: {hosts: ["tag:web"]}}
	END
	printf 'hosts:\n  h1: {tags: [web]}\n' >one.yml
	printf 'hosts:\n  h2: {tags: [web]}\nservices: {web: {image: "box:v2"}}\n' >two.yml
}

# program NAME BODY: a shell program that counts how often it is run.
program() {
	printf '#!/bin/sh\necho run >>%q\n%s\n' "$dir/runs" "$2" >"$1"
	chmod +x "$1"
	: >"$dir/runs"
}

want_runs() { # NUMBER
	want_same 'how often the program was run' "$1" "$(grep -c . "$dir/runs")"
}

# What Ansible's inventories print; web1 and web2 are reached by other names.
write_ansible() {
	cat >hosts.py <<-END
		#!/usr/bin/env python3
		"""As dynamic inventories for Ansible are written."""
		import json, sys

		HOSTVARS = {
		    "web1": {"ansible_host": "$(address h1)", "ansible_port": 22, "ec2_tags": {"Price": "\$5"}, "facts": list(range(50))},
		    "web2": {"ansible_host": "$(address h2)", "ansible_port": "22", "shipit": {"environment": {"SHARD": "2"}}},
		    "controller": {"ansible_connection": "local"},
		}

		if sys.argv[1:] == ["--list"]:
		    json.dump({
		        "_meta": {"hostvars": HOSTVARS},
		        "all": {"children": ["ungrouped", "web", "tag_Name_shop.prod"], "vars": {"ansible_user": "root"}},
		        "web": {"hosts": ["web1"], "children": ["eu"]},
		        "eu": {"hosts": ["web2", "controller"]},
		        "tag_Name_shop.prod": ["web1", "web2"],
		        "ungrouped": {},
		    }, sys.stdout)
		else:
		    sys.exit("usage: hosts.py --list")
	END
	chmod +x hosts.py
}

test_files() {
	begin 'a deploy from two files, and back, without saying the environment'
	shipit -f shipit.yml -f one.yml deploy prod
	want_code 0
	want_out 'shipit -f shipit.yml -f one.yml rollback prod'
	want_body h1 v1
	want_same 'h2, which one.yml does not have' '' "$(body h2)"
	shipit -f shipit.yml -f two.yml deploy prod
	want_code 0
	want_body h2 v2
	sed -i 's/box:v2/box:v1/' two.yml
	shipit -f shipit.yml -f two.yml deploy prod
	want_code 0
	want_body h2 v1
	SHIPIT_FILE=shipit.yml:two.yml shipit rollback
	want_code 0
	want_body h2 v2
	want_body h1 v1

	begin 'what is remembered belongs to the files that were named'
	sed -i 's/^environments.*/environments: {prod: {hosts: ["tag:web"]}, test: {hosts: ["tag:web"]}}/' shipit.yml
	shipit -f two.yml -f shipit.yml rollback
	want_code 2
	want_out 'No rollout from this inventory is remembered'

	begin 'a hook is told of all files, and they can be named again so'
	printf 'hooks: {after_deploy: [sh, -c, "SHIPIT_FILE=$$SHIPIT_INVENTORY %s config prod >told"]}\n' "$SHIPIT" >hook.yml
	shipit -f shipit.yml -f one.yml -f hook.yml deploy prod
	want_code 0
	want_out 'unchanged'
	want_same 'hosts that config printed in the hook' 1 "$(grep -c '^      h1:$' told)"

	begin 'both files have the host: one host, and the later file wins'
	printf 'hosts: {h1: {port: 1, tags: [eu]}}\n' >over.yml
	shipit -f shipit.yml -f one.yml -f over.yml --json config prod
	want_code 0
	want_same 'the host' '{"port":1,"tags":["web","eu"]}' \
	    "$(jq -c '.environments.prod.hosts.h1 | {port, tags}' "$tmp/out")"

	begin 'mistakes name the file that they are in'
	printf 'hosts: {h2: {prot: 22}}\n' >wrong.yml
	shipit -f shipit.yml -f one.yml -f wrong.yml check --offline
	want_code 2
	want_out 'wrong.yml:1:14: unknown key "prot"' 'shipit.yml + one.yml + wrong.yml has 1 mistake'
}

# What config prints is YAML, with and without the places behind it, and the same.
test_origins() {
	begin 'config tells where each value comes from'
	write_ansible
	export TAG_OF_TEST=v1
	printf 'services: {web: {environment: {A: "${TAG_OF_TEST}"}}}\n' >origin.yml
	shipit -f shipit.yml -f origin.yml -f hosts.py config prod --origins
	want_code 0
	want_out 'A: v1  # origin.yml:1:35, $TAG_OF_TEST from the caller' \
	    "address: \"$(address h1)\"  # hosts.py: _meta.hostvars.web1.ansible_host" \
	    'user: root  # hosts.py: all.vars.ansible_user' 'retain: 3  # default'
	sed 's/  # .*//' "$tmp/out" >with
	shipit -f shipit.yml -f origin.yml -f hosts.py config prod
	cmp -s with "$tmp/out" || wrong 'it prints something else with --origins'
	shipit -f shipit.yml -f origin.yml -f hosts.py config prod --origins --json
	want_code 0
	want_same 'values without an origin' '' "$(jq -r '
	    def leaves: paths(type != "object") | select(all(type == "string"));
	    . as $all | (del(.origins) | leaves) as $path |
	    select($all | getpath(["origins"] + $path) | type != "string") | $path | join(".")' "$tmp/out")"
	unset TAG_OF_TEST
}

test_folder() {
	begin 'a folder is its files in the order of their names, and its programs that say hosts'
	mkdir -p inventory
	cp shipit.yml inventory/10-base.yml
	cp one.yml inventory/20.yaml
	cp two.yml inventory/.30.yml
	program inventory/30-hosts 'echo "{\"hosts\": {\"h2\": {\"tags\": [\"web\"]}}}"'
	printf '#!/bin/sh\ntouch %q\n' "$dir/was-run" >inventory/deploy.sh
	chmod +x inventory/deploy.sh
	shipit -f inventory check --offline
	want_code 0
	want_out 'inventory is in order: project sources, 2 environments, 1 service, 2 hosts'
	want_runs 1
	[ ! -e was-run ] || wrong 'a program that is no inventory was run'
	shipit -f inventory check prod
	want_code 0
	want_out h1 h2
}

test_ansible() {
	begin 'a deploy to hosts that an inventory for Ansible names'
	write_ansible
	shipit -f shipit.yml -f hosts.py check prod
	want_code 0
	want_out web1 web2
	want_not_out controller
	shipit -f shipit.yml -f ./hosts.py deploy prod
	want_code 0
	want_body h1 v1
	want_body h2 v1
	want_same 'the variable of web2' SHARD=2 \
	    "$(inspect h2 '{{range .Config.Env}}{{println .}}{{end}}' sources.prod.web | grep SHARD)"
	shipit -f shipit.yml -f ./hosts.py --limit tag:tag_Name_shop_prod,!tag:eu --json status prod
	want_code 0
	want_same 'hosts with one tag and not the other' web1 "$(jq -r 'select(.event == "service") | .host' "$tmp/out")"
}

test_programs() {
	begin 'a program that fails: its last words, and nothing is begun'
	program bad 'echo "Traceback (most recent call last):" >&2; echo "KeyError: token" >&2; exit 3'
	shipit -f shipit.yml -f ./bad deploy prod
	want_code 2
	want_out './bad failed with 3' 'KeyError: token'

	begin 'what it prints and is wrong is told by the way to it, with --json too'
	program odd 'echo "{\"hosts\": {\"h1\": {\"tags\": [\"web\"], \"port\": 70000}}}"'
	shipit -f shipit.yml -f ./odd --json check --offline
	want_code 2
	want_same 'the problem' './odd hosts.h1.port: expected a whole number from 1 to 65535, found "70000"' \
	    "$(grep '^{' "$tmp/out" | jq -r 'select(.event == "problem") | .file + " " + .error')"

	begin 'a program that does not end is ended, with what it started'
	program slow "sleep 987 & echo \$! >$dir/child; wait"
	SHIPIT_INVENTORY_TIMEOUT=1s shipit -f shipit.yml -f ./slow check --offline
	want_code 2
	want_out './slow did not end within 1 s' 'SHIPIT_INVENTORY_TIMEOUT=2m'
	until_true 10 is_gone "$(cat child)" || wrong 'what it started goes on'

	begin 'Ctrl-C while a program is waited for'
	rm -f child
	program slow "sleep 987 & echo \$! >$dir/child; echo begun >/dev/tty; wait"
	timeout 100 "$root/tests/e2e/typist.py" 'begun=\x03' -- "$SHIPIT" -f shipit.yml -f ./slow check prod >"$tmp/out" 2>&1
	code=$?
	want_code 130
	want_out 'interrupted'
	until_true 10 is_gone "$(cat child)" || wrong 'what it started goes on'

	begin 'a program that prints without end'
	program endless 'exec yes'
	shipit -f shipit.yml -f ./endless check --offline
	want_code 2
	want_out './endless prints more than 16 MiB'
}

is_gone() { # PID
	! kill -0 "$1" 2>/dev/null
}

test_cache() {
	export SHIPIT_INVENTORY_CACHE=10m
	begin 'an answer is used again while it is young and the program is the same'
	program hosts 'echo "{\"hosts\": {\"h1\": {\"tags\": [\"web\"]}}}"'
	shipit -f shipit.yml -f hosts check --offline
	want_code 0
	shipit -f shipit.yml -f ./hosts config
	want_code 0
	want_runs 1
	want_same 'who may read it' '600 700' "$(stat -c %a "$XDG_CACHE_HOME"/shipit/inventory-* "$XDG_CACHE_HOME/shipit" | xargs)"
	shipit -f shipit.yml -f hosts --refresh-inventory check --offline
	want_runs 2
	program hosts 'echo "{\"hosts\": {\"h1\": {\"tags\": [\"web\"]}, \"h2\": {}}}"'
	shipit -f shipit.yml -f hosts check --offline
	want_out '2 hosts'
	want_runs 1
	SHIPIT_INVENTORY_CACHE=0 shipit -f shipit.yml -f hosts check --offline
	want_runs 2

	begin 'many at once: each sees a whole answer'
	program hosts 'n=$(date +%N | cut -c 1-3 | sed "s/^0*//"); python3 -c "
import json, sys
n = int(sys.argv[1] or 0) + 1
print(json.dumps({\"_meta\": {}, \"web\": [\"m%d-%d\" % (n, i) for i in range(10 * n)]}))" "$n"'
	for i in {1..40}; do
		refresh=
		[ $((i % 2)) = 0 ] || refresh=--refresh-inventory
		"$SHIPIT" -f shipit.yml -f hosts $refresh check --offline >"$tmp/many.$i" 2>&1 </dev/null &
		[ $((i % 8)) != 0 ] || wait
	done
	wait
	want_same 'those that were in order' 40 "$(cat "$tmp"/many.* | grep -c 'is in order')"
	want_same 'hosts that are not tens' '' "$(cat "$tmp"/many.* | grep -v '[0-9]0 hosts$')"
	want_same 'files in the cache' 1 "$(find "$XDG_CACHE_HOME/shipit" -type f | grep -c .)"
	want_same 'files that were not finished' '' "$(find "$XDG_CACHE_HOME/shipit" -name '*.??????')"
	unset SHIPIT_INVENTORY_CACHE
}

lab_up 2
make_box v1 && make_box v2 || exit 1
write_files
[ $# -gt 0 ] || set -- files origins folder ansible programs cache
for part; do
	"test_$part"
done
totals
