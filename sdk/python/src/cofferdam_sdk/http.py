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
import re as _re
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from urllib.parse import urlsplit as _urlsplit

from ._backend import backend
from ._pairs import Headers, headers_of, required_bytes_of
from .failure import Failure, Permanent, Retryable

_SURROGATE = _re.compile(r"\\u[dD][89a-fA-F]")


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


class InvalidResponse(Error, Retryable, ValueError):
    """Retryable `INVALID_RESPONSE`: the body of an answer is not what it was read as, text or JSON."""

    def __init__(self, text: str) -> None:
        super().__init__("INVALID_RESPONSE", text)


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
    url: str = field(default="", compare=False)
    """What was asked for; the texts of errors name its host."""

    def header(self, name: str) -> str | None:
        """The first header of that name, letter case aside."""
        for known, value in self.headers:
            if known.lower() == name.lower():
                return value.decode("latin-1")
        return None

    def text(self) -> str:
        """The body as UTF-8; `InvalidResponse` where it is not."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise self._is_no("text", error) from None

    def json(self) -> Any:
        """The body as JSON; `InvalidResponse` where it is not."""
        text = self.text()
        try:
            value = _json.loads(text, parse_constant=_no_json)
            if _SURROGATE.search(text):
                # Half of a pair has no UTF-8, and ends the instance where the host is given it, be it in a log line.
                _json.dumps(value, ensure_ascii=False).encode()
            return value
        except ValueError as error:
            raise self._is_no("JSON", error) from None
        except RecursionError:
            raise self._is_no("JSON", "it is nested too deeply") from None

    def _is_no(self, what: str, why: object) -> InvalidResponse:
        try:
            host = _urlsplit(self.url).hostname
        except ValueError:
            host = None
        answer = f"the answer of {host}" if host else "the answer"
        return InvalidResponse(f"{answer} with status {self.status} is no {what}: {why}")


def get(url: str, *, headers: Headers | None = ()) -> Response:
    """Sends a request with GET and waits for all of the answer."""
    return request("GET", url, headers=headers)


def post(url: str, *, headers: Headers | None = (), body: bytes | str = b"", json: Any = None) -> Response:
    """Sends a request with POST and waits for all of the answer."""
    return request("POST", url, headers=headers, body=body, json=json)


def request(
    method: str, url: str, *, headers: Headers | None = (), body: bytes | str = b"", json: Any = None
) -> Response:
    """Sends a request and waits for all of the answer. A value for `json` becomes the body, with its content type."""
    pairs = [(name, value) for name, value in headers_of(headers, "a request")]
    if json is not None:
        if body:
            raise TypeError("a request has a body or json, not both")
        body = _json.dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", b"application/json"))
    content = required_bytes_of("the body of a request", body)
    answer: Response = _backend.send(Request(method.upper(), url, pairs, content))
    return replace(answer, url=url)


def _no_json(constant: str) -> NoReturn:
    """`json` takes NaN and Infinity, which no other language's parser would."""
    raise ValueError(f"{constant} is no JSON")


# Last, because it raises the errors above.
_backend = backend("http")
