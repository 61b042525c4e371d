"""The host's `wasi:http`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from componentize_py_types import Err, Ok
from wit_world.imports import wasi_http_types_0_2_12 as types
from wit_world.imports import wasi_io_streams_0_2_12 as streams
from wit_world.imports.wasi_http_outgoing_handler_0_2_12 import handle

from ..http import Denied, Error, Invalid, Request, Response, Timeout, Unavailable

# What one write may have, by `wasi:io`.
_WRITE = 4096
# What one read takes.
_READ = 64 << 10

_METHODS = {
    "GET": types.Method_Get,
    "HEAD": types.Method_Head,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
    "OPTIONS": types.Method_Options,
    "PATCH": types.Method_Patch,
}
_SCHEMES = {"http": types.Scheme_Http, "https": types.Scheme_Https}
_TIMEOUTS = (
    types.ErrorCode_ConnectionTimeout,
    types.ErrorCode_ConnectionReadTimeout,
    types.ErrorCode_ConnectionWriteTimeout,
    types.ErrorCode_DnsTimeout,
    types.ErrorCode_HttpResponseTimeout,
)
_DENIED = (types.ErrorCode_HttpRequestDenied, types.ErrorCode_DestinationIpProhibited)
_INVALID = (
    types.ErrorCode_HttpRequestBodySize,
    types.ErrorCode_HttpRequestUriInvalid,
    types.ErrorCode_HttpRequestMethodInvalid,
    types.ErrorCode_HttpRequestLengthRequired,
    types.ErrorCode_HttpRequestUriTooLong,
)


def send(request: Request) -> Response:
    outgoing = _outgoing(request)
    try:
        body = outgoing.body() if request.body else None
        with handle(outgoing, None) as future:
            if body is not None:
                _write(body, request.body)
            with future.subscribe() as ready:
                ready.block()
            match future.get():
                case Ok(Ok(answer)):
                    pass
                case Ok(Err(code)):
                    raise _failed(code)
                case _:
                    raise Unavailable("the answer was taken before")
        with answer:
            with answer.headers() as fields:
                headers = fields.entries()
            return Response(answer.status(), headers, _read(answer))
    except Err as error:
        raise _failed(error.value) from None


def _outgoing(request: Request) -> types.OutgoingRequest:
    # `urlsplit` would leave out some of these, and so change what is asked for.
    if any(character <= " " or character == "\x7f" for character in request.url):
        raise Invalid("the url has a space or a control character")
    try:
        url = urlsplit(request.url)
    except ValueError as error:
        raise Invalid(str(error)) from None
    if not url.scheme or not url.netloc:
        raise Invalid("the url needs a scheme and a host")
    headers = list(request.headers)
    if request.body and not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("content-length", str(len(request.body)).encode()))
    what = "a header"
    try:
        outgoing = types.OutgoingRequest(types.Fields.from_list(headers))
        what = "the method"
        known = _METHODS.get(request.method)
        outgoing.set_method(known() if known else types.Method_Other(request.method))
        what = "the scheme"
        scheme = _SCHEMES.get(url.scheme)
        outgoing.set_scheme(scheme() if scheme else types.Scheme_Other(url.scheme))
        what = "the host"
        outgoing.set_authority(url.netloc)
        what = "the path"
        outgoing.set_path_with_query(urlunsplit(("", "", url.path or "/", url.query, "")))
    except Err as error:
        raise Invalid(f"{what} {error.value or ''}".rstrip()) from None
    return outgoing


def _write(body: types.OutgoingBody, content: bytes) -> None:
    """A host that has heard enough, or was not granted, takes no more of it; the answer says which."""
    try:
        with body.write() as stream:
            for start in range(0, len(content), _WRITE):
                stream.blocking_write_and_flush(content[start : start + _WRITE])
    except Err:
        return
    types.OutgoingBody.finish(body, None)


def _read(answer: types.IncomingResponse) -> bytes:
    pieces = []
    with answer.consume() as body, body.stream() as stream:
        while True:
            try:
                pieces.append(stream.blocking_read(_READ))
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    return b"".join(pieces)
                code = types.http_error_code(error.value.value)
                raise (_failed(code) if code else Unavailable("the answer broke off")) from None


def _failed(code: Any) -> Error:
    if isinstance(code, _DENIED):
        return Denied()
    if isinstance(code, _TIMEOUTS):
        return Timeout()
    name = type(code).__name__.removeprefix("ErrorCode_")
    return Invalid(name) if isinstance(code, _INVALID) else Unavailable(name)
