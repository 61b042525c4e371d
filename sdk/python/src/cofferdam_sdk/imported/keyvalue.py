"""The host's `wasi:keyvalue`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from componentize_py_types import Err
from wit_world.imports import wasi_keyvalue_atomics_0_2_0_draft2 as atomics
from wit_world.imports import wasi_keyvalue_store_0_2_0_draft2 as store

from ..keyvalue import NotGranted, StoreFailed


def open(name: str) -> Bucket:
    with _errors():
        return Bucket(store.open(name))


class Bucket:
    def __init__(self, bucket: store.Bucket) -> None:
        self._bucket = bucket

    def get(self, key: str) -> bytes | None:
        with _errors():
            return self._bucket.get(key)

    def set(self, key: str, value: bytes) -> None:
        with _errors():
            self._bucket.set(key, value)

    def delete(self, key: str) -> None:
        with _errors():
            self._bucket.delete(key)

    def exists(self, key: str) -> bool:
        with _errors():
            return self._bucket.exists(key)

    def list_keys(self, cursor: str | None) -> tuple[list[str], str | None]:
        with _errors():
            page = self._bucket.list_keys(cursor)
        return page.keys, page.cursor

    def increment(self, key: str, delta: int) -> int:
        with _errors():
            return atomics.increment(self._bucket, key, delta)

    def note(self, key: str) -> tuple[bytes | None, Callable[[bytes], bool]]:
        """The value now, and how to replace it if it is still the same."""
        with _errors():
            cas = atomics.Cas.new(self._bucket, key)
            current = cas.current()

        def swap(value: bytes) -> bool:
            with _errors():
                try:
                    atomics.swap(cas, value)
                except Err as error:
                    if isinstance(error.value, atomics.CasError_CasFailed):
                        return False
                    raise Err(error.value.value) from None
            return True

        return current, swap


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except Err as error:
        match error.value:
            case store.Error_NoSuchStore():
                raise NotGranted("there is no key-value bucket of that name") from None
            case store.Error_AccessDenied():
                raise NotGranted() from None
            case store.Error_Other(text):
                raise StoreFailed(text) from None
        raise
