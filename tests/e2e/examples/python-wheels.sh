# shellcheck shell=bash disable=SC2154
# examples/python-wheels: its wheels are made in a container of their own, and nothing that they are made
# with is in what runs. Needs the network once, for Debian's packages; they are kept in .build/examples.

# Steps that were done, by --json.
wheels_steps() {
	jq -r 'select(.event == "step" and .step == "build" and .state == "ok") | .service' "$tmp/out" | sort | xargs
}

# What is in an image, as its shell sees it.
in_image() { # IMAGE SCRIPT
	docker run --rm --entrypoint /bin/sh "$1" -c "$2" 2>/dev/null
}

says() { # HOST
	curl -s --max-time 5 "http://$(address "$1"):8081/"
}

begin 'python-wheels: builds without an index, deploys to two hosts, answers'
./debian.sh "$root/.build/examples/python-wheels" >"$tmp/build.log" 2>&1 || { tail -n 20 "$tmp/build.log"; wrong 'debian.sh'; }
shipit --json build
want_code 0
want_same 'steps done' 'app base builder fnv run' "$(wheels_steps)"
shipit deploy prod
want_code 0
want_not_out 'here: build'
for h in h1 h2; do
	want_same "what $h says" 'Hello, world! 38d1334144987bf4' "$(says "$h")"
done

begin 'python-wheels: what runs holds no compiler, no headers, no cache of pip, no wheels'
want_same 'in the builder' /usr/bin/gcc "$(in_image python-wheels-builder 'command -v gcc')"
want_same 'a compiler' '' "$(in_image python-wheels-web 'command -v gcc cc c++ ld as')"
want_same 'what else is there' '' "$(in_image python-wheels-web \
    'find / -xdev ( -name Python.h -o -path "*/.cache/pip*" -o -name "deployme*.whl" -o -name "fnv*.whl" -o -name "*.deb" ) -print' |
    head)"
want_same 'in it' fnv "$(in_image python-wheels-web '/appenv/bin/python -c "import fnv; print(fnv.__name__)"')"

begin 'python-wheels: the second build does nothing'
shipit --json build
want_code 0
want_same 'steps done' '' "$(wheels_steps)"

begin 'python-wheels: a changed source makes its wheel anew, and no other'
before=$(stat -c %y wheels-fnv/*.whl)
sed -i 's/HELLO = "Hello, world!"/HELLO = "Hello, wheels!"/' app/deployme/__init__.py
shipit --json build
want_code 0
want_same 'steps done' 'app run' "$(wheels_steps)"
want_same 'the other wheel' "$before" "$(stat -c %y wheels-fnv/*.whl)"
sed -i 's/0xcbf29ce484222325u/0u/' fnv/fnv.c
shipit --json build
want_code 0
want_same 'steps done' 'fnv run' "$(wheels_steps)"
shipit deploy prod
want_code 0
for h in h1 h2; do
	want_same "what $h says" 'Hello, wheels! f76b324991bd2c7b' "$(says "$h")"
done

begin 'python-wheels: a wheel that cannot be made changes no host'
echo 'int broken(' >>fnv/fnv.c
shipit deploy prod
want_code 1
want_out 'its last words' 'error: ' 'nothing was changed on any host'
want_not_out h1: h2:
want_same 'what h1 says' 'Hello, wheels! f76b324991bd2c7b' "$(says h1)"
