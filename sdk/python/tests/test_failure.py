from datetime import timedelta

import pytest

from cofferdam_sdk import Deferred, Failure, Permanent, Retryable, ValidationError


@pytest.mark.parametrize("code", ["A", "RATE_LIMITED", "E404", "X" * 64])
def test_a_code_is_capitals_digits_and_underscores_up_to_64(code):
    assert Permanent(code, "").has_valid_code()


@pytest.mark.parametrize("code", ["", "rate_limited", "NOT-FOUND", "NOT FOUND", "ÄRGER", "X" * 65, "A\n"])
def test_any_other_code_is_known_to_be_replaced(code):
    assert not Permanent(code, "").has_valid_code()


def test_a_failure_reads_as_code_and_text():
    failure = Retryable("RATE_LIMITED", "50 a minute are used up", retry_after=1.5)
    assert str(failure) == "RATE_LIMITED: 50 a minute are used up"
    assert failure.retry_after == timedelta(milliseconds=1500)
    assert Deferred("TOO_EARLY", "", timedelta(hours=1)).retry_after == timedelta(hours=1)


def test_a_failure_has_a_kind_and_no_delay_in_the_past():
    with pytest.raises(TypeError, match="Retryable, Permanent or Deferred"):
        Failure("A", "")
    with pytest.raises(ValueError, match="past"):
        Retryable("A", "", retry_after=-1)


def test_a_validation_error_is_permanent():
    failure = ValidationError("no items")
    assert isinstance(failure, Permanent)
    assert failure.code == "VALIDATION_ERROR"
