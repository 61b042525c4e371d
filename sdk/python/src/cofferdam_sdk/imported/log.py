"""Python's own `logging`, and what it is given, to the host."""

from __future__ import annotations

import logging

from wit_world.imports.wasi_logging_logging_0_1_0_draft import Level, log

_FORMAT = logging.Formatter()


class ToHost(logging.Handler):
    """The host adds plugin, route and message, and the time; the name of the logger is the context."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log(_level(record.levelno), record.name, _FORMAT.format(record))
        except Exception:
            self.handleError(record)


def install() -> None:
    """To be called before the handler's modules are imported, so that what they set counts."""
    root = logging.getLogger()
    root.addHandler(ToHost())
    root.setLevel(logging.INFO)


def _level(number: int) -> Level:
    if number >= logging.CRITICAL:
        return Level.CRITICAL
    if number >= logging.ERROR:
        return Level.ERROR
    if number >= logging.WARNING:
        return Level.WARN
    if number >= logging.INFO:
        return Level.INFO
    return Level.DEBUG if number >= logging.DEBUG else Level.TRACE
