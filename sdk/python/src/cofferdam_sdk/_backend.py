"""Who answers what the SDK asks: the host where this is a component, `cofferdam_sdk.testing` where it is not."""

from __future__ import annotations

import importlib
import sys
from typing import Any

IN_COMPONENT = sys.platform == "wasi"

stand_ins: list[Any] = []
"""The hosts that tests stand in for; the last one counts."""


building = False
"""Whether a plugin is being built, where nobody stands in."""


class Building(RuntimeError):
    """Asks the host while the plugin is built."""


def backend(name: str) -> Any:
    """What is behind the module of that name. To be called when it is imported: later, a component has no files."""
    if IN_COMPONENT:
        return importlib.import_module(f"{__package__}.imported.{name}")
    return _StandIn(name)


class _StandIn:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, call: str) -> Any:
        if building:
            raise Building(f"asks the host for {self._name} when it is imported, which is when the plugin is built")
        if not stand_ins:
            raise RuntimeError(f"there is no host to ask for {self._name}: use `with cofferdam_sdk.testing.host():`")
        return getattr(getattr(stand_ins[-1], self._name), call)
