# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# start, stop, restart, down and prune.

two_services() { # RELEASE [LINE OF THE FILE...]
	local image=$1
	shift
	mkdir -p "$tmp/act"
	{
		cat <<-END
			project: act
			ssh: {config: $LAB_SSH_CONFIG}
			services:
			  db: {image: "box:$image", volumes: ["data:/data"], ready: {running: 1s}, stop_grace_period: 1s, retain: 2}
			  web: {image: "box:$image", ports: ["8096:80"], depends_on: [db], ready: {running: 1s}, stop_grace_period: 1s, retain: 2, networks: [front, default]}
			hosts: {h1: {}, h2: {}}
			environments: {prod: {hosts: ["*"]}}
		END
		printf '%s\n' "$@"
	} >"$tmp/act/shipit.yml"
}

acting() { # ARG...
	shipit -f "$tmp/act/shipit.yml" "$@"
}

state_of() { # HOST SERVICE
	inspect "$1" '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' "act.prod.$2"
}

left_of_act() { # HOST: all that is there with that prefix
	on "$1" sh -c 'docker ps -aq --filter name=act.prod; docker images -q "localhost/shipit/act.prod.*"; docker network ls -q --filter name=act.prod'
}

first_v() { # VERSION [COMMAND]: one host, three releases kept
	mkdir -p "$tmp/first"
	cat >"$tmp/first/shipit.yml" <<-END
		project: first
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web: {image: "box:$1", environment: {N: "$1"}, ready: {running: 1s}, stop_grace_period: 1s, retain: 3${2:+, command: $2}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
}

releases_of_first() {
	on h1 sh -c 'docker images --format "{{.Tag}}" localhost/shipit/first.prod.web | grep -c ^2; docker ps -aq --filter label=dev.shipit.project=first --filter label=dev.shipit.service | wc -l' | xargs
}

test_prune_first() {
	local v
	begin '--prune-first removes old releases before a new one comes, and keeps what serves'
	for v in v1 v2 v3; do
		first_v $v ''
		shipit -f "$tmp/first/shipit.yml" deploy prod
		want_code 0
	done
	want_same 'releases' '3 3' "$(releases_of_first)"
	first_v v1 '["/busybox", "false"]'
	shipit -f "$tmp/first/shipit.yml" deploy prod
	want_code 1
	want_same 'releases after one that failed' '3 3' "$(releases_of_first)"
	shipit -f "$tmp/first/shipit.yml" deploy prod --prune-first
	want_code 1
	want_same 'releases after one that failed, with --prune-first' '2 2' "$(releases_of_first)"
	want_same 'what runs' v3 "$(on h1 docker exec first.prod.web /busybox cat /www/index.html)"
	shipit -f "$tmp/first/shipit.yml" rollback prod
	want_code 0
	want_same 'what ran before' v2 "$(on h1 docker exec first.prod.web /busybox cat /www/index.html)"
	shipit -f "$tmp/first/shipit.yml" down prod --yes
	want_code 0
}

test_acts() {
	local started
	begin 'stop: all hosts, each after what depends on it, and for good'
	two_services v1
	acting deploy prod
	want_code 0
	acting stop prod
	want_code 0
	want_out 'stop prod: 2 done'
	for h in h1 h2; do want_same "web and db of $h" 'false no false no' "$(state_of $h web) $(state_of $h db)"; done
	[[ "$(inspect h1 '{{.State.FinishedAt}}' act.prod.web)" < "$(inspect h1 '{{.State.FinishedAt}}' act.prod.db)" ]] ||
	    wrong 'db was stopped before web'
	acting status prod
	want_code 0
	want_out 'it was stopped, and stays so until `shipit start`'
	want_not_out drift:
	acting stop prod
	want_code 0
	want_out '2 unchanged'

	begin 'start: with the policy it had, and up'
	acting start prod web --limit h1
	want_code 0
	want_body h1 v1 8096
	want_same 'web and db' 'true always false no' "$(state_of h1 web) $(state_of h1 db)"
	acting start prod
	want_code 0
	for h in h1 h2; do want_same "web and db of $h" 'true always true always' "$(state_of $h web) $(state_of $h db)"; done

	begin 'start: what the engine refuses is an error, and the other host is started'
	acting stop prod web
	want_code 0
	on h2 docker run -d --name taker -p 8096:80 "$(inspect h2 '{{.Image}}' act.prod.web)" >/dev/null
	acting start prod
	want_code 3
	want_out 'h2' 'start: ' '8096'
	want_body h1 v1 8096
	on h2 docker rm -f taker >/dev/null
	acting start prod
	want_code 0
	want_body h2 v1 8096

	begin 'restart'
	started=$(inspect h1 '{{.State.StartedAt}}' act.prod.web)
	acting restart prod web --limit h1 --dry-run
	want_code 0
	want_out 'web: restart act.prod.web'
	want_same 'a dry run' "$started" "$(inspect h1 '{{.State.StartedAt}}' act.prod.web)"
	acting restart prod web --limit h1
	want_code 0
	[ "$started" != "$(inspect h1 '{{.State.StartedAt}}' act.prod.web)" ] || wrong 'it was not restarted'
	want_same 'web' 'true always' "$(state_of h1 web)"

	begin 'a service that left the inventory: status tells, prune asks, --yes removes, and nothing else'
	on h1 docker run -d --name act.prod.web.mine "$(inspect h1 '{{.Image}}' act.prod.web)" >/dev/null
	two_services v2
	acting deploy prod
	two_services v3
	acting deploy prod
	want_code 0
	sed -i '/^  db:/d; s/depends_on: .db., //' "$tmp/act/shipit.yml"
	acting status prod
	want_code 0
	want_out 'db is no longer in the inventory here' 'prune prod'
	acting deploy prod --prune-services
	want_code 0
	want_out 'left alone without --yes' 'h1: db; h2: db'
	want_same 'db' 'true always' "$(state_of h1 db)"
	acting prune prod --dry-run
	want_code 0
	want_out 'db: stop act.prod.db' 'db: remove the container act.prod.db'
	want_same 'db' 'true always' "$(state_of h1 db)"
	acting prune prod --yes
	want_code 0
	for h in h1 h2; do
		want_same "containers of db on $h" '' "$(on $h docker ps -aq --filter label=dev.shipit.service=db --filter label=dev.shipit.prefix=act.prod)"
		want_same "the volume on $h" act.prod.data "$(on $h docker volume ls -q --filter name=act.prod.data)"
		want_body $h v3 8096
	done
	want_same 'images of db on h2' '' "$(on h2 docker images -q localhost/shipit/act.prod.db)"
	want_same 'the neighbour' true "$(inspect h1 '{{.State.Running}}' act.prod.web.mine)"
	acting status prod
	want_not_out db drift:

	begin 'prune: releases beyond `retain`'
	sed -i 's/retain: 2/retain: 1/' "$tmp/act/shipit.yml"
	acting prune prod
	want_code 0
	want_same 'containers of web' 1 "$(on h1 docker ps -aq --filter label=dev.shipit.service=web --filter label=dev.shipit.prefix=act.prod | wc -l)"

	begin 'down: asks, and removes all but volumes'
	acting down prod
	want_code 2
	want_out 'there is no terminal' --yes
	want_body h1 v3 8096
	acting down prod --yes --dry-run
	want_code 0
	want_out 'web: remove the container act.prod.web' 'remove the network act.prod.default'
	on h1 docker rm -f act.prod.web.mine >/dev/null
	acting down prod --yes
	want_code 0
	for h in h1 h2; do want_same "what is left on $h" '' "$(left_of_act $h)"; done
	want_same 'volumes' 'act.prod.data act.prod.shipit ' "$(on h1 docker volume ls -q --filter name=act.prod | sort | tr '\n' ' ')"
	acting down prod --yes
	want_code 0
	acting status prod
	want_code 0
	want_out absent
	want_not_out drift:
	acting history prod
	want_out down
	acting rollback prod
	want_out 'nothing was deployed here'

	begin 'and a deploy after that starts anew'
	acting deploy prod
	want_code 0
	for h in h1 h2; do want_body $h v3 8096; done
	acting down prod --yes
}
