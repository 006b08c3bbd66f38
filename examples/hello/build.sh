#!/bin/sh
# Compile ./hello, the program that run.docker copies into the image: static, so
# that it runs in an image with nothing else in it.
set -eu
cd "$(dirname "$0")"
${CC:-cc} -static -Os -Wall -Wextra -s -o hello hello.c
