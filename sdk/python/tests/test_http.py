import pytest

from cofferdam_sdk import Permanent, Retryable, http, testing


def test_a_request_goes_out_as_it_was_put_together():
    def answer(request):
        assert (request.method, request.url) == ("POST", "https://api.example.com/rates")
        assert request.headers == [("accept", b"text/plain"), ("content-type", b"application/json")]
        return http.Response(201, [("X-Id", b"7")], request.body)

    with testing.host(http=answer):
        answered = http.post("https://api.example.com/rates", headers={"accept": "text/plain"}, json={"ü": [1]})
    assert (answered.status, answered.json(), answered.header("x-id")) == (201, {"ü": [1]}, "7")


def test_a_request_that_nobody_answers_was_not_granted():
    with testing.host(), pytest.raises(http.Denied) as failure:
        http.get("https://api.example.com/")
    assert isinstance(failure.value, Permanent)
    assert failure.value.code == "CAPABILITY_DENIED"


def test_a_host_that_is_away_makes_the_message_come_again():
    for error in (http.Timeout(), http.Unavailable("refused")):
        assert isinstance(error, Retryable)
        assert isinstance(error, http.Error)


@pytest.mark.parametrize("headers", [{"a": ["1", "2"]}, [("a", "1"), ("a", b"2")]])
def test_headers_are_taken_in_every_form_of_pairs(headers):
    with testing.host(http=lambda request: http.Response(200, request.headers)):
        assert http.get("https://api.example.com/", headers=headers).headers == [("a", b"1"), ("a", b"2")]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"headers": {"a": 1}}, 'the header "a" of a request must be text or bytes, not 1'),
        ({"headers": "ab"}, "the headers of a request must be"),
        ({"body": {"a": 1}}, "the body of a request must be text or bytes, not {'a': 1}"),
        ({"body": "a", "json": 1}, "a body or json, not both"),
    ],
)
def test_what_a_request_cannot_carry_is_refused_where_it_is_made(arguments, named):
    with testing.host(http=lambda _: http.Response(200)), pytest.raises(TypeError, match=named):
        http.post("https://api.example.com/", **arguments)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", r"status 502 is no JSON: Expecting value: line 1 column 1"),
        (b"", "no JSON"),
        (b"\xff", "no text: .* byte 0xff in position 0"),
        (b"NaN", "no JSON: NaN is no JSON"),
        (rb'"\ud800"', "no JSON: .*surrogates"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_an_answer_that_is_no_json_makes_the_message_come_again_and_says_whose_it_is(body, why):
    with testing.host(http=lambda _: http.Response(502, body=body)):
        answer = http.get("https://api.example.com:8443/rates?key=secret")
    with pytest.raises(http.InvalidResponse, match=why) as failure:
        answer.json()
    assert isinstance(failure.value, Retryable) and isinstance(failure.value, ValueError)
    assert failure.value.code == "INVALID_RESPONSE"
    assert failure.value.text.startswith("the answer of api.example.com with status 502 is no ")
