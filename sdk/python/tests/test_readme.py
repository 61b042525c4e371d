"""The examples of the page, as they stand there."""

import re
import sys
import types
from pathlib import Path

from cofferdam_sdk import http, testing

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parent.parent / "README.md").read_text(), re.DOTALL)


def run(block, module):
    exec(compile(block, module.__name__, "exec"), vars(module))
    return module


def test_the_first_handler_passes_its_test(monkeypatch):
    module = run(BLOCKS[0], types.ModuleType("my_handler"))
    monkeypatch.setitem(sys.modules, "my_handler", module)
    run(BLOCKS[2], types.ModuleType("test_my_handler")).test_an_order_is_billed()


def test_the_handler_with_a_bucket_and_a_request_runs():
    def answer(request):
        assert request.headers == [("accept", b"application/json")]
        return http.Response(200, body=b'{"EUR": 1}')

    handle = run(BLOCKS[1], types.ModuleType("other")).handle
    with testing.host(http=answer) as host:
        [output] = handle(testing.message())
        assert handle(testing.message()) == []
    assert output.headers == [("x-count", b"1"), ("x-tag", b"a"), ("x-tag", b"b")]
    assert host.values["orders"] == {"test-message": b"seen", "count": b"1"}
