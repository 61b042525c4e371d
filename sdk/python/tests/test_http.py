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
