#!/bin/bash
# Building in steps: what is run and what is not, what fails and where it ends, what is left behind.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

project=$tmp/pipe
file=$project/shipit.yml

# The recipe in small: a base, a builder that makes "wheels" of two folders, an image that takes them.
write_project() {
	mkdir -p "$project/src" "$project/more"
	cp /bin/busybox "$project/busybox"
	echo 'int one;' >"$project/src/one.c"
	echo 'int two;' >"$project/more/two.c"
	cat >"$project/base.docker" <<-'END'
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		ENV PATH=/bin
	END
	cat >"$project/build.docker" <<-'END'
		FROM pipe-base
		RUN echo the compiler >/compiler
		CMD ["sh", "-c", "cat /application/*.c >/wheelhouse/wheel && echo made of $SOURCE_DATE_EPOCH"]
	END
	cat >"$project/run.docker" <<-'END'
		FROM pipe-base
		ADD wheels-one ./wheels-two/ /www/
		CMD ["httpd", "-f", "-p", "80", "-h", "/www"]
	END
	printf '*.o\nbuild\n' >"$project/src/.dockerignore"
	write_inventory
	git -C "$project" init -q
	commit first
}

commit() { # TEXT
	git -C "$project" add -A
	GIT_COMMITTER_DATE='2026-01-02T03:04:05Z' git -C "$project" -c user.name=ann -c user.email=ann@example.com \
	    commit -q --allow-empty -m "$1"
}

write_inventory() {
	cat >"$file" <<-END
		project: pipe
		ssh: {config: $LAB_SSH_CONFIG}
		services:
		  web:
		    build:
		      steps:
		        base: {dockerfile: base.docker}
		        builder: {dockerfile: build.docker}
		        one: {run: {image: builder, volumes: ["./src:/application", "wheels-one:/wheelhouse"]}}
		        two: {run: {image: builder, volumes: ["./more:/application:ro", "wheels-two:/wheelhouse"]}}
		        app: {dockerfile: run.docker}
		    ports: ["8080:80"]
		    ready: {running: 1s}
		    stop_grace_period: 0s
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
}

# Steps that were done, in the order of their names; and those that were passed over.
steps() { # STATE
	jq -r --arg state "$1" 'select(.event == "step" and .step == "build" and .state == $state) | .service' "$tmp/out" |
	    sort | xargs
}

build() { # ARG...
	shipit -f "$file" --json build "$@"
}

want_steps() { # DONE SKIPPED
	want_same 'steps done' "$1" "$(steps ok)"
	want_same 'steps passed over' "$2" "$(steps skipped)"
}

image() { # NAME FORMAT
	docker image inspect -f "$2" "$1" 2>&1
}

label() { # IMAGE NAME
	image "$1" "{{index .Config.Labels \"org.opencontainers.image.$2\"}}"
}

no_containers() {
	want_same 'containers here' '' "$(docker ps -aq)"
}

# --- what is done

test_steps() {
	begin 'the first build does all steps, each after those it takes from'
	write_project
	build
	want_code 0
	want_steps 'app base builder one two' ''
	want_same 'its order' 'base builder one app' "$(jq -r 'select(.step == "build" and .state == "ok") | .service' "$tmp/out" |
	    grep -v two | xargs)"
	want_out 'made of 1767323045'
	want_same 'what it makes' 'int one;' "$(cat "$project/wheels-one/wheel")"
	want_same 'the image of the service' "$(image pipe-app '{{.Id}}')" "$(image pipe-web '{{.Id}}')"
	no_containers

	begin 'images say which commit they are from'
	want_same revision "$(git -C "$project" rev-parse HEAD)" "$(label pipe-web revision)"
	want_same created 2026-01-02T03:04:05Z "$(label pipe-web created)"

	begin 'the second build does nothing, and says so'
	build
	want_code 0
	want_steps '' 'app base builder one two'
	shipit -f "$file" build
	want_out 'steps: 0 run, 5 unchanged'
	shipit -f "$file" deploy prod
	want_code 0
	want_not_out 'here: build'
	want_same 'what is served' 'int two;' "$(curl -s "http://$(address h1):8080/wheel")"
}

test_changes() {
	local id
	begin 'a changed file is built where it is taken, and nowhere else'
	echo 'int three;' >"$project/more/two.c"
	build
	want_steps 'app two' 'base builder one'
	want_same revision "$(git -C "$project" rev-parse HEAD)-dirty" "$(label pipe-web revision)"

	begin 'what .dockerignore leaves out, times and commits do not count'
	echo object >"$project/src/one.o"
	touch -d '2020-01-01' "$project/more/two.c" "$project/base.docker"
	commit second
	build
	want_steps '' 'app base builder one two'

	begin 'an image that only the commit differs in gives way to the one before'
	id=$(image pipe-base '{{.Id}}')
	echo '# a remark' >>"$project/base.docker"
	build
	want_steps base 'app builder one two'
	want_same 'the base' "$id" "$(image pipe-base '{{.Id}}')"
	shipit -f "$file" deploy prod
	id=$(inspect h1 '{{.Id}}' pipe.prod.web)
	echo '# another' >>"$project/run.docker"
	shipit -f "$file" deploy prod
	want_code 0
	want_same 'the container' "$id" "$(inspect h1 '{{.Id}}' pipe.prod.web)"

	begin 'what a step made is made again when it is gone, and the next takes it'
	rm -r "$project/wheels-one"
	build
	want_steps one 'app base builder two'
	echo spoiled >"$project/wheels-two/wheel"
	build
	want_steps two 'app base builder one'

	begin 'an image that is gone is built again; --no-cache does everything'
	docker rmi -f pipe-app pipe-web >/dev/null
	build
	want_steps app 'base builder one two'
	build --no-cache
	want_steps 'app base builder one two' ''
	build --pull
	want_code 0

	begin 'a step that changes what it takes is told of, and done again'
	sed -i 's,/application/\*.c >,/application/*.c >>/application/notes; cat /application/*.c >,' "$project/build.docker"
	sed -i 's,./more:/application:ro,./more:/application,' "$file"
	build
	want_out 'files in a folder that it takes changed meanwhile'
	build
	want_steps 'one two' 'app base builder'
	git -C "$project" checkout -q build.docker
	rm -f "$project"/*/notes
	write_inventory
	build
	build
	want_steps '' 'app base builder one two'
}

test_side_by_side() {
	begin 'steps that do not wait for each other go side by side'
	mkdir -p "$tmp/meet" "$project/meet"
	cat >"$project/meet.yml" <<-END
		project: pipe
		builds:
		  base: {dockerfile: base.docker}
		  left: {run: {image: base, volumes: ["$tmp/meet:/meet", "left:/left"], command: [sh, -c, "touch /meet/left /left/done; until [ -e /meet/right ]; do sleep 0.1; done"]}}
		  right: {run: {image: base, volumes: ["$tmp/meet:/meet", "right:/right"], command: [sh, -c, "touch /meet/right /right/done; until [ -e /meet/left ]; do sleep 0.1; done"]}}
		services: {web: {build: {context: meet, dockerfile: ../base.docker, needs: [left, right]}}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
	cp /bin/busybox "$project/meet"
	limit=60 shipit -f "$project/meet.yml" --json build
	want_code 0
	want_steps 'base left right web' ''
}

# --- what goes wrong

untouched() {
	want_out 'nothing was changed on any host'
	want_not_out h1:
	want_same 'the container' "$1" "$(inspect h1 '{{.Id}}' pipe.prod.web)"
	no_containers
}

test_failures() {
	local id
	id=$(inspect h1 '{{.Id}}' pipe.prod.web)
	begin 'a builder that fails ends it with its last lines, before any host'
	sed -i 's,&& echo made,\&\& echo about to fail \&\& exit 7 \&\& echo made,' "$project/build.docker"
	shipit -f "$file" deploy prod
	want_code 1
	want_out 'running builder failed (its container exited 7)' 'about to fail' 'its last words'
	untouched "$id"

	begin 'a recipe that fails does so, too'
	git -C "$project" checkout -q build.docker
	echo 'RUN echo on the edge && false' >>"$project/run.docker"
	shipit -f "$file" deploy prod
	want_code 1
	want_out 'building pipe-app failed' 'on the edge' 'its last words'
	untouched "$id"
	git -C "$project" checkout -q run.docker

	begin 'so does a builder that makes nothing'
	sed -i 's,cat /application/\*.c >/wheelhouse/wheel,rm -f /wheelhouse/wheel,' "$project/build.docker"
	shipit -f "$file" deploy prod
	want_code 1
	want_out 'ended well and left nothing in' "$project/wheels-"
	untouched "$id"
	git -C "$project" checkout -q build.docker

	begin 'a mistake in the description is exit 2, with its place'
	sed 's/base: {dockerfile: base.docker}/base: {dockerfile: base.docker, needs: [buildr]}/' "$file" >"$project/bad.yml"
	shipit -f "$project/bad.yml" deploy prod
	want_code 2
	want_out 'bad.yml:7:49: no step is called "buildr"' 'did you mean "builder"?'
	sed 's/base: {dockerfile: base.docker}/base: {dockerfile: base.docker, needs: [one]}/' "$file" >"$project/bad.yml"
	shipit -f "$project/bad.yml" deploy prod
	want_code 2
	want_out 'bad.yml:7:9: steps wait for each other in a circle: base for one, one for builder, builder for base'
	sed 's/one: {run:/one: {dockerfile: x, run:/' "$file" >"$project/bad.yml"
	shipit -f "$project/bad.yml" deploy prod
	want_code 2
	want_out 'bad.yml:9:15: ' 'is for an image that is built, and this step runs one'
	want_same 'the container' "$id" "$(inspect h1 '{{.Id}}' pipe.prod.web)"
}

# --- ends

slow_step() {
	cat >"$project/slow.yml" <<-END
		project: pipe
		builds:
		  base: {dockerfile: base.docker}
		  slow: {run: {image: base, volumes: ["slow:/slow"], command: [sh, -c, "echo begun; touch /slow/done; exec sleep 1000"]}}
		services: {web: {build: {context: ., dockerfile: $1, needs: [$2]}}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
	timeout -k 10 120 "$SHIPIT" -f "$project/slow.yml" build >"$tmp/out" 2>&1 </dev/null &
	building=$!
	until_true 60 runs_one || wrong "no container is running: $(docker ps -a)"
	building_pid=$(pgrep -P $building)
}

runs_one() {
	[ -n "$(docker ps -q)" ] && docker ps --no-trunc --format '{{.Command}}' | grep -q sleep
}

no_container_runs() {
	[ -z "$(docker ps -aq)" ]
}

test_ends() {
	begin 'who interrupts a step ends its container'
	slow_step base.docker slow
	kill -TERM "$building_pid"
	wait $building
	want_same exit 130 $?
	no_containers

	begin 'and that of a recipe'
	printf 'FROM pipe-base\nRUN exec sleep 1000\n' >"$project/slow.docker"
	slow_step slow.docker base
	kill -TERM "$building_pid"
	wait $building
	want_same exit 130 $?
	until_true 20 no_container_runs || no_containers

	begin 'what a killed build left is gone after the next one'
	slow_step base.docker slow
	kill -KILL "$building_pid"
	{ wait $building; } 2>/dev/null
	[ -n "$(docker ps -q)" ] || wrong 'the container is gone already'
	shipit -f "$file" build
	want_code 0
	want_out 'removed a container that an interrupted build had left'
	no_containers

	begin "the engine's build of a killed one ends by itself"
	slow_step slow.docker base
	kill -KILL "$building_pid"
	{ wait $building; } 2>/dev/null
	until_true 20 no_container_runs || no_containers

	begin 'of two builds at once one waits for the other'
	slow_step base.docker slow
	timeout -k 10 120 "$SHIPIT" -f "$file" build >"$tmp/second" 2>&1 </dev/null &
	second=$!
	until_true 20 grep -q 'waiting for its end' "$tmp/second" || wrong "it does not wait: $(cat "$tmp/second")"
	kill -TERM "$building_pid"
	wait $building
	wait $second
	want_same 'exit of the second' 0 $?
}

# --- Compose's keys

test_keys() {
	begin 'secrets of a build: a variable, a file and a program; not in the image'
	mkdir -p "$tmp/keys"
	cp /bin/busybox "$tmp/keys"
	printf 'from the file\n' >"$tmp/keys.file"
	cat >"$tmp/keys/Dockerfile" <<-'END'
		FROM scratch
		COPY busybox /bin/busybox
		RUN --mount=type=secret,id=a --mount=type=secret,id=b --mount=type=secret,id=c \
		    ["/bin/busybox", "sh", "-c", "cd /run/secrets; /bin/busybox cat a b c | /bin/busybox md5sum >/sum; /bin/busybox cat a"]
	END
	cat >"$tmp/keys/shipit.yml" <<-END
		project: keys
		secrets: {one: {env: TOKEN_ONE}, two: {file: $tmp/keys.file}, three: {command: [echo, from the program]}}
		services: {web: {build: {context: ., secrets: [{source: one, target: a}, {source: two, target: b}, {source: three, target: c}]}}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
	TOKEN_ONE=very-secret-indeed shipit -f "$tmp/keys/shipit.yml" build
	want_code 0
	want_not_out very-secret-indeed
	want_same 'what it saw' "$(printf 'very-secret-indeedfrom the file\nfrom the program\n' | md5sum | cut -d ' ' -f 1)" \
	    "$(docker run --rm keys-web /bin/busybox cat /sum | cut -d ' ' -f 1)"
	! docker save keys-web | grep -aq very-secret-indeed || wrong 'it is in the image'

	begin 'a platform; contexts that this docker cannot have are refused, with the reason'
	cat >"$tmp/keys/shipit.yml" <<-END
		project: keys
		services: {web: {build: {context: ., dockerfile: plain, platforms: [linux/arm64]}}}
		hosts: {h1: {}}
		environments: {prod: {hosts: [h1]}}
	END
	printf 'FROM scratch\nCOPY busybox /bin/busybox\n' >"$tmp/keys/plain"
	shipit -f "$tmp/keys/shipit.yml" build
	want_code 0
	want_same 'its platform' arm64 "$(image keys-web '{{.Architecture}}')"
	sed -i 's,platforms: \[linux/arm64\],additional_contexts: {docs: ../docs},' "$tmp/keys/shipit.yml"
	shipit -f "$tmp/keys/shipit.yml" build
	want_code 1
	want_out 'has no --build-context' docker-buildx
}

lab_up 1
parts=${*:-steps changes side_by_side failures ends keys}
for part in $parts; do "test_$part"; done
finish
totals
