"""Why a message was not handled, and what the host is to do about it. Raised, they end the attempt."""

from __future__ import annotations

import re
from datetime import timedelta


class Failure(Exception):
    """What the three kinds have in common; raise one of them. Nothing of the handler's outputs is published.

    `code` is for machines: 1 to 64 of `A-Z`, `0-9` and `_`; the host replaces anything else by `INVALID_CODE`.
    `text` is for people; the host cuts it after 4 KiB. It appears in logs and dead letters: no secrets here.
    `retry_after`, in seconds or as a timedelta, is a wish that the host clamps to the route's policy.
    """

    def __init__(self, code: str, text: str, retry_after: float | timedelta | None = None) -> None:
        if type(self) is Failure:
            raise TypeError("a failure is Retryable, Permanent or Deferred")
        super().__init__(code, text)
        self.code = code
        self.text = text
        if retry_after is not None and not isinstance(retry_after, timedelta):
            retry_after = timedelta(seconds=retry_after)
        if retry_after is not None and retry_after < timedelta():
            raise ValueError("retry_after is in the past")
        self.retry_after: timedelta | None = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    def has_valid_code(self) -> bool:
        """Whether the host will take the code as it is."""
        return re.fullmatch("[A-Z0-9_]{1,64}", self.code) is not None


class Retryable(Failure):
    """Worth trying again: a service was away, a limit was reached. Dead letter when the attempts are used up."""


class Permanent(Failure):
    """No attempt will ever succeed: the message itself is wrong. Dead letter at once."""


class Deferred(Failure):
    """The message is in order, but its time has not come. No attempt is counted, until the route's `max_age`."""


class ValidationError(Permanent):
    """Permanent `VALIDATION_ERROR`: the message is not what the handler takes."""

    def __init__(self, text: str) -> None:
        super().__init__("VALIDATION_ERROR", text)
