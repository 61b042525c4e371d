import pytest

from cofferdam_sdk import Failure, Output, ValidationError, batch_handler, handler, testing


def test_a_handler_answers_with_a_list_however_it_says_it():
    output = Output("a", "")
    for said, outputs in [(None, []), (output, [output]), ([output], [output]), ((output, output), [output, output])]:
        assert handler(lambda message, said=said: said)(testing.message()) == outputs

    @handler
    def one_by_one(message):
        yield output
        yield output

    assert one_by_one(testing.message()) == [output, output]


def test_what_is_no_output_is_a_bug_that_is_named():
    with pytest.raises(TypeError, match="answers with outputs, not 'text'"):
        handler(lambda message: ["text"])(testing.message())


def test_a_coroutine_is_no_handler():
    with pytest.raises(TypeError, match="plain function"):

        @handler
        async def handle(message):
            return []


def test_one_failure_of_a_batch_fails_none_of_the_others():
    @batch_handler
    def handle(messages):
        for message in messages:
            try:
                yield Output.json("out", message.json())
            except Failure as failure:
                yield failure

    first, second, third = handle([testing.message(json=1), testing.message("x"), testing.message(json=3)])
    assert (first, third) == ([Output("out", "1")], [Output("out", "3")])
    assert isinstance(second, ValidationError)


def test_a_batch_has_a_result_for_each_message():
    with pytest.raises(ValueError, match="1 results for 2 messages"):
        batch_handler(lambda messages: [None])([testing.message(), testing.message()])
