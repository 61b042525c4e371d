from datetime import UTC, datetime

import pytest

from cofferdam_sdk import ValidationError, testing


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ("nonsense", "line 1 column 1"),
        ("{", "line 1 column 2"),
        (b"\xff", "no text"),
        ('{"total": NaN}', "NaN is no JSON"),
        (r'{"\udc00": 1}', "surrogates not allowed"),
        ("9" * 5000, "digits"),
        ("[" * 100_000, "nested too deeply"),
        (None, "tombstone"),
    ],
)
def test_a_payload_that_is_no_json_is_a_validation_error_that_says_where(payload, where):
    with pytest.raises(ValidationError, match=where):
        testing.message(payload).json()


def test_a_tombstone_is_told_from_an_empty_payload():
    assert testing.message("").text() == ""
    with pytest.raises(ValidationError, match="tombstone"):
        testing.message().text()


def test_the_last_of_repeated_headers_counts_letter_case_aside():
    message = testing.message(headers=[("trace", "a"), ("Trace", "b"), ("bytes", b"\xff")])
    assert message.header("trace") == b"b"
    assert message.header_text("TRACE") == "b"
    assert message.header("traces") is None
    assert message.header("bytes") == b"\xff"
    assert message.header_text("bytes") is None
    assert len(message.headers) == 3


def test_a_key_is_text_where_it_is_utf8():
    assert testing.message(key="ü").key_text() == "ü"
    assert testing.message(key=b"\xff").key_text() is None
    assert testing.message(key="").key_text() == ""
    assert testing.message().key_text() is None


def test_a_missing_attribute_is_named():
    message = testing.message(attributes={"type": "t"})
    assert message.required_attribute("type") == "t"
    with pytest.raises(ValidationError, match='"subject"'):
        message.required_attribute("subject")


def test_the_timestamp_is_in_utc():
    message = testing.message(timestamp_ms=1_700_000_000_123)
    assert message.timestamp() == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
