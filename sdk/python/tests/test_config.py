import pytest

from cofferdam_sdk import Deferred, config, testing


def test_a_missing_value_defers_the_message_and_is_named():
    with testing.host(), pytest.raises(Deferred, match='"currency"') as failure:
        config.require("currency")
    assert failure.value.code == "CONFIGURATION_MISSING"


def test_what_a_test_sets_is_what_the_handler_reads():
    with testing.host(config={"currency": "EUR"}):
        assert config.require("currency") == "EUR"
        assert config.get("other") is None
        assert config.get("other", "default") == "default"
        assert config.all() == {"currency": "EUR"}


def test_without_a_host_the_test_is_told_how_to_have_one():
    with pytest.raises(RuntimeError, match="testing.host"):
        config.get("currency")
