"""One header of a message."""

from __future__ import annotations

from typing import NamedTuple


class Header(NamedTuple):
    """One header: a Kafka header or an SQS message attribute. Names may repeat within a message."""

    name: str
    value: bytes
