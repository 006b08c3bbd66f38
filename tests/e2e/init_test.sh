#!/bin/bash
# shipit init: what it writes in each kind of folder is an inventory that is in order.
# shellcheck source-path=SCRIPTDIR disable=SC2154 # variables of lib.sh
. "$(dirname "$0")/lib.sh"

# in_folder NAME: an empty one.
in_folder() {
	mkdir -p "$tmp/folders/$1"
	cd "$tmp/folders/$1" || exit 1
}

# init, and what it wrote is in order and has this many services.
want_in_order() { # PROJECT SERVICES
	shipit init
	want_code 0
	want_out "project $1"
	shipit check --offline
	want_code 0
	want_out "project $1, 1 environment, $2, 1 host"
}

begin 'an empty folder'
in_folder 'My Shop_2'
want_in_order my-shop_2 '1 service'
want_same 'lines that are too long for a terminal' '' "$(grep -E '.{100}' shipit.yml)"

begin 'what is there already is left as it is'
echo '# mine' >>shipit.yml
sum=$(sha256sum shipit.yml)
shipit init
want_code 2
want_out 'it was left as it is'
want_same 'the file' "$sum" "$(sha256sum shipit.yml)"

for example in "$root"/examples/*/; do
	begin "the example $(basename "$example")"
	in_folder "example-$(basename "$example")"
	cp -r "$example." .
	rm shipit.yml
	want_in_order "example-$(basename "$example")" '1 service'
done

begin 'a recipe and the port that its last stage exposes'
in_folder recipe
printf 'FROM a\nEXPOSE 1\nFROM b\nEXPOSE 3000/tcp\n' >Dockerfile
want_in_order recipe '1 service'
grep -qxF '    build: {context: .}' shipit.yml || wrong 'the recipe is not built'
grep -q '^    ports: \["3000:3000"\]' shipit.yml || wrong 'the port is not published'

begin 'a Compose file: its services are taken as they are'
in_folder composed
printf 'services:\n  web: {build: ., ports: ["80:80"]}\n  db: {image: postgres, volumes: ["data:/data"]}\nvolumes: {data: {}}\n' |
	tee compose.yaml >docker-compose.yml
touch Dockerfile
want_in_order composed '2 services'
grep -q '^compose: compose.yaml$' shipit.yml || wrong 'compose.yaml is not what it takes'
rm shipit.yml compose.yaml
want_in_order composed '2 services'
grep -q '^compose: docker-compose.yml$' shipit.yml || wrong 'docker-compose.yml is not what it takes'

begin "the project is called as the folder's commits are"
in_folder src
git init -q .
for url in git@example.com:team/Big_Shop.git https://example.com/team/big_shop/ ssh://git@example.com:22/big_shop big_shop; do
	git config remote.origin.url "$url"
	rm -f shipit.yml
	want_in_order big_shop '1 service'
done
git config remote.origin.url ///
rm -f shipit.yml
want_in_order src '1 service'
git config remote.origin.url big_shop
in_folder src/billing
want_in_order billing '1 service'

begin 'a folder that cannot be written to'
in_folder full
shipit -f /proc/shipit.yml init
want_code 1
want_out 'cannot write /proc/shipit.yml'

totals
