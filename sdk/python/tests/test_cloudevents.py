from datetime import UTC, datetime

import pytest

from cofferdam_sdk import Output, ValidationError, cloudevents, testing

ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "placed"}


def test_the_attributes_of_an_event_have_their_names():
    more = {"subject": "o-1", "time": "2026-01-05T08:00:07Z", "entityid": "o-1"}
    event = cloudevents.CloudEvent.of(testing.message(json={"n": 1}, attributes=ATTRIBUTES | more))
    assert (event.id, event.source, event.type, event.subject) == ("e-1", "/shop", "placed", "o-1")
    assert event.time == datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
    assert event.extensions == {"entityid": "o-1"}
    assert event.data() == {"n": 1}


def test_an_event_needs_no_more_than_it_must_have():
    event = cloudevents.CloudEvent.of(testing.message(attributes=ATTRIBUTES))
    assert (event.subject, event.time, event.datacontenttype, event.extensions) == (None, None, None, {})


@pytest.mark.parametrize("attributes", [{}, ATTRIBUTES | {"time": "yesterday"}])
def test_what_is_no_event_is_a_validation_error(attributes):
    with pytest.raises(ValidationError):
        cloudevents.CloudEvent.of(testing.message(attributes=attributes))


def test_an_event_to_publish_is_an_output_with_attributes():
    output = cloudevents.output("out", "priced", {"n": 1}, key="o-1", subject="o-1", entityid="o-1")
    attributes = {"type": "priced", "subject": "o-1", "entityid": "o-1"}
    assert output == Output("out", '{"n":1}', key="o-1", attributes=attributes)


@pytest.mark.parametrize("name", ["entity_id", "entityId", "id"])
def test_a_name_that_an_event_cannot_have_is_refused_where_it_is_given(name):
    with pytest.raises(ValueError, match=name):
        cloudevents.output("out", "priced", {}, **{name: "x"})
