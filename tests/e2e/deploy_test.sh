#!/bin/bash
# Deploys to real hosts: what arrives there, what happens when a release is bad, rollback, locks, host
# keys, odd shells and odd bytes.
#
#   deploy_test.sh [--short] [PART...]     --short: the main path alone, for sanitized builds;
#                                          PART: a test, or --releases or --upkeep, which are all of them
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC2016 # variables of the parts; inner shells
. "$(dirname "$0")/lib.sh"
here=$root/tests/e2e/deploy

write_inventory() { # FILE IMAGE [LINE OF THE SERVICE...]
	local file=$1 image=$2
	shift 2
	mkdir -p "$(dirname "$file")"
	{
		printf 'project: %s\nssh: {config: %s%s}\n' "${project:-shop}" "$LAB_SSH_CONFIG" "${ssh_more-}"
		[ -z "${registry-}" ] || echo "registry: $registry"
		echo 'services:'
		echo '  web:'
		printf '    image: %s\n    ready: {%s}\n    stop_grace_period: 2s\n' "$image" "${ready:-running: 1s, timeout: 20s}"
		for line; do printf '    %s\n' "$line"; done
		echo 'hosts:'
		for host in ${hosts:-h1 h2 h3}; do echo "  $host: {}"; done
		printf 'environments: {%s: {hosts: ["*"]}}\n' "${environment:-prod}"
	} >"$file"
}

current_release() { # HOST [NAME]
	inspect "$1" '{{index .Config.Labels "dev.shipit.release"}}' "${2:-shop.prod.web}"
}

# --- the main path

test_main_path() {
	begin 'a first deploy to three hosts'
	write_inventory "$tmp/shop/shipit.yml" box:v1 'ports: ["8080:80"]'
	shipit -f "$tmp/shop/shipit.yml" deploy prod
	want_code 0
	for h in h1 h2 h3; do want_body $h v1; done
	r1=$(current_release h1)
	want_same 'the release of h2' "$r1" "$(current_release h2)"

	begin 'a second deploy without change replaces nothing'
	id=$(inspect h1 '{{.Id}}' shop.prod.web)
	shipit -f "$tmp/shop/shipit.yml" deploy prod
	want_code 0
	want_same 'the container' "$id" "$(inspect h1 '{{.Id}}' shop.prod.web)"

	begin 'a dry run changes nothing and shows the docker run line'
	write_inventory "$tmp/shop/shipit.yml" box:v2 'ports: ["8080:80"]' 'environment: {COLOUR: "blue sky"}'
	shipit -f "$tmp/shop/shipit.yml" deploy prod --dry-run
	want_code 0
	want_out 'docker run' "'COLOUR=blue sky'" '--publish 8080:80'
	want_same 'the container' "$id" "$(inspect h1 '{{.Id}}' shop.prod.web)"

	begin 'an upgrade'
	shipit -f "$tmp/shop/shipit.yml" deploy prod
	want_code 0
	for h in h1 h2 h3; do want_body $h v2; done
	r2=$(current_release h1)
	want_same 'the old container' exited "$(inspect h1 '{{.State.Status}}' "shop.prod.web.$r1")"
	want_same 'its policy' no "$(inspect h1 '{{.HostConfig.RestartPolicy.Name}}' "shop.prod.web.$r1")"
	want_same 'the new policy' always "$(inspect h1 '{{.HostConfig.RestartPolicy.Name}}' shop.prod.web)"

	begin 'rollback without arguments, without a store and with the local engine stopped'
	mv "$tmp/store" "$tmp/store.away"
	"$LAB" engine stop >/dev/null
	shipit -f "$tmp/shop/shipit.yml" rollback
	want_code 0
	for h in h1 h2 h3; do want_body $h v1; done
	want_same 'the environment of the old release' '' \
	    "$(inspect h1 '{{range .Config.Env}}{{println .}}{{end}}' shop.prod.web | grep COLOUR)"

	begin 'rollback once more returns to where it was'
	shipit -f "$tmp/shop/shipit.yml" rollback
	want_code 0
	for h in h1 h2 h3; do want_body $h v2; done
	want_same 'the release' "$r2" "$(current_release h3)"
	[ ! -e "$tmp/store" ] || wrong 'a rollback opens the store'
	mv "$tmp/store.away" "$tmp/store"
	"$LAB" engine start >/dev/null

	begin 'status and history tell it'
	shipit -f "$tmp/shop/shipit.yml" status prod
	want_code 0
	want_out 'h[1:3]' "$r2"
	shipit -f "$tmp/shop/shipit.yml" history prod
	want_code 0
	want_out "$r1" "$r2" rollback deploy

	begin 'a release that exits at once is taken back everywhere'
	write_inventory "$tmp/shop/shipit.yml" box:v1 'ports: ["8080:80"]' \
	    'command: [/busybox, sh, -c, "for i in 1 2 3; do echo word $$i; done; exit 3"]'
	shipit -f "$tmp/shop/shipit.yml" deploy prod
	want_code 1
	want_out 'word 3' 'exited 3'
	for h in h1 h2 h3; do
		want_body $h v2
		want_same "containers of $h" 2 "$(on $h docker ps -aq --filter label=dev.shipit.service=web | wc -l)"
	done
}

# --- rollback

test_rollback_to() {
	begin 'rollback --to any retained release, and the list when it is gone'
	for v in v1 v2 v3; do
		write_inventory "$tmp/shop/shipit.yml" box:$v 'ports: ["8080:80"]' "environment: {V: $v}" 'retain: 3'
		shipit -f "$tmp/shop/shipit.yml" deploy prod
		want_code 0
		eval "rel_$v=\$(current_release h1)"
	done
	shipit -f "$tmp/shop/shipit.yml" rollback prod --to "$rel_v1"
	want_code 0
	want_body h2 v1
	shipit -f "$tmp/shop/shipit.yml" rollback prod --to "$rel_v3"
	want_code 0
	want_body h2 v3
	shipit -f "$tmp/shop/shipit.yml" rollback prod --to 20200101-000000-abcdef0
	want_code 1
	want_out "$rel_v1" "$rel_v2" "$rel_v3"
	want_body h2 v3

	begin 'a retained container that was removed is made again from its image and the ledger'
	on h2 docker rm "shop.prod.web.$rel_v1" >/dev/null
	shipit -f "$tmp/shop/shipit.yml" rollback prod --to "$rel_v1"
	want_code 0
	want_body h2 v1
	want_same 'its environment' V=v1 "$(inspect h2 '{{range .Config.Env}}{{println .}}{{end}}' shop.prod.web | grep V=)"

	begin 'hosts that never got the bad release are left alone'
	shipit -f "$tmp/shop/shipit.yml" rollback prod --to "$rel_v3"
	before=$(current_release h3)
	write_inventory "$tmp/shop/shipit.yml" box:v2 'ports: ["8080:80"]' 'environment: {V: bad}'
	shipit -f "$tmp/shop/shipit.yml" deploy prod --limit 'h[12]'
	want_code 0
	shipit -f "$tmp/shop/shipit.yml" rollback
	want_code 0
	want_same 'h3' "$before" "$(current_release h3)"
	want_same 'h1' "$before" "$(current_release h1)"

	begin 'a second laptop, with another HOME and another login, sees and does the same'
	for h in h1 h2 h3; do "$LAB" user $h bob --docker >/dev/null || wrong "no user on $h"; done
	mkdir -p "$tmp/bob"
	sed 's/^\([[:space:]]*User\) .*/\1 bob/I' "$LAB_SSH_CONFIG" >"$tmp/bob/ssh_config"
	mkdir -p "$tmp/bob/shop"
	sed "s|$LAB_SSH_CONFIG|$tmp/bob/ssh_config|" "$tmp/shop/shipit.yml" >"$tmp/bob/shop/shipit.yml"
	saved=$XDG_STATE_HOME
	export XDG_STATE_HOME=$tmp/bob/state
	HOME=$tmp/bob shipit -f "$tmp/bob/shop/shipit.yml" status prod
	want_code 0
	want_out "$before"
	HOME=$tmp/bob shipit -f "$tmp/bob/shop/shipit.yml" history prod
	want_code 0
	want_out "$before"
	undone=$(body h1)
	HOME=$tmp/bob shipit -f "$tmp/bob/shop/shipit.yml" rollback prod
	want_code 0
	[ "$(body h1)" != "$undone" ] || wrong 'the rollback changed nothing'
	export XDG_STATE_HOME=$saved
	shipit -f "$tmp/shop/shipit.yml" rollback prod
	want_code 0
	want_same 'what h1 answers' "$undone" "$(body h1)"
}

# shellcheck source=deploy/acts.sh
. "$here/acts.sh"
# shellcheck source=deploy/arrives.sh
. "$here/arrives.sh"
# shellcheck source=deploy/bad.sh
. "$here/bad.sh"
# shellcheck source=deploy/before.sh
. "$here/before.sh"
# shellcheck source=deploy/drift.sh
. "$here/drift.sh"
# shellcheck source=deploy/environments.sh
. "$here/environments.sh"
# shellcheck source=deploy/images.sh
. "$here/images.sh"
# shellcheck source=deploy/load.sh
. "$here/load.sh"
# shellcheck source=deploy/others.sh
. "$here/others.sh"
# shellcheck source=deploy/podman.sh
. "$here/podman.sh"
# shellcheck source=deploy/ready.sh
. "$here/ready.sh"
# shellcheck source=deploy/secrets.sh
. "$here/secrets.sh"
# shellcheck source=deploy/several.sh
. "$here/several.sh"

lab_up 3
for v in v1 v2 v3; do make_box $v; done
# Two halves, which take their time side by side.
releases='main_path build files platforms known strangers external load broken_load max_rate check progress rollback_to arrives bytes mistakes bad_releases ready several environments before locks neighbours host_keys shells help'
upkeep='secrets pruned drift adopt acts prune_first podman hooks notify'
case ${1-} in
--short)
	limit=600
	parts=main_path
	;;
--releases) parts=$releases ;;
--upkeep) parts=$upkeep ;;
'') parts="$releases $upkeep" ;;
*) parts=$* ;;
esac
for part in $parts; do test_"$part"; done
totals
