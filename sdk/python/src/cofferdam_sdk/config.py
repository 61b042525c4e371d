"""The plugin's own `config` and `secrets` of the configuration file, as strings.

Ask within the handler: what stands outside of functions runs when the component is built, where there is no host yet.
"""

from __future__ import annotations

from ._backend import backend
from .failure import Deferred


class Missing(Deferred):
    """Deferred `CONFIGURATION_MISSING`, because nothing is wrong with the message: it waits for somebody to mend the
    configuration rather than being filed as dead."""

    def __init__(self, name: str) -> None:
        super().__init__("CONFIGURATION_MISSING", f'the plugin\'s config has no "{name}"')


class Unavailable(Deferred):
    """Deferred `CONFIGURATION_UNAVAILABLE`: the host could not read its configuration."""

    def __init__(self, text: str) -> None:
        super().__init__("CONFIGURATION_UNAVAILABLE", text)


def get(name: str, default: str | None = None) -> str | None:
    """The value of `name`, or the default where the configuration has no such key."""
    value: str | None = _backend.get(name)
    return default if value is None else value


def require(name: str) -> str:
    """The value of `name`; `Missing` where there is none."""
    value = get(name)
    if value is None:
        raise Missing(name)
    return value


def all() -> dict[str, str]:
    """All keys with their values."""
    return dict(_backend.all())


# Last, because it raises the errors above.
_backend = backend("config")
