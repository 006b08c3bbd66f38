#!/bin/bash
# The JSON Schema of shipit.yml: the one in docs/ is what the program has, and it agrees with what the
# program takes.
#
#   schema_test.sh [N]     N: how many changed files are asked about
# shellcheck source-path=SCRIPTDIR disable=SC2154,SC2016 # variables of lib.sh; a command in a title
. "$(dirname "$0")/lib.sh"
here=$root/tests/e2e/schema

begin 'docs/shipit.schema.json is what `shipit config --schema` prints'
shipit config --schema
want_code 0
[ -z "${GOLDEN_UPDATE-}" ] || cp "$tmp/out" "$root/docs/shipit.schema.json"
cmp "$tmp/out" "$root/docs/shipit.schema.json" || wrong 'GOLDEN_UPDATE=1 tests/e2e/schema_test.sh writes it anew'

begin 'docs/keys.md is made of it'
"$root/docs/keys.py" "$root/docs/shipit.schema.json" >"$tmp/keys.md" || wrong 'keys.py failed'
[ -z "${GOLDEN_UPDATE-}" ] || cp "$tmp/keys.md" "$root/docs/keys.md"
cmp "$tmp/keys.md" "$root/docs/keys.md" || wrong 'GOLDEN_UPDATE=1 tests/e2e/schema_test.sh writes it anew'

begin 'schema and program agree about good files, and about these with something changed'
good=()
for file in "$here"/*.yml "$root"/examples/*/shipit.yml "$root"/tests/unit/golden/inventory/*.yml; do
	grep -q '!reset\|!override' "$file" && continue # JSON has no tags
	if "$SHIPIT" -q -f "$file" check --offline >/dev/null 2>&1; then good+=("$file"); fi
done
[ ${#good[@]} -ge 20 ] || wrong "only ${#good[@]} files are good"
mkdir "$tmp/changed"
TMP_HERE=$tmp/changed /usr/bin/python3 "$here/agree.py" "$SHIPIT" "$root/docs/shipit.schema.json" "${1:-1500}" "${good[@]}" >"$tmp/agree" 2>&1 ||
	wrong "$(cat "$tmp/agree")"
tail -1 "$tmp/agree"
totals
