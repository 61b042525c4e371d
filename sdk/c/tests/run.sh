#!/bin/sh
# Runs the tests of the SDK: natively, with the sanitizers, in C and in C++. With COFFERDAM=<the host's program> and a compiler for
# WebAssembly (ZIG, for example "zig" or "python3 -m ziglang") those in the host too.
set -eu
cd "$(dirname "$0")"

build=${BUILD:-../.build}
mkdir -p "$build"
build=$(cd "$build" && pwd)
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -g -O1 -I../include"
safe="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

rm -rf "$build/objects"
mkdir "$build/objects"
for source in ../src/*.c ../src/stand_in/*.c; do
    "${CC:-cc}" -std=c11 $strict $safe -c "$source" -o "$build/objects/$(echo "${source#../src/}" | tr / _).o"
done
# Not to be run here, but the places of all values can be checked.
"${CC:-cc}" -std=c11 $strict -fsyntax-only -x c ../src/wasm/layout.h

for test in test_*.c; do
    echo "$test"
    "${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L $strict $safe "$test" "$build"/objects/*.o -o "$build/test" -lm
    "$build/test"
done
for test in test_*.cpp; do
    echo "$test"
    "${CXX:-c++}" -std=c++17 $strict $safe "$test" "$build"/objects/*.o -o "$build/test" -lm
    "$build/test"
done

# The template's handler, as C and as C++.
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -I../include -fsyntax-only ../template/my_handler.c
"${CXX:-c++}" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I../include -fsyntax-only -x c++ ../template/my_handler.c

# What the README shows: its first and its second example in C are a handler and a test of it.
echo "README.md"
{
    awk '/^```c$/ { block++; on = 1; next } /^```$/ { on = 0 } on && block <= 2' ../README.md
    echo 'int main(void) { COFFERDAM_TEST(an_order_is_billed); return cofferdam_test_end(); }'
} | sed 's/"cofferdam.h"/"cofferdam_test.h"/' > "$build/readme.c"
"${CC:-cc}" -std=c11 $strict $safe "$build/readme.c" "$build"/objects/*.o -o "$build/test" -lm
"$build/test"

if [ -n "${COFFERDAM:-}" ]; then
    BUILD=$build sh component/run.sh
else
    echo "not run, because COFFERDAM does not say where the host is: component/run.sh"
fi
