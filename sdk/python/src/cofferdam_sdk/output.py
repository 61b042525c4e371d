"""What a handler asks the host to publish."""

from __future__ import annotations

import json
from typing import Any

from ._pairs import Attributes, Headers, attributes_of, bytes_of, headers_of, must_be_text
from .failure import Permanent
from .message import Message

# What the host counts for each header and attribute, beside name and value.
_PAIR_BYTES = 32


class Output:
    """One message to publish, once the handler has ended well.

    `to` is the name of an output of the route. `key` is the Kafka key or the SQS message group; without one, it is the
    route's template, else the key of the message handled. `attributes` are for the envelope and for the route's
    templates. Both are a mapping or pairs; a list in a mapping of headers repeats the name. Text becomes UTF-8 where
    bytes are meant. A payload of None is a tombstone.
    """

    def __init__(
        self,
        to: str,
        payload: bytes | str | None,
        *,
        key: bytes | str | None = None,
        headers: Headers | None = (),
        attributes: Attributes | None = None,
    ) -> None:
        # What is wrong here is a bug of the handler: said where it is made, it has a line number.
        self.to = must_be_text("to of an output", to)
        self.payload = bytes_of("payload of an output", payload)
        self.key = bytes_of("key of an output", key)
        self.headers = headers_of(headers, "an output")
        self.attributes = attributes_of(attributes, "an output")

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
