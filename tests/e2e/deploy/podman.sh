# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Hosts whose engine is podman: root's, and a user's own.

# podman's API on the host, as its systemd unit gives it, for a user.
podman_service() { # HOST USER
	on "$1" sh -c '
		user=$1 uid=$(id -u "$1") run=/run
		[ "$uid" = 0 ] || run=/run/user/$uid
		mkdir -p "$run/podman"
		chown -R "$user" "$run/podman"
		[ "$uid" = 0 ] || {
			chown "$user" "$run"
			# As udev makes it; here it may be root only.
			mknod -m 666 /var/tun c 10 200 && mount --bind /var/tun /dev/net/tun
		}
		HOME=$(getent passwd "$user" | cut -d: -f6) XDG_RUNTIME_DIR=$run
		export HOME
		[ "$uid" = 0 ] || export XDG_RUNTIME_DIR
		cd /
		setsid --fork setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups \
		    podman --cgroup-manager cgroupfs system service -t 0 "unix://$run/podman/podman.sock" >"/var/log/podman.$user" 2>&1' sh "$2"
	until_true 30 on "$1" sh -c 'test -S /run/podman/podman.sock || test -S /run/user/*/podman/podman.sock' ||
	    wrong "podman of $2 does not start: $(on "$1" cat "/var/log/podman.$2")"
}

pod() { # ARG...
	shipit -f "$tmp/pod/shipit.yml" "$@"
}

with_pod() { # IMAGE [LINE...]
	local image=$1
	shift
	mkdir -p "$tmp/pod"
	{
		cat <<-END
			project: pod
			ssh: {config: $pod_config}
			engine: {command: podman}
			secrets: {word: {command: [printf, "zebra \$\$HOME 'x'"]}}
			services:
			  web:
			    image: "box:$image"
			    ports: ["8181:80"]
			    environment: {WORD: {secret: word}, LINES: "one\ntwo"}
			    secrets: [word]
			    volumes: ["data:/data"]
			    ready: {running: 1s, http: "http://:8181/", timeout: 30s}
			    stop_grace_period: 1s
			    retain: 2
		END
		for line; do printf '    %s\n' "$line"; done
		echo "hosts: {$pod_host: {}}"
		echo "environments: {prod: {hosts: [$pod_host]}}"
	} >"$tmp/pod/shipit.yml"
}

by_podman() { # ARG...
	on "$pod_host" sh -c 'user=$1; shift
		uid=$(id -u "$user") HOME=$(getent passwd "$user" | cut -d: -f6)
		export HOME
		[ "$uid" = 0 ] || export XDG_RUNTIME_DIR=/run/user/$uid
		cd / && exec setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups podman "$@"' sh "$pod_user" "$@"
}

# From the host: what Docker on the same host makes of its firewall is not podman's.
pod_body() {
	want_same "what $pod_user's answers" "$1" "$(on "$pod_host" curl -s --max-time 5 http://127.0.0.1:8181/)"
}

pod_release() {
	by_podman inspect -f '{{index .Config.Labels "dev.shipit.release"}}' pod.prod.web
}

main_cases() { # WHOSE
	local first second
	begin "podman, $1: deploy"
	with_pod v1
	pod deploy prod
	want_code 0
	pod_body v1
	first=$(pod_release)
	want_same 'the policy' always "$(by_podman inspect -f '{{.HostConfig.RestartPolicy.Name}}' pod.prod.web)"
	want_same 'the secret' "zebra \$HOME 'x'" "$(by_podman exec pod.prod.web /busybox sh -c 'printf %s "$WORD"')"
	want_same 'and as a file' "zebra \$HOME 'x'" "$(by_podman exec pod.prod.web /busybox cat /run/secrets/word)"
	want_same 'a variable of two lines' "one
two" "$(by_podman exec pod.prod.web /busybox sh -c 'printf %s "$LINES"')"
	pod deploy prod
	want_code 0
	want_out unchanged
	pod status prod
	want_code 0
	want_out running
	want_not_out drift: 'restart policy'

	begin "podman, $1: upgrade"
	with_pod v2
	pod deploy prod
	want_code 0
	pod_body v2
	second=$(pod_release)
	want_same 'containers' 1 "$(by_podman ps -aq --filter label=dev.shipit.service=web | wc -l)"

	begin "podman, $1: a release that does not work is taken back"
	with_pod v3 'command: [/busybox, sh, -c, "echo last words; exit 3"]'
	pod deploy prod
	want_code 1
	want_out 'last words' 'exited'
	pod_body v2
	want_same 'the release' "$second" "$(pod_release)"
	want_same 'containers' 1 "$(by_podman ps -aq --filter label=dev.shipit.service=web | wc -l)"

	begin "podman, $1: rollback, from the image and the ledger"
	pod rollback prod
	want_code 0
	pod_body v1
	want_same 'the release' "$first" "$(pod_release)"
	want_same 'the secret' "zebra \$HOME 'x'" "$(by_podman exec pod.prod.web /busybox cat /run/secrets/word)"
	pod rollback prod
	want_code 0
	pod_body v2

	begin "podman, $1: restart, prune and down"
	with_pod v3
	pod deploy prod
	want_code 0
	want_same 'images' 2 "$(by_podman images --format '{{.Tag}}' localhost/shipit/pod.prod.web | grep -c '^2')"
	sed -i 's/retain: 2/retain: 1/' "$tmp/pod/shipit.yml"
	pod prune prod
	want_code 0
	want_same 'images' 1 "$(by_podman images --format '{{.Tag}}' localhost/shipit/pod.prod.web | grep -c '^2')"
	pod restart prod
	want_code 0
	pod_body v3
	pod down prod --yes
	want_code 0
	want_same 'what is left' '' "$(by_podman ps -aq; by_podman images -q 'localhost/shipit/pod.prod.web'; by_podman network ls -q --filter name=pod.prod)"
	want_same 'the volumes' 'pod.prod.data pod.prod.shipit' "$(by_podman volume ls -q | sort | tr '\n' ' ' | sed 's/ $//')"
}

test_podman() {
	local pod_host=h2 pod_user=root pod_config=$LAB_SSH_CONFIG
	podman_service h2 root
	main_cases "root's"

	pod_host=h3 pod_user=pod pod_config=$tmp/pod.ssh_config
	"$LAB" user h3 pod >/dev/null || wrong 'no user'
	sed 's/^\([[:space:]]*User\) .*/\1 pod/I' "$LAB_SSH_CONFIG" >"$pod_config"
	podman_service h3 pod
	main_cases "a user's own"
}
