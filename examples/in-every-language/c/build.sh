#!/bin/sh
# Makes enrich.wasm, where something it is made of is newer: with zig where it is installed, else with the clang of a wasi-sdk, else
# with a zig of this folder's own.
set -eu
cd "$(dirname "$0")"
sdk=../../../sdk/c

# What is missing is said by find, and counts as newer.
[ -n "$(find enrich.c build.sh $sdk/include $sdk/src -newer enrich.wasm 2>&1)" ] || exit 0

if command -v zig > /dev/null; then
    compile="zig cc" target="--target=wasm32-wasi"
elif [ -n "${WASI_SDK_PATH:-}" ]; then
    # zig puts the stack first without being told: one that runs over ends in a trap then, and not in the data.
    compile="$WASI_SDK_PATH/bin/clang" target="--target=${WASI_TARGET:-wasm32-wasip1} -Wl,--stack-first"
else
    if [ ! -e .venv/installed ]; then
        echo "installing zig, which compiles C, into .venv: 450 MB; the first build takes a minute" >&2
        "${PYTHON:-python3}" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check 'ziglang>=0.17,<0.18'
        touch .venv/installed
    fi
    compile=".venv/bin/python -m ziglang cc" target="--target=wasm32-wasi"
fi

# Functions keep their names, for the backtrace of a trap; with -s the file is a twentieth of the size, and they are numbers.
mkdir -p .build
touch .build/started
$compile $target -mexec-model=reactor -O2 -g0 -Wall -Wextra -Wpedantic -Wl,-z,stack-size=262144 -I$sdk/include \
    enrich.c $sdk/src/*.c $sdk/src/wasm/*.c -o .build/enrich.wasm -lm
touch -r .build/started .build/enrich.wasm # what was saved meanwhile may not be in it
mv .build/enrich.wasm enrich.wasm
