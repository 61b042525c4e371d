"""The exports of the component, and the translation to the types handlers see. componentize-py looks for classes of
these names in the module that the build makes, which takes them from here.
"""

from __future__ import annotations

# What Python itself imports at the first use, which is too late in a component: it has no files any more.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import encodings.ascii  # noqa: F401
import encodings.idna  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.utf_8_sig  # noqa: F401
import encodings.utf_16  # noqa: F401
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from componentize_py_types import Err, Ok
from wit_world.imports import cofferdam_plugin_types_0_1_0 as types

from .. import registry
from ..failure import Deferred, Failure, Permanent
from ..header import Header
from ..message import Message
from ..output import Output

_MILLISECOND = timedelta(milliseconds=1)
_MAX_U64 = (1 << 64) - 1

_Given = TypeVar("_Given")
_Said = TypeVar("_Said")

_seeded = False


class _SystemExit(Exception):
    """`sys.exit` as an error: the interpreter would exit on `SystemExit` itself, and WASI passes on no status."""


# Tracebacks call it what it is to the author.
_SystemExit.__module__, _SystemExit.__qualname__ = "builtins", "SystemExit"


class CofferdamPluginHandler010:
    def handle(self, message: types.Message) -> list[types.Output]:
        _seed()
        if registry.batch_handlers:
            said = _called(registry.batch_handlers[0], [_message(message)])[0]
            if isinstance(said, Failure):
                raise Err(_failure(said))
            return [_output(output) for output in said]
        try:
            return [_output(output) for output in _called(registry.handlers[0], _message(message))]
        except Failure as failure:
            raise Err(_failure(failure)) from None


class CofferdamPluginBatchHandler010:
    def handle_batch(self, messages: list[types.Message]) -> list[Any]:
        _seed()
        results = _called(registry.batch_handlers[0], [_message(message) for message in messages])
        return [
            Err(_failure(said)) if isinstance(said, Failure) else Ok([_output(output) for output in said])
            for said in results
        ]


def _called(handler: Callable[[_Given], _Said], given: _Given) -> _Said:
    try:
        return handler(given)
    except SystemExit as error:
        raise _SystemExit(*error.args).with_traceback(error.__traceback__) from None


def _seed() -> None:
    """The state of `random` is from the build: without this, every instance would draw the same numbers."""
    global _seeded
    if not _seeded:
        random.seed()
        _seeded = True


def _message(message: types.Message) -> Message:
    return Message(
        id=message.id,
        source=message.source,
        position=message.position,
        key=message.key,
        headers=[Header(header.name, header.value) for header in message.headers],
        attributes=dict(message.attributes),
        payload=message.payload,
        timestamp_ms=message.timestamp_ms,
        attempt=message.attempt,
    )


def _output(output: Output) -> types.Output:
    return types.Output(
        to=output.to,
        key=output.key,
        headers=[types.Header(name, value) for name, value in output.headers],
        attributes=list(output.attributes.items()),
        payload=output.payload,
    )


def _failure(failure: Failure) -> types.Failure:
    after = failure.retry_after
    # Far beyond any policy, which clamps it anyway.
    milliseconds = None if after is None else min(after // _MILLISECOND, _MAX_U64)
    fault = types.Fault(str(failure.code), str(failure.text), milliseconds)
    if isinstance(failure, Permanent):
        return types.Failure_Permanent(fault)
    if isinstance(failure, Deferred):
        return types.Failure_Deferred(fault)
    return types.Failure_Retryable(fault)
