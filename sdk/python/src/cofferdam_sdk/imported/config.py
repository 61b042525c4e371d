"""The host's `wasi:config`."""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import wasi_config_store_0_2_0_rc_1 as store

from ..config import Unavailable


def get(name: str) -> str | None:
    try:
        return store.get(name)
    except Err as error:
        raise Unavailable(error.value.value) from None


def all() -> list[tuple[str, str]]:
    try:
        return store.get_all()
    except Err as error:
        raise Unavailable(error.value.value) from None
