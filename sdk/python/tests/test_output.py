import pytest

from cofferdam_sdk import Output, Permanent, testing


def test_json_is_compact_and_utf8():
    assert Output.json("a", {"name": "Ö", "n": [1, 2.5]}).payload == '{"name":"Ö","n":[1,2.5]}'.encode()


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object(), "\ud800"])
def test_a_value_without_a_json_form_is_a_permanent_failure_and_no_bug(value):
    with pytest.raises(Permanent) as failure:
        Output.json("a", value)
    assert failure.value.code == "SERIALIZATION_FAILED"


def test_a_copy_keeps_key_headers_attributes_and_payload():
    message = testing.message("p", key="k", headers=[("h", "1"), ("h", "2")], attributes={"a": "b"})
    copy = Output.copy_of(message, "elsewhere")
    assert copy.to == "elsewhere"
    assert (copy.key, copy.headers) == (message.key, message.headers)
    assert (copy.attributes, copy.payload) == (message.attributes, message.payload)


def test_a_copy_does_not_change_its_message():
    message = testing.message("p", attributes={"a": "b"})
    Output.copy_of(message, "elsewhere").attributes["a"] = "c"
    assert message.attributes == {"a": "b"}


def test_a_tombstone_has_no_payload():
    assert Output.tombstone("a", key="k").payload is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"payload": {"a": 1}}, "payload"),
        ({"payload": "", "key": 7}, "key"),
        ({"payload": "", "headers": {"h": None}}, 'header "h"'),
        ({"payload": "", "attributes": {"n": 1}}, 'attribute "n" of an output must be text, not 1'),
        ({"payload": "", "attributes": "ab"}, "must be a mapping or pairs of name and value, not 'ab'"),
        ({"payload": "", "headers": "ab"}, "must be a mapping or pairs of name and value, not 'ab'"),
        ({"payload": "", "headers": 7}, "must be a mapping or pairs of name and value, not 7"),
        ({"payload": "", "headers": ["ab"]}, "must be a pair of name and value, not 'ab'"),
        ({"payload": "", "headers": {7: "a"}}, "must be text, not 7"),
    ],
)
def test_what_is_neither_text_nor_bytes_is_refused_where_it_is_made(arguments, named):
    with pytest.raises(TypeError, match=named):
        Output("a", **arguments)


def test_bytes_are_counted_as_the_host_counts_them():
    output = Output("ignored", "12345", key="k", headers=[("ab", "c")], attributes={"d": "ef"})
    assert output.counted_bytes() == 5 + 1 + (3 + 32) + (3 + 32)


@pytest.mark.parametrize("headers", [{"ab": ["1", b"2"]}, [("ab", "1"), ("ab", b"2")], [["ab", b"1"], ["ab", "2"]]])
def test_headers_are_taken_in_every_form_of_pairs(headers):
    expected = [("ab", b"1"), ("ab", b"2")]
    assert Output("a", "", headers=headers).headers == expected
    assert testing.message(headers=headers).headers == expected


@pytest.mark.parametrize("attributes", [{"type": "t"}, [("type", "t")]])
def test_attributes_are_taken_in_every_form_of_pairs(attributes):
    assert Output("a", "", attributes=attributes).attributes == {"type": "t"}
    assert testing.message(attributes=attributes).attributes == {"type": "t"}


def test_an_attribute_stands_once():
    with pytest.raises(ValueError, match="given twice"):
        Output("a", "", attributes=[("type", "t"), ("type", "u")])
