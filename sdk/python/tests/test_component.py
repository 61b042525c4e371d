"""The real thing: components in the host, which the stand-ins of `testing` cannot vouch for.

`COFFERDAM` names the host's program; componentize-py is to be installed (`pip install '.[build]'`).
"""

import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import cofferdam_sdk

SDK = Path(cofferdam_sdk.__file__).parent.parent
COMPONENT = Path(__file__).parent / "component"
HOST = os.environ.get("COFFERDAM")

MESSAGES = [
    {"key": "message", "headers": [["a", "1"], ["A", "/w==", "base64"]], "payload": {"text": "ü", "number": 1.5}},
    {"key": "outputs", "payload": "p"},
    {"key": "http", "payload": "${SERVER}"},
    {"key": "nobody", "payload": "${NOBODY}"},
    *({"key": key} for key in ("config", "keyvalue", "late", "random", "random", "log")),
    *({"key": key} for key in ("retryable", "permanent", "deferred", "bug", "fickle", "exit")),
]

# The end of each message: by its key, outcome, code, and number of outputs.
EXPECTED = [
    ("message", "done", None, 0),
    ("outputs", "done", None, 4),
    ("http", "permanent", "CAPABILITY_DENIED", 0),
    ("nobody", "retryable", "SERVICE_UNAVAILABLE", 0),
    ("config", "deferred", "CONFIGURATION_MISSING", 0),
    ("keyvalue", "permanent", "CAPABILITY_DENIED", 0),
    ("late", "done", None, 0),
    ("random", "done", None, 0),
    ("random", "done", None, 0),
    ("log", "done", None, 0),
    ("retryable", "retryable", "RATE_LIMITED", 0),
    ("permanent", "permanent", "DUPLICATE", 0),
    ("deferred", "deferred", "TOO_EARLY", 0),
    ("bug", "trapped", "UNCAUGHT_EXCEPTION", 0),
    ("fickle", "done", None, 0),
    ("exit", "trapped", "UNCAUGHT_EXCEPTION", 0),
]


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("content-length", 0))
        self.rfile.read(length)
        said = f"{self.command} {self.path} {self.headers.get('accept')} {length}".encode()
        body = b"x" * 300_000 if self.path == "/long" else said
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("x-said", "yes")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What `cofferdam dev` said of the messages, and what was logged."""
    if HOST is None or importlib.util.find_spec("componentize_py") is None:
        say = pytest.fail if "CI" in os.environ else pytest.skip
        say("needs COFFERDAM=<the host's program> and componentize-py")
    folder = tmp_path_factory.mktemp("component")
    shutil.copytree(COMPONENT, folder, dirs_exist_ok=True)
    for module in ("probe", "several"):
        command = [sys.executable, "-m", "cofferdam_sdk.build", module, "-o", f"{module}.wasm"]
        subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(SDK)}, check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server:
        # Nobody listens on port 1.
        urls = {"SERVER": f"http://127.0.0.1:{server.server_port}", "NOBODY": "http://127.0.0.1:1"}
        (folder / "input").mkdir()
        lines = "".join(json.dumps(message) + "\n" for message in MESSAGES)
        for name, url in urls.items():
            lines = lines.replace(f"${{{name}}}", url)
        (folder / "input" / "in.jsonl").write_text(lines)
        (folder / "input" / "several.jsonl").write_text('{"payload": 1}\n{"payload": "x"}\n{"payload": [3]}\n')
        command = [HOST, "dev", ".", "--exit-when-idle", "--json"]
        done = subprocess.run(command, cwd=folder, env=os.environ | urls, capture_output=True, text=True)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    logged = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    said = [line for line in logged if line["target"] == "plugin" and "context" in line]
    return lines, [(line["level"], line["context"], line["message"]) for line in said]


def ends(ran, route):
    lines, _ = ran
    ended = [line for line in lines if line.get("route") == route and line["event"] in ("done", "dead_letter")]
    return [(line["key"], line["outcome"], line["code"], line["outputs"]) for line in ended]


def test_every_probe_ends_as_it_should(ran):
    assert Counter(ends(ran, "probe")) == Counter(EXPECTED), ran


def test_several_messages_at_once_end_one_by_one(ran):
    outcomes = Counter((outcome, code) for _, outcome, code, _ in ends(ran, "several"))
    assert outcomes == {("done", None): 2, ("permanent", "VALIDATION_ERROR"): 1}


def test_log_lines_have_their_level_and_logger(ran):
    _, logged = ran
    assert ("WARN", "probe", "warned of something") in logged
    assert ("INFO", "stdout", "to standard output") in logged
    assert any(level == "ERROR" and "ValueError: caught" in text for level, _, text in logged)
    assert not any("not to be seen" in text for _, _, text in logged)


def test_a_bug_says_where_it_is(ran):
    _, logged = ran
    assert any(context == "stderr" and "KeyError: 'missing'" in text for _, context, text in logged)


def test_two_instances_draw_different_numbers(ran):
    _, logged = ran
    drawn = [text for _, _, text in logged if text.startswith("random ")]
    assert len(drawn) == 2 and drawn[0] != drawn[1]
