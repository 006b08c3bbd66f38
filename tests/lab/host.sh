# shellcheck shell=sh disable=SC2034,SC2154,SC2016
# One host: made once, booted as often as one likes. DIR/hN/disk is its root file
# system, with a copy of the machine's /etc; /usr is the machine's, to read only,
# but for /usr/local; /run and /tmp are empty after a boot.

need_host() {
	case " $hosts " in
	*" ${1:-none} "*) ;;
	*) die "no host '${1:-}' in this lab: $hosts" ;;
	esac
}

# Relative to the host's directory: when somebody removes the lab meanwhile,
# nothing of it is made anew.
make_host() {
	mkdir -m 700 "$dir/$1"
	cd "$dir/$1" || exit
	echo "$net.$((10 + ${1#h}))" >addr
	echo 22 >port
	mkdir -p local/bin
	make_disk "$1"
	make_sshd "$1"
}

make_disk() {
	for path in usr dev proc sys run mnt srv opt home var/lib/docker var/log var/cache; do
		mkdir -p "disk/$path"
	done
	mkdir -m 1777 disk/tmp disk/var/tmp
	ln -s /run disk/var/run
	for path in /bin /sbin /lib*; do
		if [ -L "$path" ]; then cp -P "$path" disk; else mkdir "disk$path"; fi
	done

	copy_etc 2>>boot.log
	mkdir -p disk/etc/docker disk/etc/ssh disk/etc/sudoers.d
	: >disk/etc/resolv.conf
	echo "$1" >disk/etc/hostname
	{
		echo 127.0.0.1 localhost
		for host in $hosts; do echo "$net.$((10 + ${host#h})) $host"; done
	} >disk/etc/hosts
	grep -q '^docker:' disk/etc/group || echo docker:x:999: >>disk/etc/group
}

# What programs and logins read; nothing of how the machine's own network, engine
# and sshd are set up.
copy_etc() {
	mkdir disk/etc
	find /etc -maxdepth 1 ! -type d -exec cp -a -t disk/etc {} +
	for path in alternatives containers default fish ld.so.conf.d pam.d profile.d security skel; do
		[ ! -d "/etc/$path" ] || cp -a "/etc/$path" disk/etc
	done
	rm -f disk/etc/hosts disk/etc/hostname disk/etc/resolv.conf
}

make_sshd() {
	mkdir -m 700 disk/root disk/root/.ssh
	cp "$dir/key.pub" disk/root/.ssh/authorized_keys
	for type in ed25519 ecdsa; do
		ssh-keygen -q -t $type -N '' -C "$1" -f "disk/etc/ssh/ssh_host_${type}_key"
	done
	: >disk/etc/ssh/sshd_first
	cat >disk/etc/ssh/sshd_config <<-'END'
	Include /etc/ssh/sshd_first
	HostKey /etc/ssh/ssh_host_ed25519_key
	HostKey /etc/ssh/ssh_host_ecdsa_key
	UsePAM no
	PasswordAuthentication no
	PermitRootLogin prohibit-password
	Subsystem sftp internal-sftp
	END
}

bring_up_host() {
	boot_host "$1"
	start_sshd "$1"
	start_dockerd "$1"
	wait_engine "$1"
}

boot_host() {
	launch "$dir/$1/boot.log" \
		unshare --net --mount --propagation slave --uts --ipc --pid --fork \
		sh "$here/init" host "$dir" "$1"
	await "$1 to boot" alive "$dir/$1/pid"
	apply_limit "$1"
}

# in_host NAME COMMAND...: as root in all of its namespaces.
in_host() {
	alive "$dir/$1/pid" || die "$1 has no power"
	shift
	clean nsenter --target "$pid" --mount --uts --ipc --net --pid -- "$@"
}

start_sshd() {
	in_host "$1" setsid --fork /usr/sbin/sshd -D -e </dev/null >>"$dir/$1/sshd.log" 2>&1
}

start_dockerd() {
	in_host "$1" setsid --fork dockerd --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/shipit-lab-$id/$1" </dev/null >>"$dir/$1/dockerd.log" 2>&1
}

wait_host() {
	wait_engine "$1"
	wait_ssh "$1" docker version
}

wait_engine() {
	await "$1's engine" engine_answers "$1"
}

engine_answers() {
	alive "$dir/$1/pid" && ping_engine "/proc/$pid/root/run/docker.sock"
}

ping_engine() {
	[ -S "$1" ] && curl -fs -o /dev/null --noproxy '*' --max-time "$timeout" \
		--unix-socket "$1" http://engine/_ping
}

# wait_ssh HOST COMMAND...: until it succeeds there.
wait_ssh() {
	await "$1's sshd" ssh -F "$dir/ssh_config" -o BatchMode=yes -o ConnectTimeout=5 \
		-o LogLevel=QUIET "$@" </dev/null >/dev/null
}

write_ssh_config() (
	for host in $hosts; do
		port=$(cat "$dir/$host/port")
		printf 'Host %s\n\tHostName %s\n\tPort %s\n' "$host" "$(cat "$dir/$host/addr")" "$port"
	done >"$dir/ssh_config.new"
	cat >>"$dir/ssh_config.new" <<-END
	Host *
		User root
		IdentityFile $dir/key
		IdentitiesOnly yes
		UserKnownHostsFile $dir/known_hosts
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
	END
	mv "$dir/ssh_config.new" "$dir/ssh_config"

	for host in $hosts; do
		address=$(cat "$dir/$host/addr") port=$(cat "$dir/$host/port")
		[ "$port" = 22 ] || address="[$address]:$port"
		for key in "$dir/$host"/disk/etc/ssh/ssh_host_*_key.pub; do
			read -r type blob _ <"$key"
			echo "$address $type $blob"
		done
	done >"$dir/known_hosts.new"
	mv "$dir/known_hosts.new" "$dir/known_hosts"
)

# host_sshd HOST LINE...: sshd takes the first value it reads, so these win.
host_sshd() {
	need_host "${1:-}"
	name=$1 port=22 first=$dir/$1/disk/etc/ssh/sshd_first
	shift
	cp "$first" "$first.before"
	for line in "$@"; do
		case $line in [Pp]ort\ *) port=${line#* } ;; esac
		echo "$line"
	done >"$first"
	in_host "$name" /usr/sbin/sshd -t || {
		mv "$first.before" "$first"
		die "sshd refuses that"
	}
	echo "$port" >"$dir/$name/port"
	write_ssh_config
	stop_sshd "$name"
	start_sshd "$name"
	await "$name's sshd" greets "$name" "$port"
}

greets() {
	in_host "$1" ssh-keyscan -T 5 -p "$2" "$(cat "$dir/$1/addr")" 2>/dev/null | grep -q .
}

host_user() {
	need_host "${1:-}"
	[ -n "${2:-}" ] || die "user: what name?"
	[ -x "$shell" ] || die "$shell is not installed"
	[ -z "$sudo" ] || command -v sudo >/dev/null || die "sudo is not installed"
	in_host "$1" sh -euc '
		name=$1 shell=$2 docker=$3 sudo=$4
		id "$name" >/dev/null 2>&1 || useradd --create-home --password "*" "$name"
		usermod --shell "$shell" "$name"
		[ -z "$docker" ] || usermod --append --groups docker "$name"
		[ -z "$sudo" ] || echo "$name ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/$name"
		mkdir -p -m 700 "/home/$name/.ssh"
		cat >"/home/$name/.ssh/authorized_keys"
		chown -R "$name:" "/home/$name/.ssh"
	' - "$2" "$shell" "$docker" "$sudo" <"${pubkey:-$dir/key.pub}"
}
