# shellcheck shell=bash disable=SC2154 # variables of registry_test.sh
# Clients that nobody here wrote: docker, podman, skopeo. $R is the registry, $log the server's log.

docker() {
	timeout -k 5 120 docker "$@"
}

podman_() {
	timeout -k 5 120 podman --root "$tmp/podman" --runroot "$tmp/podman.run" --tmpdir "$tmp/podman.tmp" --storage-driver vfs \
	    --cgroup-manager cgroupfs --events-backend none "$@"
}

# The limits: podman asks for more than this side may have.
podman_runs() { # IMAGE COMMAND...
	works podman_ run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
}

# said COMMAND...: its output in $tmp/out, its exit code in $code.
said() {
	"$@" >"$tmp/out" 2>&1 </dev/null
	code=$?
	out=$(cat "$tmp/out")
}

works() { # COMMAND...
	said "$@"
	[ "$code" = 0 ] || wrong "exit $code: $*
$(tail -n 5 "$tmp/out")"
}

runs() { # IMAGE WANT COMMAND...: in this side's engine
	local image=$1 want=$2
	shift 2
	out=$(docker run --rm --network none "$image" "$@" 2>"$tmp/out" </dev/null) || wrong "$image does not run"
	want_same "what $image says" "$want" "$out"
}

# Requests to a repository in the server's log, from line N on: those for which the jq TEST holds.
requests() { # REPOSITORY N TEST
	tail -n "+$2" "$log" | jq -c --arg at "/v2/$1/" "select(.event == \"request\" and (.path | startswith(\$at)) and ($3))"
}

# Bytes of bodies that the server took for a repository, since line N of its log.
received() { # REPOSITORY N
	requests "$1" "$2" true | jq -s 'map(.received) | add // 0'
}

lines() {
	echo $(($(wc -l <"$log") + 1))
}

test_docker() {
	begin 'docker push, then pull, then run'
	docker tag box:v1 "$R/app:v1"
	works docker push "$R/app:v1"
	docker rmi -f "$R/app:v1" box:v1 >/dev/null
	works docker pull "$R/app:v1"
	runs "$R/app:v1" v1 /busybox cat /www/index.html

	begin 'docker push of what is there moves nothing'
	n=$(lines)
	works docker push "$R/app:v1"
	want_out 'Layer already exists'
	[ "$(received app "$n")" -lt 20000 ] || wrong "$(received app "$n") bytes were uploaded"

	begin 'docker push under another name mounts, and uploads no layer again'
	n=$(lines)
	docker tag "$R/app:v1" "$R/team/other:v1"
	works docker push "$R/team/other:v1"
	want_out 'Mounted from app'
	[ -n "${REGISTRY_PEER-}" ] || [ -n "$(requests team/other "$n" '.method == "POST" and .status == 201')" ] ||
	    wrong 'no mount in the log'
	[ "$(received team/other "$n")" -lt 20000 ] ||
	    wrong "$(received team/other "$n") bytes were uploaded"
	docker rmi -f "$R/team/other:v1" "$R/app:v1" >/dev/null
	works docker pull "$R/team/other:v1"
	runs "$R/team/other:v1" v1 /busybox cat /www/index.html

	begin 'docker pull by digest'
	digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$R/team/other:v1")
	docker rmi -f "$R/team/other:v1" >/dev/null
	works docker pull "$digest"
	runs "$digest" v1 /busybox cat /www/index.html

	begin 'docker pull of what is not there'
	said docker pull "$R/app:none"
	want_code 1
	want_out 'manifest unknown'

	begin 'an image of 20 layers'
	mkdir -p "$tmp/many"
	{
		echo 'FROM box:v2'
		for i in $(seq 20); do
			head -c $((i * 1000)) /dev/urandom >"$tmp/many/$i"
			echo "COPY $i /"
		done
	} >"$tmp/many/Dockerfile"
	works docker build -q -t "$R/many:v1" "$tmp/many"
	works docker push "$R/many:v1"
	docker rmi -f "$R/many:v1" >/dev/null
	works docker pull "$R/many:v1"
	runs "$R/many:v1" "$(sha256sum <"$tmp/many/20")" /busybox sh -c '/busybox sha256sum </20'
	runs "$R/many:v1" "$(sha256sum <"$tmp/many/1")" /busybox sh -c '/busybox sha256sum </1'

	begin 'ssh -R by hand, and the host pulls and runs it'
	port=${R##*:}
	ssh -F "$LAB_SSH_CONFIG" -o ExitOnForwardFailure=yes -N -R "127.0.0.1:5000:$R" h1 </dev/null >"$tmp/ssh" 2>&1 &
	tunnel=$!
	until_true 10 on h1 curl -fsS -o /dev/null http://127.0.0.1:5000/v2/ 2>/dev/null || wrong 'no tunnel'
	works on h1 docker run --rm --network none 127.0.0.1:5000/many:v1 /busybox cat /www/index.html
	want_out v2
	kill "$tunnel"
}

test_podman() {
	begin 'podman pull and run of what docker pushed'
	works podman_ pull --tls-verify=false "$R/team/other:v1"
	podman_runs "$R/team/other:v1" /busybox cat /www/index.html
	want_out v1

	begin 'podman push, and docker runs it'
	works podman_ tag "$R/team/other:v1" "$R/by-podman:v1"
	works podman_ push --tls-verify=false "$R/by-podman:v1"
	works podman_ push --tls-verify=false --format v2s2 "$R/by-podman:v1" "docker://$R/by-podman:docker-form"
	for tag in v1 docker-form; do runs "$R/by-podman:$tag" v1 /busybox cat /www/index.html; done

	begin 'podman builds, pushes and pulls again'
	mkdir -p "$tmp/built"
	echo built >"$tmp/built/text"
	printf 'FROM %s/by-podman:v1\nCOPY text /\n' "$R" >"$tmp/built/Dockerfile"
	works podman_ build --tls-verify=false -t "$R/built:v1" "$tmp/built"
	works podman_ push --tls-verify=false "$R/built:v1"
	works podman_ rmi -f "$R/built:v1"
	works podman_ pull --tls-verify=false "$R/built:v1"
	podman_runs "$R/built:v1" /busybox cat /text
	want_out built
}

skopeo_() {
	timeout -k 5 120 skopeo --insecure-policy "$@"
}

test_skopeo() {
	begin 'skopeo copy from docker-archive: into it'
	works docker save -o "$tmp/box.tar" box:v2
	works skopeo_ copy --dest-tls-verify=false "docker-archive:$tmp/box.tar" "docker://$R/skopeo:v2"
	runs "$R/skopeo:v2" v2 /busybox cat /www/index.html

	begin 'skopeo copy to oci: and from there into it again: the same manifest'
	works skopeo_ copy --src-tls-verify=false "docker://$R/skopeo:v2" "oci:$tmp/oci:v2"
	works skopeo_ copy --dest-tls-verify=false "oci:$tmp/oci:v2" "docker://$R/skopeo:oci"
	works skopeo_ inspect --raw "oci:$tmp/oci:v2"
	want_same 'the manifest' "$out" "$(skopeo_ inspect --raw --tls-verify=false "docker://$R/skopeo:oci")"
	runs "$R/skopeo:oci" v2 /busybox cat /www/index.html

	begin 'skopeo copy to docker-archive:, which docker loads and runs'
	works skopeo_ copy --src-tls-verify=false "docker://$R/skopeo:v2" "docker-archive:$tmp/out.tar:loaded:v2"
	works docker load -i "$tmp/out.tar"
	runs loaded:v2 v2 /busybox cat /www/index.html

	begin 'skopeo copy from one repository to another'
	n=$(lines)
	works skopeo_ copy --src-tls-verify=false --dest-tls-verify=false "docker://$R/skopeo:v2" "docker://$R/moved/here:x"
	[ "$(received moved/here "$n")" -lt 20000 ] || wrong "$(received moved/here "$n") bytes were uploaded"

	begin 'skopeo inspect'
	works skopeo_ inspect --tls-verify=false "docker://$R/skopeo:v2"
	want_out "\"Name\": \"$R/skopeo\"" '"Architecture": "amd64"'
	works skopeo_ inspect --tls-verify=false --config "docker://$R/skopeo:v2"
	want_out '/busybox'

	begin 'skopeo list-tags'
	works skopeo_ list-tags --tls-verify=false "docker://$R/skopeo"
	want_same tags 'oci v2' "$(jq -r '.Tags | join(" ")' <<<"$out")"

	begin 'skopeo delete'
	works skopeo_ delete --tls-verify=false "docker://$R/skopeo:oci"
	works skopeo_ list-tags --tls-verify=false "docker://$R/skopeo"
	want_same tags v2 "$(jq -r '.Tags | join(" ")' <<<"$out")"
	said skopeo_ inspect --tls-verify=false "docker://$R/skopeo:oci"
	[ "$code" != 0 ] || wrong 'it is still there'

	begin 'skopeo copy --all of an index goes in and comes out byte for byte'
	python3 "$root/tests/e2e/registry/multi.py" "$tmp/multi"
	works skopeo_ copy --all --preserve-digests --dest-tls-verify=false "oci:$tmp/multi:multi" "docker://$R/multi:v1"
	works skopeo_ copy --all --preserve-digests --src-tls-verify=false "docker://$R/multi:v1" "oci:$tmp/multi.out:multi"
	diff -r "$tmp/multi/blobs" "$tmp/multi.out/blobs" >"$tmp/out" 2>&1 || wrong "the blobs differ: $(cat "$tmp/out")"
	runs "$R/multi:v1" amd64

	begin 'of an index an engine takes the image of its platform, skopeo another'
	works skopeo_ inspect --tls-verify=false --override-arch arm64 --config "docker://$R/multi:v1"
	want_out arm64
}

test_import() {
	begin 'an image imported from the engine is pulled and run by docker and podman'
	works driver import box:v3 imported/box:v3
	works docker pull "$R/imported/box:v3"
	runs "$R/imported/box:v3" v3 /busybox cat /www/index.html
	want_same 'the image id' "$(docker image inspect -f '{{.Id}}' box:v3)" \
	    "$(docker image inspect -f '{{.Id}}' "$R/imported/box:v3")"
	works podman_ pull --tls-verify=false "$R/imported/box:v3"
	podman_runs "$R/imported/box:v3" /busybox cat /www/index.html
	want_out v3

	begin 'skopeo copies an imported image to docker-archive: and oci:, and docker runs it'
	works skopeo_ copy --src-tls-verify=false "docker://$R/imported/box:v3" "docker-archive:$tmp/imported.tar:again:v3"
	works docker load -i "$tmp/imported.tar"
	runs again:v3 v3 /busybox cat /www/index.html
	works skopeo_ copy --src-tls-verify=false "docker://$R/imported/box:v3" "oci:$tmp/imported.oci:v3"

	begin 'what skopeo wrote can be imported: oci:, docker-archive:, an index'
	works driver import "oci:$tmp/imported.oci:v3" imported/oci:v3
	works driver import "docker-archive:$tmp/imported.tar" imported/archive:v3
	works driver import "oci:$tmp/multi:multi" imported/multi:v1
	docker rmi -f "$R/imported/box:v3" again:v3 >/dev/null
	for name in oci archive; do runs "$R/imported/$name:v3" v3 /busybox cat /www/index.html; done
	runs "$R/imported/multi:v1" amd64
	want_same 'the index' "$(skopeo_ inspect --raw "oci:$tmp/multi:multi")" \
	    "$(skopeo_ inspect --raw --tls-verify=false "docker://$R/imported/multi:v1")"

	begin 'after all of that the store is in order'
	works driver verify
	works driver gc
	works driver verify
	docker rmi -f "$R/imported/oci:v3" "$R/many:v1" >/dev/null
	works docker pull "$R/imported/oci:v3"
	works docker pull "$R/many:v1"
}

test_login() {
	begin 'docker without a login is refused'
	docker tag box:v2 "$A/mine/app:v2"
	said docker --config "$tmp/nobody" push "$A/mine/app:v2"
	want_code 1
	want_out 'no basic auth credentials'
	said docker --config "$tmp/nobody" pull "$A/mine/app:v2"
	want_code 1

	begin 'docker login with a wrong password is refused, with the right one it pushes'
	said docker --config "$tmp/somebody" login -u writer -p wrong "$A"
	want_code 1
	works docker --config "$tmp/somebody" login -u writer -p w-secret "$A"
	works docker --config "$tmp/somebody" push "$A/mine/app:v2"

	begin 'an account that reads one repository pulls it, and nothing else'
	works docker --config "$tmp/reader" login -u one -p 1-secret "$A"
	docker rmi -f "$A/mine/app:v2" >/dev/null
	works docker --config "$tmp/reader" pull "$A/mine/app:v2"
	said docker --config "$tmp/reader" pull "$A/other/app:v1"
	want_code 1
	said docker --config "$tmp/reader" push "$A/mine/app:v2"
	want_code 1
	said skopeo_ list-tags --tls-verify=false --creds one:wrong "docker://$A/mine/app"
	want_code 1
	works skopeo_ list-tags --tls-verify=false --creds one:1-secret "docker://$A/mine/app"
	want_out v2
}
