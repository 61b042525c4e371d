#!/bin/sh
# Makes enrich.wasm, where something it is made of is newer.
set -eu
cd "$(dirname "$0")"
sdk=../../../sdk/js wit=../../../wit/v1

# What is missing is said by find, and counts as newer.
if [ -n "$(find package.json $sdk/package.json $sdk/bin $sdk/src $sdk/types $sdk/wasi $wit -newer node_modules/.installed 2>&1)" ]; then
    echo "installing the SDK and its tools into node_modules" >&2
    rm -rf node_modules
    npm install --no-audit --no-fund --loglevel=error >&2
    mkdir node_modules/cofferdam-sdk/wit
    cp -R $wit node_modules/cofferdam-sdk/wit # npm runs no prepack, which would have brought the contract
    touch node_modules/.installed
fi

if [ -n "$(find node_modules/.installed src tsconfig.json -newer enrich.wasm 2>&1)" ]; then
    touch node_modules/.started
    npm run --silent build
    touch -r node_modules/.started enrich.wasm # what was saved meanwhile may not be in it
fi
