"""Requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`. A plugin that
imports this module asks for that grant.

    answer = http.get("https://api.example.com/rates?base=EUR", headers={"accept": "application/json"})
    if answer.status == 429:
        raise Retryable("RATE_LIMITED", "the service of rates wants us to wait", retry_after=30)
    rates = answer.json()

The handler waits for the answer within its wall time: a request that would use all of it up is given up shortly
before, so that `Timeout` can be caught. What a request did at the other host stays done when the handler fails
afterwards, and the same message may come again: give the request a key by which the host recognises a repeat, for
example the message's id. A redirect is an answer like any other.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ._backend import backend
from .failure import Failure, Permanent, Retryable

Headers: TypeAlias = "Iterable[tuple[str, str | bytes]] | Mapping[str, str | bytes]"


class Error(Failure):
    """Why there is no answer: one of those below. Not caught, it ends the attempt as they say."""


class Denied(Error, Permanent):
    """Permanent `CAPABILITY_DENIED`: host, port, method or the address that the name leads to were not granted."""

    def __init__(self) -> None:
        super().__init__("CAPABILITY_DENIED", "the request was not granted")


class Invalid(Error, Permanent):
    """Permanent `VALIDATION_ERROR`: this is no request, by its url, a header, or its size."""

    def __init__(self, text: str) -> None:
        super().__init__("VALIDATION_ERROR", f"the request cannot be sent: {text}")


class Timeout(Error, Retryable):
    """Retryable `TIMEOUT`: the host did not answer in time."""

    def __init__(self) -> None:
        super().__init__("TIMEOUT", "no answer in time")


class Unavailable(Error, Retryable):
    """Retryable `SERVICE_UNAVAILABLE`: the host cannot be reached, failed too often, or broke off."""

    def __init__(self, text: str) -> None:
        super().__init__("SERVICE_UNAVAILABLE", f"the host is not available: {text}")


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    method: str
    url: str
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """An answer. No status is an error here."""

    status: int
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, letter case aside."""
        for known, value in self.headers:
            if known.lower() == name.lower():
                return value.decode("latin-1")
        return None

    def text(self) -> str:
        """The body as UTF-8; `ValueError` where it is not."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON; `ValueError` where it is not."""
        return _json.loads(self.text())


def get(url: str, *, headers: Headers = ()) -> Response:
    """Sends a request with GET and waits for all of the answer."""
    return request("GET", url, headers=headers)


def post(url: str, *, headers: Headers = (), body: bytes | str = b"", json: Any = None) -> Response:
    """Sends a request with POST and waits for all of the answer."""
    return request("POST", url, headers=headers, body=body, json=json)


def request(method: str, url: str, *, headers: Headers = (), body: bytes | str = b"", json: Any = None) -> Response:
    """Sends a request and waits for all of the answer. A value for `json` becomes the body, with its content type."""
    pairs = [(name, _bytes(value)) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    if json is not None:
        body = _json.dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", b"application/json"))
    answer: Response = _backend.send(Request(method.upper(), url, pairs, _bytes(body)))
    return answer


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


# Last, because it raises the errors above.
_backend = backend("http")
