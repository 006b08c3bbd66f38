# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# What is written in the inventory is what the engine has; byte for byte.

test_arrives() {
	begin 'every option arrives as it is written, on three hosts at once'
	mkdir -p "$tmp/opt"
	printf 'FROM_FILE=from a file\nOVER=file\n' >"$tmp/opt/app.env"
	cat >"$tmp/opt/shipit.yml" <<-END
	project: opt
	ssh: {config: $LAB_SSH_CONFIG}
	services:
	  web:
	    image: box:v1
	    ports: ["8081:80", "127.0.0.1:9000-9001:9000-9001", "5353:53/udp"]
	    env_file: app.env
	    environment: {OVER: service, PLAIN: "1", EMPTY: ""}
	    volumes: ["data:/data", "/srv/opt:/srv:ro", "/anon"]
	    devices: ["/dev/null:/dev/nothing:r"]
	    networks: [default, back]
	    command: ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www", "-v"]
	    labels: {com.example.who: "it's me", empty: ""}
	    restart: on-failure:4
	    user: "1234:5678"
	    stop_grace_period: 3s
	    healthcheck: {test: [CMD, /busybox, "true"], interval: 1s, timeout: 2s, retries: 5, start_period: 3s}
	    ready: {running: 1s, timeout: 30s}
	  job:
	    image: box:v2
	    entrypoint: ["/busybox"]
	    command: sleep 1000
	    restart: "no"
	    ready: {running: 1s}
	hosts:
	  h1: {environment: {WHERE: here}}
	  h2: {}
	  h3: {}
	environments: {prod: {hosts: ["h*"], environment: {WHERE: prod}}}
	END
	shipit -f "$tmp/opt/shipit.yml" deploy prod
	want_code 0
	for h in h1 h2 h3; do
		on $h docker inspect opt.prod.web opt.prod.job >"$tmp/inspect.json"
		where=prod
		[ $h != h1 ] || where=here
		python3 "$here/expect.py" "$tmp/inspect.json" $where >"$tmp/expect" || wrong "$h: $(cat "$tmp/expect")"
	done
	on h1 docker exec opt.prod.web /busybox nslookup job 2>&1 | grep -q "$(inspect h1 \
	    '{{(index .NetworkSettings.Networks "opt.prod.default").IPAddress}}' opt.prod.job)" || wrong 'job is not known by its name'
}

# Random and hostile text, through YAML, ssh and the engine, compared with what the engine has and
# with what the process was given.
test_bytes() {
	begin 'hostile text arrives byte for byte'
	for seed in 1 2 3; do
		mkdir -p "$tmp/bytes$seed"
		python3 "$here/bytes.py" make $seed "$tmp/bytes$seed" "$LAB_SSH_CONFIG" || wrong 'no inventory'
		shipit -f "$tmp/bytes$seed/shipit.yml" deploy prod
		want_code 0
		on h1 docker inspect bytes.prod.web >"$tmp/bytes$seed/inspect.json"
		pid=$(inspect h1 '{{.State.Pid}}' bytes.prod.web)
		on h1 cat "/proc/$pid/environ" >"$tmp/bytes$seed/environ"
		on h1 cat "/proc/$pid/cmdline" >"$tmp/bytes$seed/cmdline"
		python3 "$here/bytes.py" check $seed "$tmp/bytes$seed" >"$tmp/expect" 2>&1 || wrong "seed $seed: $(cat "$tmp/expect")"
	done
	want_same 'the host' up "$(on h1 echo up)"
}

test_mistakes() {
	begin 'ten mistakes are ten messages with positions, and nothing is connected to'
	mkdir -p "$tmp/ten"
	cp "$here/ten-mistakes.yml" "$tmp/ten/shipit.yml"
	before=$(on h1 cat /proc/net/netstat | md5sum)
	shipit -f "$tmp/ten/shipit.yml" deploy prod
	want_code 2
	want_same 'messages' 10 "$(grep -cE '^[^ ]*shipit\.yml:[0-9]+:[0-9]+: ' "$tmp/out")"
	want_same 'lines named' "$(grep -n 'wrong' "$tmp/ten/shipit.yml" | cut -d: -f1 | tr '\n' ' ')" \
	    "$(grep -oE 'shipit\.yml:[0-9]+:' "$tmp/out" | cut -d: -f2 | sort -n | tr '\n' ' ')"
	[ -n "$before" ] || wrong 'no host'
}
