#!/bin/sh
# Makes my-handler.wasm.
set -eu
cd "$(dirname "$0")"

if ! cmp -s requirements.txt .venv/installed; then
    echo "installing requirements.txt into .venv" >&2
    "${PYTHON:-python3}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/installed
fi

exec .venv/bin/python -m cofferdam_sdk.build my_handler.handler -o my-handler.wasm
