#!/bin/bash
# Refresh: a base image in a registry gets nothing new, security updates, and an update that breaks
# the application. Its packages are real ones, installed by Debian's dpkg.
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC2016 # LAB_REGISTRY; templates
. "$(dirname "$0")/lib.sh"

# --- a base image with dpkg in it

# The program and the libraries that it wants.
add_program() { # TREE PROGRAM
	local file
	mkdir -p "$1$(dirname "$2")"
	cp "$2" "$1$2"
	ldd "$2" 2>/dev/null | grep -o '/[^ ]*' | while read -r file; do
		mkdir -p "$1$(dirname "$file")"
		cp -n "$file" "$1$file"
	done
}

make_tree() { # TREE
	local program
	mkdir -p "$1"/{bin,etc,tmp,usr/bin,var/log,var/lib/dpkg/info,var/lib/dpkg/updates,var/cache/ldconfig}
	cp /bin/busybox "$1/bin/busybox"
	for program in sh cat diff echo grep httpd rm sleep true; do ln -s busybox "$1/bin/$program"; done
	for program in dpkg dpkg-deb dpkg-query dpkg-split tar; do add_program "$1" "$(realpath "$(command -v $program)")"; done
	[ -e "$1/usr/bin/tar" ] || [ -e "$1/bin/tar" ] || return 1
	touch "$1/var/lib/dpkg/status" "$1/var/lib/dpkg/available"
	printf 'root:x:0:0:root:/:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\n' >"$1/etc/group"
}

# NAME VERSION FILE=TEXT...: a package that brings these files.
make_package() {
	local name=$1 version=$2 dir=$tmp/packages/$1 file
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir/DEBIAN" "$tmp/debs"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n' \
	    "$name" "$version" >"$dir/DEBIAN/control"
	for file; do
		mkdir -p "$dir$(dirname "${file%%=*}")"
		printf '%s\n' "${file#*=}" >"$dir${file%%=*}"
	done
	rm -f "$tmp/debs/$name"_*
	dpkg-deb --root-owner-group -Zgzip -b "$dir" "$tmp/debs/${name}_$version.deb" >/dev/null || exit 1
}

# The base is built anew from the packages that there are, and pushed. Each time what it logs has
# another time in it.
push_base() {
	local dir=$tmp/base
	rm -rf "$dir/debs"
	mkdir -p "$dir"
	[ -e "$dir/tree" ] || make_tree "$dir/tree"
	cp -r "$tmp/debs" "$dir/debs"
	cat >"$dir/Dockerfile" <<-'END'
		FROM scratch
		COPY tree /
		COPY debs /debs
		RUN /usr/bin/dpkg --force-bad-path --force-not-root -i /debs/*.deb && rm -r /debs && echo "root:*:$(($(/bin/busybox date +%s) % 100000)):0:99999:7:::" >/etc/shadow
	END
	if ! docker build -q --no-cache -t "$LAB_REGISTRY/base:stable" "$dir" >"$tmp/build.log" 2>&1 ||
	    ! docker push -q "$LAB_REGISTRY/base:stable" >>"$tmp/build.log" 2>&1; then
		cat "$tmp/build.log"
		exit 1
	fi
	# What refresh has to pull is not there already.
	docker rmi "$LAB_REGISTRY/base:stable" >/dev/null 2>&1
}

# --- a project with two services of it, and one with an image that was made by hand

write_project() {
	mkdir -p "$tmp/shop/web" "$tmp/shop/api"
	cat >"$tmp/shop/web/Dockerfile" <<-END
		FROM $LAB_REGISTRY/base:stable
		RUN /bin/busybox mkdir -p /www && cat /usr/lib/ssl/version >/www/index.html
		LABEL is=web
		CMD ["/bin/sh", "-c", ". /usr/lib/config/config.sh && exec httpd -f -p 80 -h /www"]
	END
	printf 'FROM scratch\nCOPY busybox /busybox\nCMD ["/busybox", "sleep", "1000000"]\n' >"$tmp/shop/api/Dockerfile"
	cp /bin/busybox "$tmp/shop/api/busybox"
	cat >"$tmp/shop/shipit.yml" <<-END
		project: shop
		ssh: {config: $LAB_SSH_CONFIG}
		notify: {url: "${hook-}", on: [success, failure]}
		services:
		  web:
		    build: {context: web}
		    ports: ["8080:80"]
		    ready: {http: "http://:8080/", running: 1s, timeout: 20s}
		    stop_grace_period: 1s
		  api:
		    build: {context: api}
		    ready: {running: 1s}
		    stop_grace_period: 1s
		  db: {image: "box:v1", ready: {running: 1s}, stop_grace_period: 1s}
		hosts: {h1: {}, h2: {}, h3: {}}
		environments:
		  prod: {hosts: ["*"], rollout: {canary: 1}}
	END
}

# What is posted goes to $tmp/told, a line each; the port to $tmp/port.
start_listener() {
	python3 -c '
import http.server, sys
class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Told)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()' >"$tmp/told" 2>"$tmp/port" </dev/null &
	until_true 10 test -s "$tmp/port" || exit 1
	hook=http://127.0.0.1:$(cat "$tmp/port")/
}

# The image of the registry, as if it had been made 40 days ago from a base that is 90 days old.
make_old() { # NAME:TAG
	local image=$LAB_REGISTRY/$1 dir=$tmp/old
	mkdir -p "$dir"
	docker save box:v2 | tar -C "$dir" -x
	python3 - "$dir" "$image" <<-'END'
		import datetime, json, pathlib, sys
		folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
		listing = json.loads((folder / "manifest.json").read_text())
		config = json.loads((folder / listing[0]["Config"]).read_text())
		ago = lambda days: (datetime.datetime.utcnow() - datetime.timedelta(days=days, hours=1)).isoformat() + "Z"
		config["created"] = ago(40)
		for i, step in enumerate(config["history"]):
		    step["created"] = ago(90 if i == 0 else 40)
		(folder / listing[0]["Config"]).write_text(json.dumps(config))
		listing[0]["RepoTags"] = [name]
		(folder / "manifest.json").write_text(json.dumps(listing))
		(folder / "repositories").unlink(missing_ok=True)
	END
	tar -C "$dir" -c . | docker load >/dev/null 2>&1 && docker push -q "$image" >/dev/null 2>&1
}

refresh() { # ARG...
	shipit -f "$tmp/shop/shipit.yml" refresh prod "$@"
}

containers() { # HOST
	on "$1" docker ps -aq --no-trunc --filter label=dev.shipit.prefix=shop.prod | sort | tr '\n' ' '
}

remember() {
	for h in h1 h2 h3; do eval "before_$h=\$(containers $h)"; done
}

want_untouched() {
	local name
	for h in h1 h2 h3; do
		name=before_$h
		want_same "the containers of $h" "${!name}" "$(containers $h)"
	done
}

nameless() { # of the service: bases are somebody else's
	docker images -q --filter dangling=true --filter label=is=web | wc -l
}

lab_up 3
registry_up
make_box v1
make_package openssl 3.0.14-1 /usr/lib/ssl/version=3.0.14
make_package config 1.0 /usr/lib/config/config.sh=true
make_package zlib 1.2 /usr/lib/zlib=1
push_base
start_listener
write_project

begin 'before anything is deployed a refresh deploys nothing'
refresh
want_code 0
want_out 'db: there is nothing to refresh it from: box:v1 was made on this machine' 'web: left as it is: nothing of it is deployed here'
want_same 'containers' '' "$(containers h1)"

begin 'a deploy'
shipit -f "$tmp/shop/shipit.yml" deploy prod
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.14; done
r1=$(inspect h1 '{{index .Config.Labels "dev.shipit.release"}}' shop.prod.web)
remember

begin 'a base that is only built anew: nothing is deployed, and the image has its name again'
id=$(docker image inspect -f '{{.Id}}' shop-web)
push_base
refresh --json
want_code 0
want_untouched
want_same 'the engine was asked to build' '2' "$(jq -r 'select(.step == "build" and .state == "ok") | .service' "$tmp/out" | sort -u | wc -l)"
want_same 'notes' 'api web' "$(jq -r 'select(.event == "note" and (.text // "" | startswith("unchanged"))) | .service' "$tmp/out" | sort | xargs)"
want_same 'the summary' '0 3' "$(jq -r 'select(.event == "summary") | "\(.exit) \(.hosts.unchanged)"' "$tmp/out")"
want_same 'the image' "$id" "$(docker image inspect -f '{{.Id}}' shop-web)"
want_same 'tags in the store' 1 "$("$SHIPIT" registry list | grep -c 'shop.prod.web')"

begin 'the same from a laptop that has never seen what runs'
SHIPIT_STORE=$tmp/other/store.db refresh
want_code 0
want_out 'is not in the store of this machine: it is read from there' 'web: unchanged'
want_untouched

begin 'security updates are deployed, and told by name and version; what did not change is left alone'
make_package openssl 3.0.15-1 /usr/lib/ssl/version=3.0.15
make_package curl 8.1-1 /usr/lib/curl=8.1
rm -f "$tmp"/debs/zlib_*
api=$(inspect h1 '{{.Id}}' shop.prod.api)
push_base
refresh --report "$tmp/report.html"
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.15; done
want_out 'web: openssl 3.0.14-1 → 3.0.15-1' 'web: new: curl 8.1-1' 'web: gone: zlib 1.2' 'api: unchanged' 'canary: h1'
want_same 'api' "$api" "$(inspect h1 '{{.Id}}' shop.prod.api)"
want_same 'the retained release' "shop.prod.web.$r1" "$(on h2 docker ps -a --format '{{.Names}}' | grep -F "shop.prod.web.$r1")"
grep -qF 'openssl 3.0.14-1' "$tmp/report.html" || wrong 'the report does not have the packages'
grep -qF 'shop.prod.web' <("$SHIPIT" registry list) || wrong 'the new image is not in the store'
want_same 'nameless images here' 0 "$(nameless)"
r2=$(inspect h1 '{{index .Config.Labels "dev.shipit.release"}}' shop.prod.web)
remember

begin 'and the next one has nothing to do'
refresh
want_code 0
want_untouched

begin 'an update that breaks the application: the old release serves everywhere, exit 1, and a report'
make_package config 2.0 /usr/lib/config/config.sh='echo config: no longer here >&2; exit 3'
make_package openssl 3.0.16-1 /usr/lib/ssl/version=3.0.16
push_base
refresh --report "$tmp/broken.html"
want_code 1
want_out 'web: config 1.0 → 2.0' 'web: openssl 3.0.15-1 → 3.0.16-1' 'config: no longer here'
for h in h1 h2 h3; do
	want_body $h 3.0.15
	want_same "the release of $h" "$r2" "$(inspect $h '{{index .Config.Labels "dev.shipit.release"}}' shop.prod.web)"
done
want_same 'who was told' 'refresh failure 1' "$(tail -n 1 "$tmp/told" | jq -r '.shipit | "\(.command) \(.event) \(.exit)"')"
tail -n 1 "$tmp/told" | jq -r .text | grep -qF 'web: openssl 3.0.15-1 → 3.0.16-1' || wrong 'what was told has no packages'
grep -qF 'no longer here' "$tmp/broken.html" || wrong 'the report does not say why'
want_same 'nameless images here' 0 "$(nameless)"
remember

begin 'it is not tried again, from no laptop'
refresh
want_code 0
want_out 'web: left as it is: this image was tried before, and taken back'
want_untouched
SHIPIT_STORE=$tmp/other/store.db XDG_STATE_HOME=$tmp/other refresh
want_code 0
want_out 'web: left as it is: this image was tried before, and taken back'
want_untouched

begin 'until something changes: the next update of the base is tried, and works'
make_package config 2.1 /usr/lib/config/config.sh=true
push_base
refresh --json
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.16; done
want_same 'packages' 'config 1.0 2.1,openssl 3.0.15-1 3.0.16-1' "$(jq -r 'select(.event == "package") | "\(.package) \(.from) \(.to)"' "$tmp/out" | paste -sd,)"

begin 'what somebody rolled back by hand is not brought again, either'
shipit -f "$tmp/shop/shipit.yml" rollback prod
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.15; done
remember
refresh
want_code 0
want_out 'web: left as it is: this image was tried before, and taken back'
want_untouched
shipit -f "$tmp/shop/shipit.yml" history prod
want_out 'refresh' 'rollback'

begin 'a deploy does what it is told'
shipit -f "$tmp/shop/shipit.yml" deploy prod
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.16; done

begin 'what is stopped stays stopped'
shipit -f "$tmp/shop/shipit.yml" stop prod web
make_package openssl 3.0.17-1 /usr/lib/ssl/version=3.0.17
push_base
refresh
want_code 0
want_out 'web: left as it is: it is stopped'
want_same 'web of h1' false "$(inspect h1 '{{.State.Running}}' shop.prod.web)"
shipit -f "$tmp/shop/shipit.yml" start prod web
want_code 0
refresh web
want_code 0
for h in h1 h2 h3; do want_body $h 3.0.17; done

begin 'an image from a registry is pulled anew'
docker tag box:v1 "$LAB_REGISTRY/db:1" && docker push -q "$LAB_REGISTRY/db:1" >/dev/null 2>&1
sed -i "s|box:v1|$LAB_REGISTRY/db:1|" "$tmp/shop/shipit.yml"
shipit -f "$tmp/shop/shipit.yml" deploy prod db
want_code 0
db=$(inspect h1 '{{.Id}}' shop.prod.db)
refresh db
want_code 0
want_out 'db: unchanged'
want_same 'db' "$db" "$(inspect h1 '{{.Id}}' shop.prod.db)"
make_box v2
docker rmi "$LAB_REGISTRY/db:1" >/dev/null 2>&1
docker tag box:v2 "$LAB_REGISTRY/db:1" && docker push -q "$LAB_REGISTRY/db:1" >/dev/null 2>&1
docker rmi "$LAB_REGISTRY/db:1" >/dev/null 2>&1
refresh db
want_code 0
want_out 'db: its files changed'
want_same 'db' v2 "$(on h3 docker exec shop.prod.db /busybox cat /www/index.html)"

begin 'status shows how old images are, warns past max_age, and a refresh that finds nothing newer ends that'
make_old db:1
sed -i 's|rollout: {canary: 1}|&, max_age: 14d|' "$tmp/shop/shipit.yml"
shipit -f "$tmp/shop/shipit.yml" deploy prod db
want_code 0
shipit -f "$tmp/shop/shipit.yml" status prod
want_code 0
want_out 'IMAGE' 'BASE' '40 days' '90 days' 'db: its image is older than `max_age` (14 days) allows; make it anew: shipit' ' refresh prod'
want_not_out 'web: its image' 'api: its image'
shipit -f "$tmp/shop/shipit.yml" --json status prod
want_same 'what is old' 'db db db' "$(jq -r 'select(.event == "service" and .old) | .service' "$tmp/out" | xargs)"
refresh db
want_code 0
want_out 'db: unchanged'
shipit -f "$tmp/shop/shipit.yml" status prod
want_out '40 days'
want_not_out 'its image is older'
shipit -f "$tmp/shop/shipit.yml" --json status prod
want_same 'what is old' '' "$(jq -r 'select(.event == "service" and .old) | .service' "$tmp/out" | xargs)"
want_same 'since when' true "$(jq -r 'select(.event == "service" and .host == "h2" and .service == "db") | .refreshed > .image_created + 30 * 86400' "$tmp/out")"

begin 'a `before` that fails with the new image is not tried again, either'
sed -i 's|    ports: \["8080:80"\]|&\n    before: [/bin/sh, -c, ". /usr/lib/config/config.sh"]|' "$tmp/shop/shipit.yml"
make_package config 3.0 /usr/lib/config/config.sh='echo config: not before >&2; exit 4'
push_base
remember
refresh web
want_code 1
want_out 'config: not before'
want_untouched
refresh web
want_code 0
want_out 'web: left as it is: this image was tried before, and taken back'
want_untouched

begin 'with a registry of the own the same: what is only built anew is left alone, what differs is deployed'
make_package config 3.1 /usr/lib/config/config.sh=true
push_base
sed -i "s|^services:|registry: $LAB_REGISTRY\n&|" "$tmp/shop/shipit.yml"
refresh web
want_code 0
want_out 'web: config 2.1 → 3.1'
remember
push_base
refresh web
want_code 0
want_out 'web: unchanged'
want_untouched

begin 'a build that fails ends before any host is changed'
remember
printf 'FROM %s/base:stable\nRUN /bin/busybox false\n' "$LAB_REGISTRY" >"$tmp/shop/web/Dockerfile"
refresh
want_code 1
want_out 'building shop-web'
want_untouched

totals
