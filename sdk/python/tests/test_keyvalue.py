import pytest

from cofferdam_sdk import Permanent, Retryable, keyvalue, testing


@pytest.fixture
def host():
    with testing.host() as host:
        yield host


@pytest.fixture
def bucket(host):
    return keyvalue.open("orders")


def test_a_value_is_read_back_overwritten_and_removed(host, bucket):
    assert bucket.get("k") is None
    bucket.set("k", "one")
    bucket.set("k", b"two")
    assert bucket.get("k") == b"two"
    assert keyvalue.open("others").get("k") is None
    assert host.values["orders"] == {"k": b"two"}
    bucket.delete("k")
    bucket.delete("k")
    assert not bucket.exists("k")


def test_all_pages_of_keys_are_listed(bucket):
    for key in "abc":
        bucket.set(key, "")
    assert sorted(bucket.keys()) == ["a", "b", "c"]


def test_a_counter_counts_and_refuses_what_is_no_number(bucket):
    assert bucket.increment("n") == 1
    assert bucket.increment("n", -4) == -3
    assert bucket.increment("n", 0) == -3
    assert bucket.get("n") == b"-3"
    with pytest.raises(keyvalue.StoreFailed, match="would not fit"):
        bucket.increment("n", -(1 << 63))
    bucket.set("text", "x")
    with pytest.raises(keyvalue.StoreFailed, match="no number"):
        bucket.increment("text")
    assert bucket.get("text") == b"x"


def test_the_first_to_set_an_absent_key_keeps_it(bucket):
    assert bucket.set_if_absent("owner", "first") is None
    assert bucket.set_if_absent("owner", "second") == b"first"
    assert bucket.get("owner") == b"first"


def test_a_swap_on_a_changed_key_does_nothing(bucket):
    _, swap = bucket._backend.note("k")
    bucket.set("k", "somebody else")
    assert not swap(b"mine")
    assert bucket.get("k") == b"somebody else"


def test_a_failing_store_keeps_what_was_written_before_and_makes_the_message_come_again(host, bucket):
    host.fail_keyvalue_after(1)
    bucket.set("a", "1")
    with pytest.raises(Retryable) as failure:
        bucket.set("b", "2")
    assert failure.value.code == "SERVICE_UNAVAILABLE"
    host.mend_keyvalue()
    assert (bucket.get("a"), bucket.get("b")) == (b"1", None)


def test_a_bucket_that_was_not_granted_is_nothing_to_retry():
    assert isinstance(keyvalue.NotGranted(), Permanent)
    assert isinstance(keyvalue.NotGranted(), keyvalue.Error)


def test_a_value_that_is_neither_text_nor_bytes_is_refused(bucket):
    for write in (bucket.set, bucket.set_if_absent):
        with pytest.raises(TypeError, match='the value of "k" must be text or bytes, not 5'):
            write("k", 5)
    assert bucket.get("k") is None
