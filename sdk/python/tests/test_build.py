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
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.modules['componentize_py'] = None\n" + HANDLER, "pip install 'cofferdam-sdk[build]'"),
    ],
)
def test_what_is_no_plugin_is_refused_before_anything_is_built(tmp_path, text, why):
    refused = run(tmp_path, text, *BUILD)
    assert refused.returncode == 1
    assert why in refused.stderr
    assert [file.name for file in tmp_path.glob("*.wasm")] == []


def test_a_syntax_error_is_all_that_is_said_with_its_file_and_line(tmp_path):
    (tmp_path / "helper.py").write_text("\ndef broken(:\n")
    refused = run(tmp_path, "import helper\n" + HANDLER, *BUILD)
    first, second, *_, last = refused.stderr.splitlines()
    assert (first, second) == ("plugin: cannot be compiled", f'  File "{tmp_path}/helper.py", line 2')
    assert last.startswith("SyntaxError: ") and "Traceback" not in refused.stderr


def test_an_error_of_an_import_shows_the_frames_of_the_author_alone(tmp_path):
    (tmp_path / "helper.py").write_text("def fail():\n    raise KeyError('nope')\n")
    refused = run(tmp_path, "import helper\nhelper.fail()\n" + HANDLER, *BUILD)
    files = [line.split('"')[1] for line in refused.stderr.splitlines() if line.startswith("  File ")]
    assert files == [f"{tmp_path}/plugin.py", f"{tmp_path}/helper.py"]
    assert refused.stderr.startswith("plugin: cannot be imported\nTraceback ")
    assert refused.stderr.endswith("KeyError: 'nope'\n")


@pytest.mark.parametrize(
    ("asks", "what"),
    [
        ("config.require('currency')", "config"),
        ("config.get('currency')", "config"),
        ("keyvalue.open('orders')", "keyvalue"),
        ("http.get('https://api.example.com')", "http"),
    ],
)
def test_a_module_that_asks_the_host_when_it_is_imported_is_told_to_do_so_in_the_handler(tmp_path, asks, what):
    refused = run(tmp_path, f"from cofferdam_sdk import {what}\n{asks}\n{HANDLER}", *BUILD)
    why = (
        f"plugin: asks the host for {what} when it is imported, which is when the plugin is built: ask in the handler\n"
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(why)
    assert f'File "{tmp_path}/plugin.py", line 2' in refused.stderr
    assert "testing" not in refused.stderr


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
    why = "plugin: needs fast, which is not pure Python: a component loads no native modules\nTraceback "
    assert refused.stderr.startswith(why)
    assert f'File "{tmp_path}/fast/__init__.py", line 1' in refused.stderr
    for noise in ("Stack backtrace", "AssertionError", "Caused by", "cofferdam_entry"):
        assert noise not in refused.stderr


@pytest.mark.skipif(importlib.util.find_spec("componentize_py") is None, reason="needs componentize-py")
def test_a_module_that_asks_the_host_in_the_component_alone_is_told_so(tmp_path):
    asks = "import sys\nfrom cofferdam_sdk import config\nif sys.platform == 'wasi': config.get('a')\n"
    refused = run(tmp_path, asks + HANDLER, *BUILD)
    what = "asks the host for wasi:config/store@0.2.0-rc.1#get when it is imported, which is when the plugin is built"
    assert (refused.returncode, refused.stderr) == (1, f"plugin: {what}: ask in the handler\n")


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
