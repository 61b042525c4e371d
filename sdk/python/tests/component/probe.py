"""Asks the host for all there is, and traps where an answer is not what it should be."""

import codecs
import logging
import random
from datetime import datetime, timedelta

from cofferdam_sdk import Deferred, Message, Output, Permanent, Retryable, cloudevents, config, handler, http, keyvalue

logger = logging.getLogger("probe")


@handler
def handle(message: Message):
    return globals()[f"probe_{message.key_text()}"](message)


def probe_message(message):
    assert message.json() == {"text": "ü", "number": 1.5}
    assert message.headers == [("a", b"1"), ("A", b"\xff")]
    assert message.header_text("b") is None
    assert message.source == "in" and message.position.count("/") == 1
    assert abs(message.timestamp().timestamp() - datetime.now().timestamp()) < 600


def probe_outputs(message):
    yield Output.json("out", {"a": 1}, key=b"\xff", headers=[("h", "1"), ("h", b"\xff")], attributes={"type": "t"})
    yield Output.copy_of(message, "out")
    yield Output.tombstone("out", key="ü")
    yield cloudevents.output("events", "com.example.seen", [1], subject="s", entityid="e")


def probe_config(message):
    assert config.require("text") == "b"
    assert config.all() == {"text": "b", "number": "3"}
    return config.require("missing")


def probe_keyvalue(message):
    bucket = keyvalue.open("probes")
    bucket.set("a", "1")
    bucket.set("b", b"\xff")
    bucket.delete("a")
    assert (bucket.get("a"), bucket.get("b"), bucket.exists("a")) == (None, b"\xff", False)
    assert (bucket.increment("n", 2), bucket.increment("n", -5)) == (2, -3)
    assert (bucket.set_if_absent("c", "x"), bucket.set_if_absent("c", "y")) == (None, b"x")
    _, swap = bucket._backend.note("c")
    bucket.set("c", "somebody else")
    assert not swap(b"mine")
    assert sorted(bucket.keys()) == ["b", "c", "n"]
    try:
        bucket.increment("c")
    except keyvalue.StoreFailed as failure:
        logger.info("refused as %s", failure)
    # Not granted, and not caught.
    keyvalue.open("others")


def probe_http(message):
    url = message.text()
    answer = http.get(f"{url}/a?b=c#d", headers={"accept": "text/x"})
    assert (answer.status, answer.text(), answer.header("x-said")) == (200, "GET /a?b=c text/x 0", "yes")
    answer = http.post(f"{url}/", json="x" * 100_000)
    assert (answer.status, answer.text()) == (200, "POST / None 100002")
    assert http.request("DELETE", f"{url}/gone").status == 404
    assert len(http.get(f"{url}/long").body) == 300_000
    for wrong in ("nonsense", "http://", "http://[", f"{url}/\n"):
        try:
            raise AssertionError(http.get(wrong))
        except (http.Invalid, http.Denied):
            pass
    # Not granted, and not caught.
    http.get("https://example.com/")


def probe_nobody(message):
    http.get(message.text())


def probe_late(message):
    """What Python imports at the first use."""
    assert datetime.strptime("2026-01-05", "%Y-%m-%d").day == 5
    for name in ("ascii", "latin-1", "utf-16", "utf-8-sig", "idna"):
        assert codecs.decode(codecs.encode("a", name), name) == "a"


def probe_random(message):
    logger.info("random %s", random.random())


def probe_log(message):
    print("to standard output")
    logger.debug("not to be seen")
    logger.warning("warned of %s", "something")
    try:
        raise ValueError("caught")
    except ValueError:
        logger.exception("with a stack")


def probe_retryable(message):
    raise Retryable("RATE_LIMITED", "wait", retry_after=0.05)


def probe_permanent(message):
    raise Permanent("DUPLICATE", "known")


def probe_deferred(message):
    raise Deferred("TOO_EARLY", "wait", timedelta(hours=1))


def probe_bug(message):
    return {}["missing"]


def probe_fickle(message):
    """Two errors that are not the same fault, and then none."""
    match message.attempt:
        case 1:
            return {}["missing"]
        case 2:
            return 1 // 0


def probe_exit(message):
    raise SystemExit(3)
