"""The decorators, and what they found."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TypeAlias

from .failure import Failure
from .message import Message
from .output import Output

Outputs: TypeAlias = "Iterable[Output] | Output | None"
"""What a handler may answer with: outputs in a list or yielded one by one, a single one, or none at all."""

Result: TypeAlias = "list[Output] | Failure"
"""What became of one message of several."""

handlers: list[Callable[[Message], list[Output]]] = []
batch_handlers: list[Callable[[list[Message]], list[Result]]] = []


def handler(function: Callable[[Message], Outputs]) -> Callable[[Message], list[Output]]:
    """Makes a plugin of a function that takes a message. It stays callable, and then always answers with a list."""
    _must_be_plain(function)

    @functools.wraps(function)
    def handle(message: Message) -> list[Output]:
        return _outputs(function(message))

    handlers.append(handle)
    return handle


def batch_handler(
    function: Callable[[list[Message]], Iterable[Outputs | Failure]],
) -> Callable[[list[Message]], list[Result]]:
    """Makes a plugin of a function that takes several messages at once, and has a result for each, in their order: what
    `handler` answers with, or a failure, returned and not raised. The host gives it one or several, as they come.

    What is raised ends the whole call; each of its messages then comes again alone.
    """
    _must_be_plain(function)

    @functools.wraps(function)
    def handle(messages: list[Message]) -> list[Result]:
        results = [said if isinstance(said, Failure) else _outputs(said) for said in function(messages)]
        if len(results) != len(messages):
            raise ValueError(f"{len(results)} results for {len(messages)} messages")
        return results

    batch_handlers.append(handle)
    return handle


def _must_be_plain(function: Callable[..., object]) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("a handler is a plain function: it is called with one message at a time, and nothing else runs")


def _outputs(said: Outputs) -> list[Output]:
    if said is None:
        return []
    outputs = [said] if isinstance(said, Output) else list(said)
    for output in outputs:
        if not isinstance(output, Output):
            raise TypeError(f"a handler answers with outputs, not {output!r}")
    return outputs
