import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cofferdam_sdk
from cofferdam_sdk import build

SDK = Path(cofferdam_sdk.__file__).parent.parent
BUILD = [sys.executable, "-m", "cofferdam_sdk.build", "plugin", "-o", "plugin.wasm"]
WORLDS = "import pathlib; from cofferdam_sdk import build; print(*build.worlds_of('plugin', pathlib.Path.cwd()))"
HANDLER = "from cofferdam_sdk import *\n@handler\ndef handle(message): pass\n"


def run(folder, text, *command):
    (folder / "plugin.py").write_text(text)
    environment = os.environ | {"PYTHONPATH": str(SDK)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("text", "worlds"),
    [
        (HANDLER, "base"),
        ("from cofferdam_sdk import keyvalue\n" + HANDLER, "base keyvalue"),
        ("import cofferdam_sdk.http\n" + HANDLER, "base http"),
        (HANDLER.replace("@handler", "@batch_handler"), "base batch"),
    ],
)
def test_a_plugin_asks_for_what_it_imports_and_nothing_else(tmp_path, text, worlds):
    assert run(tmp_path, text, sys.executable, "-c", WORLDS).stdout.strip() == worlds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no function is decorated"),
        (HANDLER + HANDLER, "2 functions are decorated"),
        ("import nonsense", "No module named 'nonsense'"),
        ("import sys; sys.modules['componentize_py'] = None\n" + HANDLER, "pip install 'cofferdam-sdk[build]'"),
    ],
)
def test_what_is_no_plugin_is_refused_before_anything_is_built(tmp_path, text, why):
    refused = run(tmp_path, text, *BUILD)
    assert refused.returncode == 1
    assert why in refused.stderr
    assert [file.name for file in tmp_path.glob("*.wasm")] == []


NATIVE = f"fast/_fast{importlib.machinery.EXTENSION_SUFFIXES[0]}"


def test_a_module_that_is_no_python_is_called_by_the_name_of_its_package(tmp_path, monkeypatch):
    (tmp_path / "fast").mkdir()
    for file in ("fast/__init__.py", "fast/pure.py", NATIVE):
        (tmp_path / file).touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    names = ("fast._fast", "fast.pure", "fast", "fast.none", "nothing.at.all")
    assert [build.native_part(name) for name in names] == ["fast", None, None, None, None]


@pytest.mark.skipif(importlib.util.find_spec("componentize_py") is None, reason="needs componentize-py")
def test_a_package_with_a_native_module_is_refused_by_name(tmp_path):
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "__init__.py").write_text("from ._fast import *")
    (tmp_path / NATIVE).touch()
    # Where it is built, the module can be imported.
    refused = run(tmp_path, "import sys\nif sys.platform == 'wasi': import fast\n" + HANDLER, *BUILD)
    assert refused.returncode == 1
    why = "plugin: needs fast, which is not pure Python: a component loads no native modules\n"
    assert refused.stderr.endswith(why)
    assert "Stack backtrace" not in refused.stderr


def test_a_component_is_made_again_only_where_something_is_newer(tmp_path):
    output, module, data = tmp_path / "plugin.wasm", tmp_path / "plugin.py", tmp_path / "data" / "prices.json"
    assert not build.is_fresh(output, tmp_path)
    data.parent.mkdir()
    for file in (module, data, output):
        file.touch()
    made = time.time() + 60
    os.utime(output, (made, made))
    assert build.is_fresh(output, tmp_path)
    for file in (module, data):
        os.utime(file, (made + 1, made + 1))
        assert not build.is_fresh(output, tmp_path), file
        os.utime(file, (made - 1, made - 1))
    (tmp_path / ".venv").mkdir()
    os.utime(tmp_path / ".venv", (made + 1, made + 1))
    assert build.is_fresh(output, tmp_path)
