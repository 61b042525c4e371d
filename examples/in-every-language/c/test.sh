#!/bin/sh
# Runs the tests with the machine's own compiler, without WebAssembly.
set -eu
cd "$(dirname "$0")"
sdk=../../../sdk/c

mkdir -p .build
"${CC:-cc}" -g -Wall -Wextra -Wpedantic -I$sdk/include enrich.c test_enrich.c $sdk/src/*.c $sdk/src/stand_in/*.c -o .build/test -lm
exec .build/test
