"""Makes the component: `python -m cofferdam_sdk.build my_handler -o my-handler.wasm`.

Needs componentize-py: `pip install 'cofferdam-sdk[build]'`.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import _backend, _told, registry

_PACKAGE = Path(__file__).resolve().parent
_WIT = ("v1", "http", "sdk.wit")
# Modules that ask for a grant: a plugin that does not import them does not ask.
_GRANTS = ("keyvalue", "http")

# Of its own module, because componentize-py takes the exports from the module that it is given.
_ENTRY = """\
from cofferdam_sdk.imported import log
log.install()
import {module}
from cofferdam_sdk.imported.plugin import CofferdamPluginBatchHandler010, CofferdamPluginHandler010
"""

_IN_HANDLER = "ask in the handler"

_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)


class Refused(Exception):
    """The module is no plugin; the text says why, and `details` where."""

    def __init__(self, text: str, details: str = "") -> None:
        super().__init__(text)
        self.details = details


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cofferdam_sdk.build", description="Make a component of a handler.")
    parser.add_argument("module", help="the module with the decorated function, as it is imported: my_handler")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the component")
    parser.add_argument("-p", "--path", type=Path, default=Path("."), help="the folder the module is in (.)")
    given = parser.parse_args(arguments)
    try:
        build(given.module, given.path.resolve(), given.output)
    except Refused as refused:
        print(f"{given.module}: {refused}", file=sys.stderr)
        print(refused.details, end="", file=sys.stderr)
        return 1
    return 0


def build(module: str, path: Path, output: Path) -> None:
    """Makes a component of the module in this folder, where something there is newer than the one there is."""
    started = time.time()
    worlds = worlds_of(module, path)
    if is_fresh(output, path):
        print(f"{output} is as new as its sources", file=sys.stderr)
        return
    if importlib.util.find_spec("componentize_py") is None:
        raise Refused("componentize-py is not installed: pip install 'cofferdam-sdk[build]'")
    command = [sys.executable, "-c", "import componentize_py; componentize_py.script()", "--quiet", "--full-names"]
    for wit in _WIT:
        command += ["--wit-path", str(_PACKAGE / "wit" / wit)]
    # Written beside and renamed: whoever loads it meanwhile has the old one or the new one.
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cofferdam_entry.py").write_text(_ENTRY.format(module=module))
        # One world that has them all: componentize-py panics when it is given several that share types.
        includes = "".join(f"include cofferdam:sdk-python/{world}@0.1.0; " for world in worlds)
        world = Path(folder, "plugin.wit")
        world.write_text(f"package cofferdam:built; world plugin {{ {includes}}}")
        command += ["--wit-path", str(world), "--world", "cofferdam:built/plugin"]
        command += ["componentize", "cofferdam_entry", "--output", str(beside)]
        places = _places(Path(folder), path)
        for place in places:
            command += ["--python-path", str(place)]
        try:
            _componentize(command, places)
            # What was changed meanwhile may not be in it.
            os.utime(beside, (started, started))
            beside.replace(output)
        finally:
            beside.unlink(missing_ok=True)


def _componentize(command: list[str], places: list[Path]) -> None:
    """Runs componentize-py. What it says is passed on, without its own stack."""
    quiet = {"RUST_BACKTRACE": "0", "RUST_LIB_BACKTRACE": "0"}
    done = subprocess.run(command, env=os.environ | quiet, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode == 0:
        sys.stderr.write(done.stderr)
        return
    details = _told.by_componentize(done.stderr, places)
    for missing in _NO_MODULE.findall(done.stderr):
        if native := native_part(missing):
            raise Refused(f"needs {native}, which is not pure Python: a component loads no native modules", details)
    if asked := _told.asked_of_the_host(done.stderr):
        raise Refused(
            f"asks the host for {asked} when it is imported, which is when the plugin is built: {_IN_HANDLER}"
        )
    raise Refused("cannot be built", details)


def native_part(module: str) -> str | None:
    """The package that a module is in, where this Python has the module as machine code; else None. Imports nothing."""
    parts = module.split(".")
    places: Sequence[str] | None = None
    origin: str | None = None
    for end in range(1, len(parts) + 1):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:end]), places)
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
    is_native = (origin or "").endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
    return parts[0] if is_native else None


def worlds_of(module: str, path: Path) -> list[str]:
    """The worlds of `wit/sdk.wit` that the plugin needs, by what it imports and how its function is decorated."""
    sys.path.insert(0, str(path))
    _backend.building = True
    try:
        importlib.import_module(module)
    except _backend.Building as error:
        raise Refused(f"{error}: {_IN_HANDLER}", _told.by_import(error)) from None
    except SyntaxError as error:
        raise Refused("cannot be compiled", _told.of_syntax(error)) from None
    except Exception as error:
        raise Refused("cannot be imported", _told.by_import(error)) from None
    found = len(registry.handlers) + len(registry.batch_handlers)
    if found == 0:
        raise Refused("no function is decorated with @handler or @batch_handler")
    if found > 1:
        raise Refused(f"{found} functions are decorated; a plugin has one")
    worlds = ["base"] + (["batch"] if registry.batch_handlers else [])
    return worlds + [grant for grant in _GRANTS if f"{__package__}.{grant}" in sys.modules]


def is_fresh(output: Path, path: Path) -> bool:
    """Whether nothing changed since the component was made: no file of the folder, because a module can read any of it
    when it is imported, none of the SDK, and no package was installed or removed."""
    try:
        made = output.stat().st_mtime
    except FileNotFoundError:
        return False
    sources = [*_files(path, output.suffix), *_files(_PACKAGE, output.suffix), *_installed()]
    return all(source.stat().st_mtime < made for source in sources if source.exists())


def _files(folder: Path, but: str) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        yield from (Path(place, name) for name in files if not name.startswith(".") and not name.endswith(but))


def _installed() -> list[Path]:
    return [Path(place) for place in sys.path if Path(place).name == "site-packages"]


def _places(entry: Path, path: Path) -> list[Path]:
    """Where the component's modules are looked for, once, while it is built: no standard library, which it brings."""
    return list(dict.fromkeys([entry, path, _PACKAGE.parent, *_installed()]))


if __name__ == "__main__":
    sys.exit(main())
