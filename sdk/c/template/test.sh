#!/bin/sh
# Runs the tests with the machine's own compiler, without WebAssembly.
set -eu
cd "$(dirname "$0")"

c="" cxx="" libraries="-lm"
for source in *.c *.cpp; do
    case $source in
        \**) ;;
        *.c) c="$c $source" ;;
        *.cpp) cxx="$cxx $source" ;;
    esac
done
if [ -n "$cxx" ]; then
    case $(uname) in Darwin) libraries="-lm -lc++" ;; *) libraries="-lm -lstdc++" ;; esac
fi

mkdir -p .build
"${CC:-cc}" -g -Wall -Wextra -Wpedantic -Icofferdam-sdk/include \
    -x c $c cofferdam-sdk/src/*.c cofferdam-sdk/src/stand_in/*.c ${cxx:+-x c++ $cxx} -x none -o .build/test $libraries
exec .build/test
