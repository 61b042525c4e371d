"""CloudEvents, for routes with `envelope = "cloudevents"`. The host reads and writes the envelope: attributes of an
event are attributes of the message, its data is the payload. This gives them their names.

    event = CloudEvent.of(message)
    if event.type == "com.example.order.placed":
        yield cloudevents.output("billable", "com.example.bill.due", {"total": 5}, subject=event.subject)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .failure import ValidationError
from .message import Message
from .output import Output

_NAMED = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}


@dataclass(frozen=True, kw_only=True)
class CloudEvent:
    """An event, as the message has it."""

    id: str
    source: str
    type: str
    subject: str | None
    time: datetime | None
    datacontenttype: str | None
    dataschema: str | None
    extensions: dict[str, str]
    """All other attributes."""
    message: Message

    @classmethod
    def of(cls, message: Message) -> CloudEvent:
        """The event that this message is. `ValidationError`: it is none, or its time is no time."""
        attributes = message.attributes
        return cls(
            id=message.required_attribute("id"),
            source=message.required_attribute("source"),
            type=message.required_attribute("type"),
            subject=attributes.get("subject"),
            time=_time(attributes.get("time")),
            datacontenttype=attributes.get("datacontenttype"),
            dataschema=attributes.get("dataschema"),
            extensions={name: value for name, value in attributes.items() if name not in _NAMED},
            message=message,
        )

    def data(self) -> Any:
        """The data as JSON. `ValidationError`: there is none, or it is not JSON."""
        return self.message.json()


def output(
    to: str, type: str, data: Any, *, key: bytes | str | None = None, subject: str | None = None, **extensions: str
) -> Output:
    """An event that carries `data` as JSON. The id is the host's, so that a repeat has the same; `source`, `time` and
    extensions such as `entityid` can be given as further names, and the host adds those two where they are not.
    """
    for name in extensions:
        if name in ("id", "specversion"):
            raise ValueError(f'the attribute "{name}" is the host\'s')
        # The host refuses others, when the output is published.
        if not re.fullmatch("[a-z0-9]+", name):
            raise ValueError(f'"{name}" is no attribute of a CloudEvent: only a-z and 0-9')
    attributes = {"type": type, **({} if subject is None else {"subject": subject}), **extensions}
    return Output.json(to, data, key=key, attributes=attributes)


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError(f'the attribute "time" is no time: {text}') from None
