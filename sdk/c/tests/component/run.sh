#!/bin/sh
# Builds two plugins and runs them in the host: COFFERDAM is its program, ZIG a zig (both with arguments, if need be). Python 3 is
# the server that is asked.
set -eu
cd "$(dirname "$0")"

work=$(mktemp -d "${TMPDIR:-/tmp}/cofferdam-c-XXXXXX")
server=
trap 'if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$work"' EXIT
fail() { echo "failed: $*" >&2; exit 1; }

options="--target=wasm32-wasi -mexec-model=reactor -O2 -g0 -Wall -Wextra -Wpedantic -Werror -Wl,-z,stack-size=262144 -I../../include"
sdk="../../src/*.c ../../src/wasm/*.c"
zig=${ZIG:-zig}
$zig cc $options -x c probe.c $sdk -o "$work/probe.wasm"
$zig c++ $options -x c $sdk -x c++ -fno-exceptions batch.cpp -o "$work/batch.wasm"
cp cofferdam.toml "$work"

python3 server.py > "$work/port" &
server=$!
while [ ! -s "$work/port" ]; do sleep 0.1; done
SERVER="http://127.0.0.1:$(cat "$work/port")"
export SERVER

# What the host answers to the message; then the exit code, and what its answer has to contain.
invoke() {
    said=$(printf '%s' "$1" | $COFFERDAM invoke "$work/$plugin.wasm" --config "$work/cofferdam.toml" --route "$plugin" --message - --json) \
        && code=0 || code=$?
    [ "$code" = "$2" ] || fail "$1 ended with $code and not $2: $said"
    shift 2
    for part; do
        case $said in *"$part"*) ;; *) fail "$part is not in $said" ;; esac
    done
}

plugin=probe
invoke '{"key":"message","id":"i-1","source":"in","headers":[["a","1"],["b","/wA=","base64"],["a",""]],"attributes":{"type":"t","x":"y"},"payload":{"text":"ü","number":1.5},"timestamp_ms":1700000000123,"attempt":3}' 0
invoke '{"key":"tombstone"}' 0
invoke '{"key":"outputs","payload":"p","headers":[["n","v"]],"attributes":{"s":"t"}}' 0 \
    '{"to":"out","key_base64":"/w==","headers":[["h","1"],["h",""]],"attributes":{"type":"t"},"payload":"{\"a\":1}"}' \
    '{"to":"copy","key":"outputs","headers":[["n","v"]],"attributes":{"s":"t"},"payload":"p"}' \
    '{"to":"tombstone","key":null,"headers":[],"attributes":{},"payload":null}' \
    '{"to":"empty","key":null,"headers":[],"attributes":{},"payload":""}'
invoke '{"key":"config"}' 75 '"outcome":"deferred","code":"CONFIGURATION_MISSING"'
invoke '{"key":"keyvalue"}' 65 '"code":"CAPABILITY_DENIED"' '"level":"warn"'
invoke '{"key":"http","payload":"'"$SERVER"'"}' 65 '"code":"CAPABILITY_DENIED"' 'not granted'
invoke '{"key":"retryable"}' 75 '"outcome":"retryable","code":"RATE_LIMITED","text":"wait �","retry_after_ms":5000000000'
invoke '{"key":"deferred"}' 75 '"outcome":"deferred","code":"TOO_EARLY","text":"wait","retry_after_ms":null'
invoke '{"key":"print"}' 0 '"context":"stdout","text":"printed"'
invoke '{"key":"exit"}' 70 '"code":"EXITED"'
invoke '{"key":"memory"}' 70 '"code":"MEMORY_LIMIT"' 'out of memory: '
invoke '{"key":"abort"}' 70 '"code":"TRAP_UNREACHABLE"' 'a bug: abort' '"cofferdam_plugin_handle"'
plugin=batch
invoke '{"payload":"a"}' 0 '"payload":"42"'
invoke '{"payload":"wrong"}' 65 '"code":"WRONG","text":"0 of 1"'

# Many messages through few instances: nothing traps, nothing is tried again, and memory stays as it is.
mkdir "$work/input"
i=0
while [ $i -lt 20000 ]; do
    i=$((i + 1))
    echo '{"key":"many","payload":{"order":"o-'$i'","items":[1,2,3]}}' >&3
    if [ $((i % 100)) = 0 ]; then text=wrong; else text=a; fi
    echo '{"payload":"'$text'"}' >&4
done 3> "$work/input/in.jsonl" 4> "$work/input/batch.jsonl"
$COFFERDAM dev "$work" --exit-when-idle --json > "$work/dev.out" 2> "$work/dev.err" || fail "dev: $(tail -3 "$work/dev.err")"
said=$(tail -1 "$work/dev.out")
for part in '"received":40000' '"done":39800' '"dead_lettered":200' '"outputs":39800' '"retried":0'; do
    case $said in *"$part"*) ;; *) fail "$part is not in $said" ;; esac
done
grep -q 'several at once' "$work/dev.err" || fail "no call had several messages"
pages=$(sed -n 's/.*call [0-9]* with \([0-9]*\) pages.*/\1/p' "$work/dev.err" | sort -n)
[ "$(echo "$pages" | wc -l)" -ge 10 ] || fail "no instance had thousands of calls"
[ "$(echo "$pages" | tail -1)" -le 40 ] || fail "memory grew to $(echo "$pages" | tail -1) pages"
echo "$said"
echo "component/run.sh passed"
