#!/bin/bash
# examples/python-wheels, built and deployed as its page says.
# shellcheck source-path=SCRIPTDIR disable=SC2154
. "$(dirname "$0")/lib.sh"

lab_up 2
example=$tmp/python-wheels
mkdir "$example"
(cd "$root/examples/python-wheels" && tar --exclude=./debian --exclude='./wheels-*' -cf - .) | tar -C "$example" -xf -
cd "$example" || exit 1
. "$root/tests/e2e/examples/python-wheels.sh"
totals
