#!/bin/sh
# Makes my-handler.wasm: with zig where it is installed, else with the clang of a wasi-sdk, else with a zig of the project's own.
set -eu
cd "$(dirname "$0")"

if command -v zig > /dev/null; then
    compile="zig cc" compile_cxx="zig c++" target="--target=wasm32-wasi"
elif [ -n "${WASI_SDK_PATH:-}" ]; then
    # zig puts the stack first without being told: one that runs over ends in a trap then, and not in the data.
    compile="$WASI_SDK_PATH/bin/clang" compile_cxx="$WASI_SDK_PATH/bin/clang++"
    target="--target=${WASI_TARGET:-wasm32-wasip1} -Wl,--stack-first"
else
    if [ ! -e .venv/installed ]; then
        echo "installing zig, which compiles C, into .venv: 450 MB; the first build takes a minute" >&2
        "${PYTHON:-python3}" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check 'ziglang>=0.17,<0.18'
        touch .venv/installed
    fi
    compile=".venv/bin/python -m ziglang cc" compile_cxx=".venv/bin/python -m ziglang c++" target="--target=wasm32-wasi"
fi

# Every file in this folder is part of the plugin, but for the tests.
c="" cxx=""
for source in *.c *.cpp; do
    case $source in
        test_* | \**) ;;
        *.c) c="$c $source" ;;
        *.cpp) cxx="$cxx $source" compile=$compile_cxx ;;
    esac
done

# Functions keep their names, for the backtrace of a trap; with -s the file is a twentieth of the size, and they are numbers.
mkdir -p .build
$compile $target -mexec-model=reactor -O2 -g0 -Wall -Wextra -Wpedantic -Wl,-z,stack-size=262144 -Icofferdam-sdk/include \
    -x c $c cofferdam-sdk/src/*.c cofferdam-sdk/src/wasm/*.c ${cxx:+-x c++ -fno-exceptions $cxx} \
    -o .build/my-handler.wasm -lm
mv .build/my-handler.wasm my-handler.wasm
