"""For tests of handlers, without WebAssembly: messages, and a stand-in for the host.

    def test_an_order_is_billed():
        with testing.host(config={"currency": "EUR"}) as host:
            outputs = handle(testing.message(json={"id": "o-1", "total": 5}))
        assert outputs[0].payload == b"5"
        assert host.values["orders"] == {"o-1": b"billed"}

Log lines go through Python's `logging`, where pytest's `caplog` and unittest's `assertLogs` find them.
"""

from __future__ import annotations

import json as _json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import _backend
from . import http as _http
from . import keyvalue as _keyvalue
from ._pairs import Attributes, Headers, attributes_of, bytes_of, headers_of
from .message import Message

Answer = Callable[[_http.Request], _http.Response]

_NOT_GIVEN: Any = object()
_MIN, _MAX = -(1 << 63), (1 << 63) - 1


def message(
    payload: bytes | str | None = None,
    *,
    json: Any = _NOT_GIVEN,
    key: bytes | str | None = None,
    headers: Headers | None = (),
    attributes: Attributes | None = None,
    id: str = "test-message",
    source: str = "test",
    position: str = "0/0",
    timestamp_ms: int = 0,
    attempt: int = 1,
) -> Message:
    """A message with this payload, or with a value for `json` as its payload; without either, a tombstone."""
    if json is not _NOT_GIVEN:
        payload = _json.dumps(json, separators=(",", ":"), ensure_ascii=False)
    return Message(
        id=id,
        source=source,
        position=position,
        key=bytes_of("key of a message", key),
        headers=headers_of(headers, "a message"),
        attributes=attributes_of(attributes, "a message"),
        payload=bytes_of("payload of a message", payload),
        timestamp_ms=timestamp_ms,
        attempt=attempt,
    )


@contextmanager
def host(*, config: Mapping[str, str] | None = None, http: Answer | None = None) -> Iterator[Host]:
    """Stands in for the host until the end of the block: with this configuration, an empty key-value store, and `http`
    to answer requests; without one, each is `http.Denied`.
    """
    here = Host(dict(config or {}), http)
    _backend.stand_ins.append(here)
    try:
        yield here
    finally:
        _backend.stand_ins.remove(here)


class Host:
    """A host in memory. `values` has the buckets by name, each with its values by key."""

    def __init__(self, config: dict[str, str], http: Answer | None) -> None:
        self.values: dict[str, dict[str, bytes]] = {}
        self.config = _Config(config)
        self.keyvalue = _Keyvalue(self)
        self.http = _Http(http)
        self._operations_left: int | None = None

    def fail_keyvalue_after(self, operations: int) -> None:
        """Lets that many further operations on buckets succeed and all after them fail: what a crash of the host in the
        middle of a handler looks like from the outside."""
        self._operations_left = operations

    def mend_keyvalue(self) -> None:
        """Makes the key-value store work again, with all values kept."""
        self._operations_left = None

    def _operation(self, bucket: str) -> dict[str, bytes]:
        if self._operations_left == 0:
            raise _keyvalue.StoreFailed("made to fail by the test")
        if self._operations_left is not None:
            self._operations_left -= 1
        return self.values.setdefault(bucket, {})


class _Config:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.get = values.get

    def all(self) -> dict[str, str]:
        return self._values


class _Http:
    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer

    def send(self, request: _http.Request) -> _http.Response:
        if self._answer is None:
            raise _http.Denied()
        return self._answer(request)


class _Keyvalue:
    def __init__(self, host: Host) -> None:
        self._host = host

    def open(self, name: str) -> _Bucket:
        return _Bucket(self._host, name)


class _Bucket:
    def __init__(self, host: Host, name: str) -> None:
        self._host, self._name = host, name

    def _values(self) -> dict[str, bytes]:
        return self._host._operation(self._name)

    def get(self, key: str) -> bytes | None:
        return self._values().get(key)

    def set(self, key: str, value: bytes) -> None:
        self._values()[key] = value

    def delete(self, key: str) -> None:
        self._values().pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self._values()

    def list_keys(self, cursor: str | None) -> tuple[list[str], str | None]:
        """One key a page, so that a test notices who takes the first page for all."""
        keys = sorted(key for key in self._values() if cursor is None or key > cursor)
        return keys[:1], keys[0] if len(keys) > 1 else None

    def increment(self, key: str, delta: int) -> int:
        values = self._values()
        try:
            number = int(values.get(key, b"0"))
        except ValueError:
            raise _keyvalue.StoreFailed(f'the value of "{key}" is no number') from None
        if not _MIN <= number + delta <= _MAX:
            raise _keyvalue.StoreFailed(f'the number of "{key}" would not fit')
        values[key] = str(number + delta).encode()
        return number + delta

    def note(self, key: str) -> tuple[bytes | None, Callable[[bytes], bool]]:
        current = self.get(key)

        def swap(value: bytes) -> bool:
            values = self._values()
            if values.get(key) != current:
                return False
            values[key] = value
            return True

        return current, swap
