#!/bin/sh
# Builds my-handler.wasm. The first time, and when package.json has changed, it installs what that needs into node_modules.
set -eu
cd "$(dirname "$0")"

stamp=node_modules/.installed
if [ ! -f "$stamp" ] || [ -n "$(find package.json cofferdam-sdk/package.json -newer "$stamp")" ]; then
    echo "installing the tools into node_modules, once" >&2
    npm install --no-audit --no-fund --loglevel=error >&2
    touch "$stamp"
fi
npm run --silent build
