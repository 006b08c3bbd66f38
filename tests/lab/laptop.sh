# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# What a laptop may have: an engine for builds, and a registry. Both live in the
# main network namespace, so that the engine can push to the registry's port.

engine() {
	case ${1:-} in
	up | start) start_engine ;;
	stop) stop_engine ;;
	*) die "engine: up, stop or start?" ;;
	esac
}

# With --bridge=none dockerd would delete the machine's own docker0: it gets a
# bridge of the lab's. It leaves the machine's firewall and forwarding alone.
start_engine() {
	! alive "$dir/laptop/pid" || die "the laptop's engine runs"
	mkdir -p "$dir/laptop/data" "$dir/laptop/opt"
	echo '{}' >"$dir/laptop/daemon.json"
	remove_bridges "$dir" "$id"
	ip link add "lab-$id-br" type bridge
	ip addr add "$net.241/28" dev "lab-$id-br"
	ip link set "lab-$id-br" up

	launch "$dir/laptop/boot.log" unshare --mount --propagation slave --pid --fork \
		sh "$here/init" laptop "$dir"
	await "the laptop" alive "$dir/laptop/pid"
	in_host laptop setsid --fork dockerd --host "unix://$dir/laptop/docker.sock" \
		--config-file "$dir/laptop/daemon.json" --data-root "$dir/laptop/data" \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/shipit-lab-$id/laptop" \
		--bridge "lab-$id-br" --iptables=false --ip6tables=false \
		--ip-forward=false --ip-masq=false \
		</dev/null >>"$dir/laptop/dockerd.log" 2>&1
	await "the laptop's engine" ping_engine "$dir/laptop/docker.sock"
}

stop_engine() {
	slay "$dir/laptop/pid"
	rm -f "$dir/laptop/docker.sock"
	remove_bridges "$dir" "$id"
	remove_cgroups "shipit-lab-$id/laptop"
}

# remove_bridges DIR ID: of the networks, too, that somebody made in that engine.
# Their names hold random digits; only its own database knows them.
remove_bridges() {
	remove_link "lab-$2-br"
	grep -aos 'br-[0-9a-f]\{12\}' "$1/laptop/data/network/files/local-kv.db" | sort -u |
		while read -r link; do remove_link "$link"; done
}

registry() {
	case ${1:-} in
	up | start) start_registry ;;
	stop) slay "$dir/registry/pid" ;;
	*) die "registry: up, stop or start?" ;;
	esac
}

# The kernel picks the port; after a stop it is asked for again.
start_registry() {
	! alive "$dir/registry/pid" || die "the registry runs"
	command -v docker-registry >/dev/null || die "docker-registry is not installed"
	mkdir -p "$dir/registry/data"
	address=127.0.0.1:0
	[ ! -e "$dir/registry/addr" ] || address=$(cat "$dir/registry/addr")
	cat >"$dir/registry/config.yml" <<-END
	version: 0.1
	http: {addr: $address, secret: lab}
	storage:
	  filesystem: {rootdirectory: $dir/registry/data}
	  delete: {enabled: true}
	END
	: >"$dir/registry/registry.log"
	launch "$dir/registry/registry.log" sh "$here/init" program "$dir/registry/pid" \
		docker-registry serve "$dir/registry/config.yml"
	await "the registry" registry_answers
}

registry_answers() {
	address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$dir/registry/registry.log")
	[ -n "$address" ] && echo "$address" >"$dir/registry/addr" &&
		curl -fs -o /dev/null --noproxy '*' --max-time 5 "http://$address/v2/"
}
