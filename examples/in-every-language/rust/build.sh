#!/bin/sh
# Makes enrich.wasm.
set -eu
cd "$(dirname "$0")"

cargo build --quiet --release --target wasm32-wasip2 --target-dir target
# Written beside and renamed, so that nobody sees half of it.
cp target/wasm32-wasip2/release/enrich.wasm enrich.wasm.new
mv enrich.wasm.new enrich.wasm
