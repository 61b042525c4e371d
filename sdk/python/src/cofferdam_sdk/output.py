"""What a handler asks the host to publish."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .failure import Permanent
from .message import Header, Message

# What the host counts for each header and attribute, beside name and value.
_PAIR_BYTES = 32


class Output:
    """One message to publish, once the handler has ended well.

    `to` is the name of an output of the route. `key` is the Kafka key or the SQS message group; without one, it is the
    route's template, else the key of the message handled. `attributes` are for the envelope and for the route's
    templates. Text becomes UTF-8 where bytes are meant. A payload of None is a tombstone.
    """

    def __init__(
        self,
        to: str,
        payload: bytes | str | None,
        *,
        key: bytes | str | None = None,
        headers: Iterable[tuple[str, bytes | str]] | Mapping[str, bytes | str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self.to = _must_be_text("to", to)
        self.payload = _bytes("payload", payload)
        self.key = _bytes("key", key)
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.headers = [Header(_must_be_text("a header's name", name), _value(name, value)) for name, value in pairs]
        self.attributes = {
            _must_be_text("an attribute's name", name): _must_be_text(f'the attribute "{name}"', value)
            for name, value in (attributes or {}).items()
        }

    @classmethod
    def json(cls, to: str, value: Any, **rest: Any) -> Output:
        """An output that carries `value` as compact JSON; the rest as above.

        Permanent `SERIALIZATION_FAILED`: the value has no JSON form, such as a set, a date or NaN.
        """
        try:
            payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            text = f'the payload for output "{to}" has no JSON form: {error}'
            raise Permanent("SERIALIZATION_FAILED", text) from error
        return cls(to, payload, **rest)

    @classmethod
    def tombstone(cls, to: str, **rest: Any) -> Output:
        """An output without a payload; the rest as above."""
        return cls(to, None, **rest)

    @classmethod
    def copy_of(cls, message: Message, to: str) -> Output:
        """The message itself, for an output: key, headers, attributes and payload as they are."""
        return cls(to, message.payload, key=message.key, headers=message.headers, attributes=message.attributes)

    def counted_bytes(self) -> int:
        """What this output takes of the limit `output_bytes`, which is over all outputs of a call."""
        headers = sum(len(name.encode()) + len(value) + _PAIR_BYTES for name, value in self.headers)
        attributes = self.attributes.items()
        pairs = headers + sum(len(name.encode()) + len(value.encode()) + _PAIR_BYTES for name, value in attributes)
        return len(self.key or b"") + len(self.payload or b"") + pairs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Output({})".format(", ".join(f"{name}={value!r}" for name, value in vars(self).items()))


# What is wrong here is a bug of the handler: said where it is made, it has a line number.


def _must_be_text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} of an output must be text, not {value!r}")
    return value


def _value(name: str, value: bytes | str) -> bytes:
    encoded = _bytes(f'the header "{name}"', value)
    if encoded is None:
        raise TypeError(f'the header "{name}" of an output must be text or bytes, not None')
    return encoded


def _bytes(what: str, value: bytes | str | None) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{what} of an output must be text or bytes, not {value!r}")
