"""Names with values, in every form in which an author may give them.

What is wrong with them is a bug of the handler: said where they are given, it has a line number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from .header import Header

Value: TypeAlias = "bytes | str"

Headers: TypeAlias = "Iterable[tuple[str, Value]] | Mapping[str, Value | Sequence[Value]]"
"""Pairs in the order they are written, or a mapping, in which a list gives a name several values."""

Attributes: TypeAlias = "Iterable[tuple[str, str]] | Mapping[str, str]"
"""A mapping, or pairs that name each attribute once."""


def headers_of(given: Headers | None, owner: str) -> list[Header]:
    return [
        Header(name, required_bytes_of(f'the header "{name}" of {owner}', value))
        for name, value in _pairs(given, f"the headers of {owner}", repeats=True)
    ]


def attributes_of(given: Attributes | None, owner: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in _pairs(given, f"the attributes of {owner}", repeats=False):
        if name in attributes:
            raise ValueError(f'the attribute "{name}" of {owner} is given twice')
        attributes[name] = must_be_text(f'the attribute "{name}" of {owner}', value)
    return attributes


def must_be_text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {value!r}")
    return value


def bytes_of(what: str, value: object) -> bytes | None:
    return None if value is None else required_bytes_of(what, value)


def required_bytes_of(what: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{what} must be text or bytes, not {value!r}")


def _pairs(given: object, what: str, *, repeats: bool) -> Iterator[tuple[str, object]]:
    if given is None:
        return
    if isinstance(given, Mapping):
        for name, value in given.items():
            values = value if repeats and isinstance(value, (list, tuple)) else [value]
            yield from ((must_be_text(f"a name in {what}", name), one) for one in values)
        return
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{what} must be a mapping or pairs of name and value, not {given!r}")
    for pair in given:
        # A text of two characters could be taken apart, too.
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"one of {what} must be a pair of name and value, not {pair!r}")
        yield must_be_text(f"a name in {what}", pair[0]), pair[1]
