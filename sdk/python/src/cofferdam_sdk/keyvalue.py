"""Values that outlive the instance, in the bucket the plugin was granted: `capabilities = { keyvalue = "orders" }` lets
it open `"orders"`. A plugin that imports this module asks for that grant.

A write stays when the handler fails afterwards, and the same message may come again. So write what a second attempt may
find there: set the same value again, or use `Bucket.set_if_absent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._backend import backend
from ._pairs import required_bytes_of
from .failure import Failure, Permanent, Retryable

# How often `set_if_absent` tries again when somebody else changes the key between its look and its write. Only a key
# that is set and deleted over and over can use them up.
_SWAP_ATTEMPTS = 16


class Error(Failure):
    """Why an operation did not succeed: `NotGranted` or `StoreFailed`. Not caught, it ends the attempt as these say."""


class NotGranted(Error, Permanent):
    """Permanent `CAPABILITY_DENIED`: the bucket is missing, or the plugin has no grant for it."""

    def __init__(self, text: str = "the plugin has no grant for that key-value bucket") -> None:
        super().__init__("CAPABILITY_DENIED", text)


class StoreFailed(Error, Retryable):
    """Retryable `SERVICE_UNAVAILABLE`: the store itself failed."""

    def __init__(self, text: str) -> None:
        super().__init__("SERVICE_UNAVAILABLE", f"the key-value store failed: {text}")


def open(name: str) -> Bucket:
    """Opens the bucket that was granted under this name."""
    return Bucket(_backend.open(name))


class Bucket:
    """A collection of keys and values, shared by all plugins that were granted its name. `open` makes them."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def get(self, key: str) -> bytes | None:
        """The value of `key`, or None."""
        value: bytes | None = self._backend.get(key)
        return value

    def set(self, key: str, value: bytes | str) -> None:
        """Sets the value of `key`, whatever it was before."""
        self._backend.set(key, required_bytes_of(f'the value of "{key}"', value))

    def delete(self, key: str) -> None:
        """Removes `key`; success where there is none."""
        self._backend.delete(key)

    def exists(self, key: str) -> bool:
        """Whether there is a value for `key`."""
        return bool(self._backend.exists(key))

    def keys(self) -> Iterator[str]:
        """All keys, in no particular order, asked for page by page."""
        cursor = None
        while True:
            page, cursor = self._backend.list_keys(cursor)
            yield from page
            if cursor is None:
                return

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds `delta` to the number under `key` in one step and returns the sum; a missing key counts as zero.

        `StoreFailed`: the value is no number, or the sum does not fit in 64 bits.
        """
        return int(self._backend.increment(key, delta))

    def set_if_absent(self, key: str, value: bytes | str) -> bytes | None:
        """Sets the value of `key` in one step, if it has none. Returns the value that was there before, in which case
        nothing was written. Of several callers at once exactly one gets None.
        """
        wanted = required_bytes_of(f'the value of "{key}"', value)
        for _ in range(_SWAP_ATTEMPTS):
            current, swap = self._backend.note(key)
            if current is not None:
                found: bytes = current
                return found
            if swap(wanted):
                return None
        raise StoreFailed(f'"{key}" changed {_SWAP_ATTEMPTS} times while it was being set')


# Last, because it raises the errors above.
_backend = backend("keyvalue")
