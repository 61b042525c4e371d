"""The message a handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from .failure import ValidationError
from .header import Header

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. The host keeps the record as it came aside; this is the handler's copy."""

    id: str
    """The same at every attempt and every redelivery: the key to recognise a repeat by."""
    source: str
    """Name of the topic or queue."""
    position: str
    """`<partition>/<offset>` on Kafka, the message id on SQS."""
    key: bytes | None = None
    """The Kafka key or the SQS message group. An empty key is a key."""
    headers: list[Header] = field(default_factory=list)
    """All headers in the order of the broker's record."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the envelope says, such as `type` and `subject` of a CloudEvent; empty for the raw envelope."""
    payload: bytes | None = None
    """What the envelope carries; None is a tombstone."""
    timestamp_ms: int = 0
    """Milliseconds since 1970 in UTC, by the broker's clock."""
    attempt: int = 1
    """1 for the first attempt."""

    def json(self) -> Any:
        """The payload as JSON. `ValidationError`: a tombstone, or not JSON; the text says where."""
        try:
            text = self.text()
            value = json.loads(text, parse_constant=_no_json)
            if _SURROGATE.search(text):
                # Half of a pair has no UTF-8, and ends the instance where the host is given it, be it in a log line.
                json.dumps(value, ensure_ascii=False).encode()
            return value
        except ValueError as error:
            raise ValidationError(f"the payload is not JSON: {error}") from None
        except RecursionError:
            raise ValidationError("the payload is JSON that is nested too deeply") from None

    def text(self) -> str:
        """The payload as text. `ValidationError`: a tombstone, or not UTF-8; the text says where."""
        try:
            return self.required_payload().decode()
        except UnicodeDecodeError as error:
            raise ValidationError(f"the payload is no text: {error}") from None

    def required_payload(self) -> bytes:
        """The payload. `ValidationError`: a tombstone."""
        if self.payload is None:
            raise ValidationError("the message is a tombstone: it has no payload")
        return self.payload

    def key_text(self) -> str | None:
        """The key as text; None where there is no key or it is not UTF-8."""
        return _text(self.key)

    def required_attribute(self, name: str) -> str:
        """The envelope's attribute of that name. `ValidationError`: there is none."""
        try:
            return self.attributes[name]
        except KeyError:
            raise ValidationError(f'the attribute "{name}" is missing') from None

    def header(self, name: str) -> bytes | None:
        """The value of the last header of that name, letter case aside: who adds one again means the new value."""
        for header in reversed(self.headers):
            if header.name.lower() == name.lower():
                return header.value
        return None

    def header_text(self, name: str) -> str | None:
        """The same as text; None where there is no such header or it is not UTF-8."""
        return _text(self.header(name))

    def timestamp(self) -> datetime:
        """The broker's timestamp, in UTC."""
        return _EPOCH + timedelta(milliseconds=self.timestamp_ms)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _no_json(constant: str) -> NoReturn:
    """`json` takes NaN and Infinity, which no other language's parser would."""
    raise ValueError(f"{constant} is no JSON")
