"""What a build says of an error: the author's part of it."""

from __future__ import annotations

import importlib
import re
import runpy
import traceback
from pathlib import Path

# Of the SDK, of `python -m`, and of `import`.
_IMPORTING = (str(Path(__file__).resolve().parent), importlib.__file__, runpy.__file__, "<frozen ", "<string>")

_COMPONENTIZE = re.compile(r"^AssertionError: (Traceback .*?\n)\n*(?:Caused by:|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r'  File "/\d+/cofferdam_entry\.py".*\n(?:    .*\n)*')
_PLACE = re.compile(r'(?<=  File ")/(\d+)(?=/)')
_ASKED = re.compile(r"called trapping stub: (\S+)")


def of_syntax(error: SyntaxError) -> str:
    """File, line and what is wrong."""
    return "".join(traceback.format_exception_only(error))


def by_import(error: Exception) -> str:
    """The traceback of an import, without those who imported: the machinery and the SDK."""
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    while part is not None:
        part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_IMPORTING)]
        part = part.__cause__ or part.__context__
    return "".join(told.format())


def by_componentize(said: str, places: list[Path]) -> str:
    """The traceback within what componentize-py said. All of it where there is none."""
    found = _COMPONENTIZE.search(said)
    if found is None:
        return said
    return _PLACE.sub(lambda place: str(places[int(place[1])]), _ENTRY.sub("", found[1]))


def asked_of_the_host(said: str) -> str | None:
    """The function of the host that was called while there was none."""
    found = _ASKED.search(said)
    return found and found[1]
